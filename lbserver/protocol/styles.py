# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for a style that a front end suggests; the models' vocabulary has many more, see `liveband style`."""

STYLE_WORDS = (
    "upright bass", "electric bass", "fretless bass", "slap bass", "synth bass",
    "grand piano", "electric piano", "nylon guitar", "steel guitar", "clean guitar", "distorted guitar",
    "standard kit", "electronic kit", "brushes",
    "bossa", "swing", "funk", "rock", "house", "reggae", "ballad", "latin", "waltz",
    "sparse", "busy", "dark", "bright",
)  # fmt: skip
