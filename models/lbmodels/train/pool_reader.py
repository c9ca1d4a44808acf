# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws training examples from a pool (`lbmodels.train.pool`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors

from lbmodels.band import Heard
from lbmodels.contract.conditions import HOST
from lbmodels.contract.stems import STEMS
from lbmodels.errors import LiveBandModelError
from lbmodels.train.latents import Example, level_of
from lbmodels.train.pool_files import CARD, about, pool_files, read_card
from lbmodels.weights.manifest import sha256

_RELIST_DRAWS = 256


class PoolReader:
    """Draws examples of some stem classes from a pool that may be growing and losing songs at the same time.

    The number of an example's stem is its place in `stems`, whatever the pool's own order is.
    """

    def __init__(self, folder: Path, *, codec: Path, stems: Sequence[str] = STEMS) -> None:
        """Raises:
        LiveBandModelError: no pool there, an empty one, one without these classes, or latents of another codec.
        """
        self.folder = folder
        if not (folder / CARD).is_file():
            raise LiveBandModelError(f"no pool in {folder}; fill one with 'liveband data pool'")
        card = read_card(folder / CARD)
        if card.get("codec_sha256") != sha256(codec):
            raise LiveBandModelError(f"the pool in {folder} holds latents of another codec than {codec}")
        held_stems = card.get("stems", list(STEMS))
        lacking = [stem for stem in stems if stem not in held_stems]
        if lacking:
            raise LiveBandModelError(
                f"the pool in {folder} holds no {', '.join(lacking)}; it holds {', '.join(map(str, held_stems))}"
            )
        self._stem_of = {str(held_stems.index(stem)): place for place, stem in enumerate(stems)}
        self._class_of = {str(place): stem for place, stem in enumerate(held_stems)}
        self._files: list[Path] = []
        self._draws = 0

    def _listed(self) -> list[Path]:
        if self._draws % _RELIST_DRAWS == 0 or not self._files:
            self._files = list(pool_files(self.folder).values())
            if not self._files:
                raise LiveBandModelError(
                    f"the pool in {self.folder} is empty; fill it with 'liveband data pool'"
                )
        self._draws += 1
        return self._files

    def draw(self, rng: np.random.Generator, *, shortest: int) -> Example:
        """One target stem over one of its mixes, of a random song of at least `shortest` frames.

        Raises:
            LiveBandModelError: the pool is empty, or 100 songs in a row are too short.
        """
        for _ in range(100):
            files = self._listed()
            path = files[int(rng.integers(len(files)))]
            try:
                example = self._read(path, rng)
            except (FileNotFoundError, safetensors.SafetensorError):  # removed since it was listed
                self._files = []
                continue
            if example is not None and example.frames >= shortest:
                return example
        raise LiveBandModelError(f"no latents of at least {shortest} frames in {self.folder}")

    def _read(self, path: Path, rng: np.random.Generator) -> Example | None:
        """None where no stem of these classes is a target there."""
        tags = about(path).get("tags") or {"song": {}, "takes": []}
        with safetensors.safe_open(path, "pt") as file:
            names = sorted(file.keys())
            targets = [n.removesuffix(".played") for n in names if n.endswith(".played")]
            targets = [target for target in targets if target in self._stem_of]
            if not targets:
                return None
            target = targets[int(rng.integers(len(targets)))]
            versions = [n.removeprefix(f"{target}.heard") for n in names if n.startswith(f"{target}.heard")]
            version = versions[int(rng.integers(len(versions)))]
            return Example(
                stem=self._stem_of[target], played=file.get_tensor(f"{target}.played"),
                level=level_of(file, target, path),
                heard=Heard(
                    file.get_tensor(f"{target}.heard{version}"), file.get_tensor(f"{target}.semitones{version}")
                ),
                conditions={name: file.get_tensor(f"conditions.{name}") for name in HOST},
                tags={
                    "song": tags["song"],
                    "takes": [take for take in tags["takes"] if take["class"] == self._class_of[target]],
                },
            )  # fmt: skip
