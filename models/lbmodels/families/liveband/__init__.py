# SPDX-License-Identifier: GPL-3.0-or-later
"""LiveBand: a causal transformer that turns the mix heard so far into the latents of a new stem."""
