# SPDX-License-Identifier: GPL-3.0-or-later
"""A language model of this house's own codec tokens, after StreamMusicGen (Wu and others 2025, arXiv 2510.22105)."""
