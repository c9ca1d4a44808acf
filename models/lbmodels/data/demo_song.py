# SPDX-License-Identifier: GPL-3.0-or-later
"""The bundled demo recording: an excerpt of a test song without its drums and bass, with its truth as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError
from lbmodels.data.harmony import key_name
from lbmodels.data.slakh import Track, read_track

_LICENCE = (
    "Made by `liveband data demo-song` from a song of our own generator, played with TimGM6mb.sf2 (GPL-2); "
    "free to use under the terms of this repository."
)

_LEAST_S, _MOST_S = 1.0, 3600.0


def excerpt_bounds_s(track: Track, start_s: float, length_s: float) -> tuple[float, float]:
    """Start moved to the nearest downbeat, and the end."""
    if len(track.downbeats_s) == 0:
        raise DataError(f"{track.name}: has no beats, so no excerpt can start on a bar")
    start = float(track.downbeats_s[np.argmin(np.abs(track.downbeats_s - start_s))])
    if start + length_s > track.duration_s:
        raise DataError(
            f"{track.name} lasts {track.duration_s:.1f} s; {length_s:g} s from {start:.1f} s do not fit"
        )
    return start, start + length_s


def make_demo_song(
    track_folder: Path,
    audio_path: Path,
    *,
    start_s: float,
    length_s: float = 20.0,
    without: tuple[str, ...] = ("drums", "bass"),
) -> dict[str, Any]:
    """Writes the excerpt and, beside it, its truth as JSON; returns the truth. Times count from the excerpt's start."""
    import soundfile

    if not _LEAST_S <= length_s <= _MOST_S:
        raise DataError(f"an excerpt of {length_s:g} s cannot be cut: {_LEAST_S:g} to {_MOST_S:g} s")
    track = read_track(track_folder)
    kept = [s for s in track.stems if s.stem_class not in without]
    if not kept:
        raise DataError(f"{track.name}: nothing is left without {', '.join(without)}")
    start, end = excerpt_bounds_s(track, start_s, length_s)
    first, last = round(start * track.sample_rate), round(end * track.sample_rate)
    audio: npt.NDArray[np.float64] = np.sum(
        [soundfile.read(os.fsencode(s.path), start=first, stop=last, always_2d=True)[0] for s in kept], axis=0
    )
    fade = np.linspace(0.0, 1.0, track.sample_rate // 100)[:, None]
    audio[: len(fade)] *= fade
    audio[-4 * len(fade) :] *= np.linspace(1.0, 0.0, 4 * len(fade))[:, None]
    audio *= 0.45 / max(float(np.abs(audio).max()), 1e-9)
    inside = (track.beats_s >= start - 1e-9) & (track.beats_s < end)
    chords = [
        [round(max(s.start_s, start) - start, 6), round(min(s.end_s, end) - start, 6), s.label]
        for s in track.chords
        if s.end_s > start and s.start_s < end
    ]
    truth = {
        "title": str(track.info.get("title", track.name)), "bpm": round(60.0 / float(np.mean(np.diff(track.beats_s[inside]))), 3),
        "beats_per_bar": int(track.beat_in_bar.max()), "key": track.key,
        "key_name": key_name(track.key) if track.key is not None else None, "style": track.info.get("style"),
        "beats": [round(float(b - start), 6) for b in track.beats_s[inside]],
        "beat_in_bar": [int(b) for b in track.beat_in_bar[inside]], "chords": chords,
        "stems": [s.stem_class for s in kept], "left_out": list(without), "licence": _LICENCE,
    }  # fmt: skip
    audio_path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(audio_path), audio, track.sample_rate)
    audio_path.with_suffix(".json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth
