# SPDX-License-Identifier: GPL-3.0-or-later
"""A song's truth as a reader of its files would have it, without the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lbmodels.data.compact import CompactSong
from lbmodels.data.harmony import parse_label, pitch_class_vector
from lbmodels.data.slakh import ChordSpan, Track
from lbmodels.data.song import Song


def track_of(song: Song, sample_rate: int) -> Track:
    """Beats, chords and keys of a song that is in no folder; the track has no stems and no mix."""
    chords = [(start_s, end_s, value.label) for start_s, end_s, value in song.chord_rows()]
    return _track(
        song.name, song.duration_s, song.key, song.beat_rows(), chords, song.key_rows(), sample_rate
    )


def track_of_compact(song: CompactSong, sample_rate: int) -> Track:
    """The same of a compact song."""
    return _track(song.name, song.duration_s, song.key, song.beats, song.chords, song.keys, sample_rate)


def _track(
    name: str, duration_s: float, key: int, beats: Sequence[tuple[float, int]], chords: Sequence[tuple[float, float, str]],
    keys: Sequence[tuple[float, int]], sample_rate: int,
) -> Track:  # fmt: skip
    beats_s = np.array([seconds for seconds, _ in beats])
    numbers = np.array([number for _, number in beats], np.int64)
    spans = []
    for start_s, end_s, label in chords:
        # By way of the label, as a file states it: a reader knows no more than that.
        stated = parse_label(label)
        spans.append(
            ChordSpan(
                start_s=start_s, end_s=end_s, label=label, pitch_classes=pitch_class_vector(stated), bass=stated.bass
            )
        )  # fmt: skip
    return Track(
        name=name, duration_s=duration_s, sample_rate=sample_rate, stems=(), mix_path=Path(), beats_s=beats_s,
        beat_in_bar=numbers, downbeats_s=beats_s[numbers == 1], chords=tuple(spans), key=key, info={}, keys=tuple(keys),
    )  # fmt: skip
