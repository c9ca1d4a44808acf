# SPDX-License-Identifier: GPL-3.0-or-later
"""A song in compact form: who plays which notes with what, and the truth; audio and latents can be made of it again.

The random numbers of a rendering (effects, places, levels) follow from the song's seed and number, so nothing else is kept.
One file holds a song: notes as arrays, the rest as JSON in the file's header; some 100 kB for a minute.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from lbmodels.data.errors import DataError
from lbmodels.data.parts import Note
from lbmodels.documents import read_json
from lbmodels.folders import whole_file

FORMAT = "liveband song 1"
_MOST_CHARACTERS = 2**20


@dataclass(frozen=True, kw_only=True)
class StemPlan:
    """One stem before rendering; `cents` is its tuning against concert pitch."""

    part: str
    stem_class: str
    inst_class: str
    program: int
    is_drum: bool
    font: str
    notes: tuple[Note, ...]
    cents: float = 0.0
    vibrato: int = 0


@dataclass(frozen=True, kw_only=True)
class CompactSong:
    """Song `number` of a seed. `beats` are (seconds, number in the bar), `chords` (start, end, label), `keys` (start, key number)."""

    name: str
    title: str
    seed: int
    number: int
    generator_version: int
    key: int
    tempo_bpm: float
    duration_s: float
    beats: tuple[tuple[float, int], ...]
    chords: tuple[tuple[float, float, str], ...]
    keys: tuple[tuple[float, int], ...]
    plans: tuple[StemPlan, ...]
    tags: Mapping[str, Any] = field(default_factory=dict)


def write_compact(song: CompactSong, path: Path) -> None:
    """Whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    told: dict[str, Any] = {"format": FORMAT, **asdict(song)}
    arrays: dict[str, Any] = {}
    for i, plan in enumerate(told["plans"]):
        notes = song.plans[i].notes
        del plan["notes"]
        arrays[f"{i}.times_s"] = np.array([(n.start_s, n.end_s) for n in notes], np.float64).reshape(-1, 2)
        arrays[f"{i}.keys"] = np.array([(n.pitch, n.velocity) for n in notes], np.uint8).reshape(-1, 2)
    try:
        with whole_file(path) as part:
            # One entry: several come in an order that differs from file to file.
            safetensors.numpy.save_file(arrays, part, {"song": json.dumps(told)})
    except (OSError, safetensors.SafetensorError) as exc:
        raise DataError(f"cannot write {path}: {exc}") from exc


def read_compact(path: Path) -> CompactSong:
    """What `write_compact` wrote, to the last bit.

    Raises:
        DataError: not such a file.
    """
    try:
        with safetensors.safe_open(path, "np") as file:
            told = read_json((file.metadata() or {})["song"], most_characters=_MOST_CHARACTERS)
            if told.pop("format") != FORMAT:
                raise ValueError(f"its format is not {FORMAT!r}")
            plans = tuple(
                StemPlan(notes=_notes(file.get_tensor(f"{i}.times_s"), file.get_tensor(f"{i}.keys")), **plan)
                for i, plan in enumerate(told.pop("plans"))
            )
        rows: Any = {
            name: tuple(tuple(row) for row in told.pop(name)) for name in ("beats", "chords", "keys")
        }
        return CompactSong(plans=plans, **rows, **told)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, safetensors.SafetensorError) as exc:
        raise DataError(f"{path}: not a compact song ({exc})") from exc


def _notes(times_s: Any, keys: Any) -> tuple[Note, ...]:
    return tuple(
        Note(start_s=float(start), end_s=float(end), pitch=int(pitch), velocity=int(velocity))
        for (start, end), (pitch, velocity) in zip(times_s.tolist(), keys.tolist(), strict=True)
    )
