# SPDX-License-Identifier: GPL-3.0-or-later
"""Sound: rates, channels, levels, fades, and files of it."""
