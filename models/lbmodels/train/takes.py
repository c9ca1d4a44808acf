# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes and their tags: every stem of a data set in ten-second excerpts, and the concepts that are true of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from rich.progress import track

from lbmodels.data.slakh import find_tracks, load_yaml, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import whole_file
from lbmodels.style import sound
from lbmodels.style.truth import ROLE_OF_CLASS, song_concepts, stem_concepts
from lbmodels.style.vocabulary import CONCEPTS
from lbmodels.weights.archives import check_stored

_SILENCE = 1e-8
_LEAST_POWER = 1e-4
# Of one role in one data set, the least and the most third have a manner's name.
_THIRDS = {"busy": ("sparse", "busy"), "bright": ("dark", "bright")}


@dataclass(frozen=True, kw_only=True)
class Takes:
    """Excerpts of one split. `log_power` [N, FRAMES, BANDS] float16, base 10; `song`, `moment` [N]:
    excerpts of one song and moment sound together; `true` [N, concepts]: what is true of each.
    """

    log_power: NDArray[np.float16]
    song: NDArray[np.int64]
    moment: NDArray[np.int64]
    true: NDArray[np.bool_]


def _manners(power: NDArray[np.float32], said: list[set[str]]) -> None:
    """Add sparse or busy, dark or bright, by thirds among takes of the same role."""
    figures = {
        "busy": [sound.onsets_per_s(p) for p in power],
        "bright": [sound.centroid_band(p) for p in power],
    }
    roles = ["+".join(sorted(concepts & _ROLES)) for concepts in said]
    for role in set(roles):
        rows = [n for n, one in enumerate(roles) if one == role]
        for what, (least, most) in _THIRDS.items():
            low, high = np.quantile([figures[what][n] for n in rows], [1 / 3, 2 / 3])
            for n in rows if high > low else []:
                value = figures[what][n]
                said[n] |= {least} if value <= low else {most} if value >= high else set()


_ROLES = frozenset(ROLE_OF_CLASS.values()) | {"drums", "percussion"}


def _listen(folder: Path, moments: int) -> tuple[NDArray[np.float16], NDArray[np.int64], NDArray[np.bool_]]:
    """Log power of a song's stems, the moment of each excerpt, and what its instrument and song make true of it."""
    told, song = read_track(folder), load_yaml(folder / "metadata.yaml")
    powers, at, true = [], [], []
    for stem in told.stems:
        concepts = song_concepts(told.info) | stem_concepts(song["stems"][stem.id])
        with soundfile.SoundFile(os.fsencode(stem.path)) as file:
            length = sound.FRAMES * sound.HOP * file.samplerate // sound.SAMPLE_RATE
            spare = max(file.frames - length, 0)
            for moment in range(moments):
                file.seek(spare * (2 * moment + 1) // (2 * moments))
                audio = file.read(length, dtype="float32", always_2d=True)
                power = sound.excerpts(sound.bands(audio, file.samplerate))
                if len(power) and power[0].mean() > _LEAST_POWER:
                    powers.append(np.log10(power[0] + _SILENCE).astype(np.float16))
                    at.append(moment)
                    true.append([concept in concepts for concept in CONCEPTS])
    return (
        np.array(powers, np.float16).reshape(-1, sound.FRAMES, sound.BANDS),
        np.array(at, np.int64),
        np.array(true, bool).reshape(-1, len(CONCEPTS)),
    )


def _kept(folder: Path, moments: int, file: Path) -> tuple[NDArray[Any], ...]:
    """The same, kept in a file: a run that goes on does not listen again."""
    names = ("log_power", "moment", "true")
    if file.is_file():
        check_stored(file)
        with np.load(file, allow_pickle=False) as kept:
            if set(names) <= set(kept.files) and kept["true"].shape[1:] == (len(CONCEPTS),):
                return tuple(kept[name] for name in names)
    found = _listen(folder, moments)
    log_power, moment, true = found
    with whole_file(file) as part, part.open("wb") as into:
        np.savez(into, log_power=log_power, moment=moment, true=true)
    return found


def read_takes(root: Path, split: str, cache: Path, *, moments: int, quiet: bool) -> Takes:
    """Every stem of a split at `moments` places of its song, what is silent left out; `cache` keeps what was heard.

    Raises:
        DataError: no such split, or a damaged track.
        LiveBandModelError: nothing that sounds.
    """
    cache.mkdir(parents=True, exist_ok=True)
    songs = [
        _kept(folder, moments, cache / f"{split}-{folder.name}-{moments}.npz")
        for folder in track(find_tracks(root, split), f"listening to {split}", disable=quiet)
    ]
    log_power, moment, true = (np.concatenate(parts) for parts in zip(*songs, strict=True))
    if not len(log_power):
        raise LiveBandModelError(f"{root}: nothing sounds in the {split} split")
    said = [{CONCEPTS[k] for k in np.flatnonzero(row)} for row in true]
    _manners(10 ** log_power.astype(np.float32), said)
    return Takes(
        log_power=log_power,
        song=np.repeat(np.arange(len(songs)), [len(one[0]) for one in songs]),
        moment=moment,
        true=np.array([[concept in concepts for concept in CONCEPTS] for concepts in said]),
    )
