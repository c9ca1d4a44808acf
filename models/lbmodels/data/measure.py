# SPDX-License-Identifier: GPL-3.0-or-later
"""How a data set sounds, in figures: tempo and its sway, loudness, brightness, silence, notes and polyphony by class."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.data.slakh import Track, find_tracks, read_track

_SILENT_DB = -60.0
_WINDOW = 4096
_MOST_S = 45.0  # of each track are looked at, from its middle
Floats = npt.NDArray[np.float64]


def _read(path: Path, track: Track) -> Floats:
    """Channel mean [T] of the track's middle."""
    import soundfile

    first = max(0.0, (track.duration_s - _MOST_S) / 2)
    audio, _ = soundfile.read(
        os.fsencode(path),
        start=int(first * track.sample_rate),
        frames=int(_MOST_S * track.sample_rate),
        always_2d=True,
    )
    mean: Floats = audio.mean(axis=1)
    return mean


def silence_share(audio: Floats, sample_rate: int) -> float:
    """Share of 50 ms windows below -60 dB."""
    n = sample_rate // 20
    power = np.square(audio[: len(audio) // n * n]).reshape(-1, n).mean(axis=1)
    return float(np.mean(power < 10 ** (_SILENT_DB / 10))) if len(power) else 1.0


def spectral_tilt(audio: Floats, sample_rate: int) -> float:
    """Slope of the mean spectrum from 100 Hz to 10 kHz in dB an octave; NaN for silence."""
    frames = (
        np.lib.stride_tricks.sliding_window_view(audio, _WINDOW)[::_WINDOW]
        if len(audio) >= _WINDOW
        else audio[None]
    )
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(frames.shape[1])))).mean(axis=0)
    hz = np.fft.rfftfreq(frames.shape[1], 1 / sample_rate)
    edges = 100 * 2 ** np.arange(0, 6.7, 1 / 3)
    bands = [power[(hz >= a) & (hz < b)].mean() for a, b in itertools.pairwise(edges)]
    if min(bands) <= 0:
        return float("nan")
    return float(np.polyfit(np.arange(len(bands)) / 3, 10 * np.log10(bands), 1)[0])


def _notes(path: Path) -> tuple[int, float, float]:
    """Notes, seconds in which at least one sounds, and the sum of their lengths, of a MIDI file."""
    import mido

    now, since, count, covered, total = 0.0, 0.0, 0, 0.0, 0.0
    sounding: dict[int, float] = {}
    for message in mido.MidiFile(str(path)):
        now += message.time
        if message.type == "note_on" and message.velocity > 0:
            since = now if not sounding else since
            sounding[message.note] = now
            count += 1
        elif message.type in ("note_on", "note_off") and message.note in sounding:
            total += now - sounding.pop(message.note)
            covered += 0.0 if sounding else now - since
    return count, covered, total


def measure_track(folder: Path) -> dict[str, Any]:
    """Figures of one track; those by class under `stems`."""
    track = read_track(folder)
    mix = _read(track.mix_path, track)
    lengths = np.diff(track.beats_s)
    level = float(np.sqrt(np.mean(np.square(mix)))) if len(mix) else 0.0
    figures: dict[str, Any] = {
        "tempo_bpm": float(60 / np.median(lengths)) if len(lengths) else float("nan"),
        "tempo_sway_percent": float(100 * lengths.std() / lengths.mean()) if len(lengths) else float("nan"),
        "level_db": 20 * float(np.log10(level + 1e-9)),
        "tilt_db_per_octave": spectral_tilt(mix, track.sample_rate),
        "silence_share": silence_share(mix, track.sample_rate),
        "start_s": float(track.beats_s[0]) if len(track.beats_s) else float("nan"),
        "stems_per_track": len(track.stems), "stems": [],
    }  # fmt: skip
    for stem in track.stems:
        audio = _read(stem.path, track)
        row: dict[str, Any] = {
            "class": stem.stem_class, "silence_share": silence_share(audio, track.sample_rate),
            "tilt_db_per_octave": spectral_tilt(audio, track.sample_rate),
        }  # fmt: skip
        midi = folder / "MIDI" / f"{stem.id}.mid"
        if midi.is_file():
            count, covered, total = _notes(midi)
            row["notes_per_s"] = count / track.duration_s
            row["polyphony"] = total / covered if covered else float("nan")
        figures["stems"].append(row)
    return figures


def measure_split(
    root: Path, split: str, *, most: int | None = None
) -> dict[str, tuple[float, float, float]]:
    """Each figure's 10th, 50th and 90th percentile over a split's first `most` tracks; by class as `class.figure`.

    Raises:
        DataError: the split is missing, or a track is damaged.
    """
    columns: dict[str, list[float]] = {}
    for folder in find_tracks(root, split)[:most]:
        figures = measure_track(folder)
        for row in figures.pop("stems"):
            for name, value in row.items():
                if name != "class":
                    columns.setdefault(f"{row['class']}.{name}", []).append(value)
        for name, value in figures.items():
            columns.setdefault(name, []).append(value)
    result = {}
    for name, values in columns.items():
        low, middle, high = (
            np.nanpercentile(values, [10, 50, 90]) if np.isfinite(values).any() else [np.nan] * 3
        )
        result[name] = (float(low), float(middle), float(high))
    return result
