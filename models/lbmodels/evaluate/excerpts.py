# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stretches of which songs are judged, and what is true in them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lbmodels.data.slakh import Track, find_tracks, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import LEVEL_HOP_S, SILENCE_DB, Audio, Floats, levels_db

TRIES_PER_ROUND = 20


@dataclass(frozen=True, kw_only=True)
class Excerpt:
    """`duration_s` of one song from model frame `first_frame` on, where one stem class is to be played."""

    track_dir: Path
    track: str
    stem_class: str
    first_frame: int
    start_s: float
    duration_s: float


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is true of one excerpt, in seconds from its start.

    Attributes:
        beats_s: [N] beats.
        beat_chords: [N - 1, 12] tones of the chord after each beat but the last, NaN unknown.
        downbeats_s: first beats of bars.
        beat_keys: [N - 1] key after each beat but the last (0-11 major by tonic, 12-23 minor), NaN unknown.
        mix_embeddings: by name, what the embeddings of `extras` make of the mix.
    """

    beats_s: Floats
    beat_chords: Floats
    downbeats_s: Floats
    beat_keys: Floats
    mix_embeddings: dict[str, Floats] = field(default_factory=dict)


def choose_excerpts(
    root: Path,
    split: str,
    stem_class: str,
    count: int,
    *,
    seconds: float,
    seed: int,
    hop: int,
    sample_rate: int,
) -> list[Excerpt]:
    """Up to `count` excerpts in which the true stem sounds for at least half of the frames.

    Songs take turns: each gives one excerpt before any gives a second, and excerpts of one song do not overlap.
    The choice depends on the seed and on the songs, not on the order of calls. Starts lie on the model's frames.

    Raises:
        LiveBandModelError: no track, or none that plays `stem_class` for long enough.
    """
    folders = find_tracks(root, split)
    rng = _generator(seed, stem_class)
    folders = [folders[i] for i in rng.permutation(len(folders))]
    played = {}
    taken: dict[Path, list[int]] = {}
    chosen: list[Excerpt] = []
    frames = round(seconds * sample_rate / hop)
    while len(chosen) < count and folders:
        left = []
        for folder in folders:
            if len(chosen) >= count:
                break
            if folder not in played:
                played[folder] = _sounding(read_track(folder), stem_class)
                taken[folder] = []
            track_rng = _generator(seed, stem_class, folder.name, str(len(taken[folder])))
            start = _draw_start(played[folder], taken[folder], frames, hop / sample_rate, track_rng)
            if start is None:
                continue
            left.append(folder)
            taken[folder].append(start)
            chosen.append(
                Excerpt(
                    track_dir=folder,
                    track=folder.name,
                    stem_class=stem_class,
                    first_frame=start,
                    start_s=start * hop / sample_rate,
                    duration_s=frames * hop / sample_rate,
                )
            )
        folders = left
    if not chosen:
        raise LiveBandModelError(
            f"no track in {root / split} plays {stem_class} through half of {seconds:g} s"
        )
    return chosen


def read_excerpt(excerpt: Excerpt, track: Track) -> tuple[Audio, Audio]:
    """(mix without the stem, true stem), both [2, T] at the track's rate, zero-padded at the song's end."""
    mine = [stem.path for stem in track.stems if stem.stem_class == excerpt.stem_class]
    others = [stem.path for stem in track.stems if stem.stem_class != excerpt.stem_class]
    first = round(excerpt.start_s * track.sample_rate)
    count = round(excerpt.duration_s * track.sample_rate)
    return _sum(others, first, count), _sum(mine, first, count)


def read_truth(excerpt: Excerpt, track: Track) -> Truth:
    """Beats inside the excerpt, and the chord at the middle of each."""
    if not len(track.beats_s):
        raise LiveBandModelError(f"{excerpt.track_dir} has no beats.txt; beat scores need true beats")
    inside = (track.beats_s >= excerpt.start_s) & (track.beats_s < excerpt.start_s + excerpt.duration_s)
    beats = track.beats_s[inside]
    chords = np.full((max(len(beats) - 1, 0), 12), np.nan)
    for i, middle in enumerate((beats[1:] + beats[:-1]) / 2):
        for span in track.chords:
            if span.start_s <= middle < span.end_s:
                chords[i] = span.pitch_classes
                break
    downbeats = track.downbeats_s
    held = (downbeats >= excerpt.start_s) & (downbeats < excerpt.start_s + excerpt.duration_s)
    return Truth(
        beats_s=beats - excerpt.start_s,
        beat_chords=chords,
        downbeats_s=downbeats[held] - excerpt.start_s,
        beat_keys=_keys_at((beats[1:] + beats[:-1]) / 2, track),
    )


def _keys_at(times_s: Floats, track: Track) -> Floats:
    keys = track.keys or (() if track.key is None else ((0.0, track.key),))
    if not keys:
        return np.full(len(times_s), np.nan)
    index = np.searchsorted([start for start, _ in keys], times_s, side="right") - 1
    return np.where(index >= 0, np.array([float(key) for _, key in keys])[np.maximum(index, 0)], np.nan)


def _generator(seed: int, *words: str) -> np.random.Generator:
    digest = hashlib.sha256("/".join((str(seed), *words)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _sounding(track: Track, stem_class: str) -> npt.NDArray[np.bool_]:
    """Whether the stem class sounds in each 40 ms of the track."""
    paths = [stem.path for stem in track.stems if stem.stem_class == stem_class]
    if not paths:
        return np.zeros(0, dtype=bool)
    audio = _sum(paths, 0, round(track.duration_s * track.sample_rate))
    return levels_db(audio, track.sample_rate) > SILENCE_DB


def _draw_start(
    played: npt.NDArray[np.bool_], taken: Sequence[int], frames: int, frame_s: float, rng: np.random.Generator
) -> int | None:
    """A start frame whose stretch is half filled and meets no earlier one, or None."""
    length = round(frames * frame_s / LEVEL_HOP_S)
    last = int((len(played) - length) * LEVEL_HOP_S / frame_s)
    if last < 0:
        return None
    for start in rng.integers(0, last + 1, size=TRIES_PER_ROUND):
        first = round(int(start) * frame_s / LEVEL_HOP_S)
        if (
            all(abs(int(start) - other) >= frames for other in taken)
            and played[first : first + length].mean() >= 0.5
        ):
            return int(start)
    return None


def _sum(paths: Sequence[Path], first: int, count: int) -> Audio:
    import soundfile

    total = np.zeros((2, count), dtype=np.float32)
    for path in paths:
        try:
            audio, _ = soundfile.read(
                os.fsencode(path), frames=count, start=first, dtype="float32", always_2d=True
            )
        except (OSError, RuntimeError) as error:
            raise LiveBandModelError(f"{path} cannot be read: {error}") from None
        total[:, : len(audio)] += audio.T[:2]
    return total
