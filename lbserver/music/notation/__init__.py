# SPDX-License-Identifier: GPL-3.0-or-later
"""Music as people write it: chord labels, bar charts, files of chords, keys."""
