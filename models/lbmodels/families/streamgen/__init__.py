# SPDX-License-Identifier: GPL-3.0-or-later
"""StreamMusicGen (Wu and others 2025, arXiv 2510.22105): codec tokens, a decoder that hears the mix, t_f and k."""

CODEC_KIND, DECODER_KIND = "streamgen-codec", "streamgen-decoder"
"""What the weights files of an imported model say they are."""
