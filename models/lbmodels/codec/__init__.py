# SPDX-License-Identifier: GPL-3.0-or-later
"""Causal audio autoencoder: 48 kHz stereo to continuous latents and back."""
