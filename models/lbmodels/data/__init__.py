# SPDX-License-Identifier: GPL-3.0-or-later
"""Training data: songs of our own making rendered to multi-stem tracks with their truth, and readers for them.

Rendering uses these Debian packages: libfluidsynth3 fluid-soundfont-gm musescore-general-soundfont-lossless
csound-soundfont fluidr3mono-gm-soundfont (training, validation) and timgm6mb-soundfont (test split only).
Python packages: pyfluidsynth, mido.
"""
