# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies in a pool's folder: its card, its songs' latents, the same songs in compact form, and what they say of themselves."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError

CARD, SONGS = "pool.json", "songs"
_NAME = re.compile(r"Song(\d{9})\.safetensors")
_MOST_HEADER_CHARACTERS = 2**20


def pool_files(folder: Path) -> dict[int, Path]:
    """The pool's whole songs by number."""
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.glob("Song*.safetensors"))
    return {int(match.group(1)): path for match, path in sorted(matches, key=lambda m: m[1].name) if match}


def read_card(path: Path) -> dict[str, Any]:
    """Raises LiveBandModelError."""
    try:
        card = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LiveBandModelError(f"{path} is damaged: {error}") from None
    if not isinstance(card, dict):
        raise LiveBandModelError(f"{path} is damaged: it is no table")
    return card


def compact_files(pool: Path) -> dict[int, Path]:
    """A pool's compact songs by number."""
    return pool_files(pool / SONGS)


def bytes_of(files: Iterable[Path]) -> int:
    """What files take together; one that has gone meanwhile takes nothing."""
    total = 0
    for path in files:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def about(path: Path) -> dict[str, Any]:
    """What a song's file says of itself: title, seconds, tags; nothing of a file of an older release, or one that is gone."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            told = (file.metadata() or {}).get("about")
        found = read_json(told, most_characters=_MOST_HEADER_CHARACTERS) if told else {}
    except (OSError, ValueError, safetensors.SafetensorError):
        return {}
    return found if isinstance(found, dict) else {}


@lru_cache(maxsize=100_000)
def seconds_of(path: Path) -> float:
    return float(about(path).get("seconds", 0.0))


@dataclass(frozen=True, kw_only=True)
class Held:
    """What a pool holds. `takes` by stem class; `tags` counts songs or takes of each word, by kind of tag."""

    songs: int
    hours: float
    takes: dict[str, int]
    tags: dict[str, dict[str, int]]
    latents_bytes: int
    compact_bytes: int

    @property
    def bytes_per_hour(self) -> float:
        return (self.latents_bytes + self.compact_bytes) / max(self.hours, 1e-9)


_SONG_TAGS = ("style", "mood", "metre", "key", "feel")
_TAKE_TAGS = ("instrument", "articulation")


def held(folder: Path) -> Held:
    """Counts what is in a pool, from the headers of its files.

    Raises:
        LiveBandModelError: no pool there.
    """
    if not (folder / CARD).is_file():
        raise LiveBandModelError(f"no pool in {folder}; fill one with 'liveband data pool'")
    takes: Counter[str] = Counter()
    words: dict[str, Counter[str]] = {kind: Counter() for kind in (*_SONG_TAGS, *_TAKE_TAGS)}
    files, seconds = pool_files(folder), 0.0
    for path in files.values():
        told = about(path)
        seconds += float(told.get("seconds", 0.0))
        tags = told.get("tags") or {"song": {}, "takes": []}
        takes.update(take["class"] for take in tags["takes"])
        for kinds, tables in ((_SONG_TAGS, [tags["song"]]), (_TAKE_TAGS, tags["takes"])):
            for kind in kinds:
                for table in tables:
                    said = table.get(kind, [])
                    words[kind].update([said] if isinstance(said, str) else said)
    return Held(
        songs=len(files), hours=seconds / 3600, takes=dict(takes.most_common()),
        tags={kind: dict(counts.most_common()) for kind, counts in words.items()},
        latents_bytes=bytes_of(files.values()), compact_bytes=bytes_of(compact_files(folder).values()),
    )  # fmt: skip
