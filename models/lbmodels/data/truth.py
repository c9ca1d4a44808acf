# SPDX-License-Identifier: GPL-3.0-or-later
"""A song's truth as a reader of its files would have it, without the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lbmodels.data.harmony import parse_label, pitch_class_vector
from lbmodels.data.slakh import ChordSpan, Track
from lbmodels.data.song import Song


def track_of(song: Song, sample_rate: int) -> Track:
    """Beats, chords and keys of a song that is in no folder; the track has no stems and no mix."""
    rows = song.beat_rows()
    beats_s = np.array([seconds for seconds, _ in rows])
    numbers = np.array([number for _, number in rows], np.int64)
    spans = []
    for start_s, end_s, value in song.chord_rows():
        # By way of the label, as a file states it: a reader knows no more than that.
        stated = parse_label(value.label)
        spans.append(
            ChordSpan(
                start_s=start_s, end_s=end_s, label=value.label, pitch_classes=pitch_class_vector(stated),
                bass=stated.bass,
            )
        )  # fmt: skip
    return Track(
        name=song.name, duration_s=song.duration_s, sample_rate=sample_rate, stems=(), mix_path=Path(), beats_s=beats_s,
        beat_in_bar=numbers, downbeats_s=beats_s[numbers == 1], chords=tuple(spans), key=song.key, info={},
        keys=tuple(song.key_rows()),
    )  # fmt: skip
