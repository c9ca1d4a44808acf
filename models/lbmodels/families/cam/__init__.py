# SPDX-License-Identifier: GPL-3.0-or-later
"""Continuous autoregression: latents drawn frame by frame by a rectified flow (Pasini, Nistal, Lattner and Fazekas 2024, arXiv 2411.18447)."""
