# SPDX-License-Identifier: GPL-3.0-or-later
"""Styles that a player learns to take: what a true stem sounds like, or some of the words that are true of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lbmodels.data.classes import POOL_STEMS
from lbmodels.data.slakh import find_tracks
from lbmodels.style import sound
from lbmodels.style.space import load, phrase, shipped
from lbmodels.style.truth import song_concepts, sound_of
from lbmodels.style.vocabulary import CONCEPTS
from lbmodels.train.latents import Example
from lbmodels.train.style import draw_phrase
from lbmodels.train.takes import Takes, read_takes

_MOST_WORDS = 5
_MOMENTS = 2
_BY_SOUND = 0.5
_ROLE_OF_CLASS = {"lead": "synth lead", "pad": "synth pad"}
"""Where a stem class has another name than its concept."""
_ROLES = tuple(_ROLE_OF_CLASS.get(name, name) for name in POOL_STEMS)


def tagged_concepts(tags: Mapping[str, Any]) -> set[str]:
    """What the tags of a pool's example make true of it (`lbmodels.data.tags`)."""
    song, said = tags.get("song", {}), set()
    key = str(song.get("key", ""))
    said |= song_concepts({**song, "key": (12 if "minor" in key else 0) if key else None})
    for take in tags.get("takes", ()):
        drums = take["class"] == "drums"
        said |= {_ROLE_OF_CLASS.get(take["class"], take["class"])} | sound_of(
            int(take["program"]), is_drum=drums
        )
    return said & set(CONCEPTS)


class Prompts:
    """Draws styles for examples of a data set, whose stems it listens to once, and of a pool, whose tags it reads."""

    def __init__(self, root: Path, cache: Path, weights: str = "") -> None:
        """`cache` keeps what was heard; `weights` of a style space, those that ship if empty.

        Raises:
            LiveBandModelError: no such space.
        """
        self.root, self.cache = root, cache
        self.space = load(Path(weights) if weights else shipped())
        self._listened: set[str] = set()
        self._heard: dict[str, dict[str, tuple[NDArray[np.bool_], Tensor]]] = {}

    @cached_property
    def _known(self) -> NDArray[np.bool_]:
        """Concepts that the space has a word for."""
        return np.array([name in self.space.config.concepts for name in CONCEPTS])

    def listen(self, split: str) -> None:
        """To all stems of a split, the first time."""
        if split in self._listened:
            return
        self._listened.add(split)
        takes = read_takes(self.root, split, self.cache, moments=_MOMENTS, quiet=True)
        vectors = self._vectors(takes)
        for number, folder in enumerate(find_tracks(self.root, split)):
            mine = takes.song == number
            self._heard[folder.name] = {
                name: (takes.true[rows], vectors[torch.from_numpy(rows)])
                for name, rows in ((name, mine & takes.true[:, CONCEPTS.index(name)]) for name in _ROLES)
                if rows.any()
            }

    @torch.no_grad()
    def _vectors(self, takes: Takes) -> Tensor:
        parts = [
            self.space.hear(torch.from_numpy(sound.describe(sound.heard(10 ** part.astype(np.float32)))))
            for part in np.array_split(takes.log_power, max(1, len(takes.log_power) // 64))
        ]
        return torch.cat(parts)

    @torch.no_grad()
    def draw(self, example: Example, stem: str, rng: np.random.Generator) -> Tensor:
        """A style [latent] that is true of what an example plays; NaN where nothing is known of it."""
        true, vectors = self._heard.get(example.name, {}).get(_ROLE_OF_CLASS.get(stem, stem), (None, None))
        if true is None or vectors is None:
            said = tagged_concepts(example.tags) if example.tags else set()
            true = np.array([[name in said for name in CONCEPTS]])
        row = int(rng.integers(len(true)))
        if vectors is not None and rng.random() < _BY_SOUND:
            return vectors[row]
        words = true[row] & self._known
        if not words.any():
            return torch.full((self.space.config.latent,), torch.nan)
        chosen = np.flatnonzero(draw_phrase(words, _MOST_WORDS, rng))
        return self.space.say(phrase(self.space.config, dict.fromkeys((CONCEPTS[k] for k in chosen), 1.0)))
