# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole mixes as latents, for whoever learns to play a whole band: once as they are, once with some of the classes only.

A file a track, as `lbmodels.train.latents`; each version also has what it was asked for: which classes sound, which of them leads, what
its style is in words and in sound, and how busy and bright it is. Both versions of a track run at the same time, so that the one may
stand for what a player heard of himself before somebody else came in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.codec.autoencoder import Codec
from lbmodels.contract.conditions import HOST
from lbmodels.contract.stems import STEMS, STEMS_AND_REST
from lbmodels.data.slakh import Track, load_yaml
from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.wishes import wish_features
from lbmodels.folders import whole_file
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.style.space import StyleSpace, load, of_sound, phrase, shipped
from lbmodels.style.truth import song_concepts, stem_concepts
from lbmodels.style.vocabulary import CONCEPTS
from lbmodels.train.audio import load_tracks, read_crop
from lbmodels.train.batches import Batch, LatentSource, collate, draw_example
from lbmodels.train.latents import Example, encode_conditions, encode_mix, encode_stem
from lbmodels.train.steering import Measured, Ranks, measure

LEAD_GAIN = 10 ** (4 / 20)
"""Of the class that leads."""
_OTHERS_PAST_SHARE = 0.25
_WORDS_SHARE, _MOST_WORDS = 0.5, 4
_NO_CLASSES_SHARE, _UNSAID_SHARE, _NO_RANKS_SHARE = 0.4, 0.2, 0.5
_MOST_NOISE = 0.5


@dataclass(frozen=True, kw_only=True)
class Version:
    """A mix: `example` as of a stem, that of the class that leads; `classes` bool [STEMS_AND_REST], `concepts` bool [CONCEPTS],
    `sound` [style].
    """

    example: Example
    classes: Tensor
    concepts: Tensor
    sound: Tensor
    measured: Measured


def _versions(classes: list[str], rng: np.random.Generator) -> list[set[str]]:
    """All of them, and some; only those that one of our stems can lead."""
    present = sorted(set(classes))
    some = rng.permutation(len(present))[: int(rng.integers(1, max(2, len(present))))]
    chosen = [set(present), {present[i] for i in some}]
    return [one for one in chosen if one & set(STEMS)]


def encode_versions(
    track: Track, codec: Codec, ear: SemitoneFrontEnd, space: StyleSpace, rng: np.random.Generator
) -> dict[str, Tensor]:
    """The tensors of one track's file."""
    hop = codec.config.hop
    length = int(track.duration_s * codec.config.sample_rate) // hop * hop
    audio = {stem.id: read_crop(stem.path, 0, length) for stem in track.stems}
    entries = load_yaml(track.mix_path.parent / "metadata.yaml")["stems"]
    tensors = encode_conditions(track, length // hop, codec)
    for number, classes in enumerate(_versions([stem.stem_class for stem in track.stems], rng)):
        leads = sorted(classes & set(STEMS), key=STEMS.index)
        lead = leads[int(rng.integers(len(leads)))]
        stems = [stem for stem in track.stems if stem.stem_class in classes]
        mix = np.zeros((2, length), np.float32)
        concepts = song_concepts(track.info)
        for stem in stems:
            mix += audio[stem.id] * np.float32(LEAD_GAIN if stem.stem_class == lead else 1.0)
            concepts |= stem_concepts(entries[stem.id])
        key = str(number)
        tensors |= encode_stem(codec, mix, key) | encode_mix(codec, ear, mix, key)
        figures = measure(codec, tensors[f"{key}.played"])
        tensors |= {
            f"{key}.lead": torch.tensor(STEMS.index(lead)),
            f"{key}.classes": torch.tensor([name in classes for name in STEMS_AND_REST]),
            f"{key}.concepts": torch.tensor([name in concepts for name in CONCEPTS]),
            f"{key}.sound": of_sound(space, mix.T, codec.config.sample_rate),
            f"{key}.density": figures.density,
            f"{key}.brightness": figures.brightness,
        }
    return tensors


def read_versions(path: Path) -> list[Version]:
    """Of one track's file, the whole mix first."""
    tensors = safetensors.torch.load_file(path)
    conditions = {name: tensors[f"conditions.{name}"] for name in HOST}
    return [
        Version(
            example=Example(
                stem=int(tensors[f"{key}.lead"]),
                played=tensors[f"{key}.played"],
                level=tensors[f"{key}.level"],
                heard=Heard(tensors[f"{key}.heard"], tensors[f"{key}.semitones"]),
                conditions=conditions,
            ),
            classes=tensors[f"{key}.classes"],
            concepts=tensors[f"{key}.concepts"],
            sound=tensors[f"{key}.sound"],
            measured=Measured(tensors[f"{key}.density"], tensors[f"{key}.brightness"]),
        )
        for key in sorted(name.removesuffix(".played") for name in tensors if name.endswith(".played"))
    ]


class MixSource(LatentSource):
    """Batches whose `known` has wishes behind what the host tells, and whose truth has `own` [B, F, latent]: what was played before."""

    subfolder = "mixes"

    def _prepare(self) -> None:
        from rich.progress import track as progress

        config, space = self.codec.config, load(shipped())
        ear = SemitoneFrontEnd(sample_rate=config.sample_rate, hop=config.hop, semitones=self.model.semitones)
        for split in ("validation", "train"):
            folder = self.cache / split
            folder.mkdir(parents=True, exist_ok=True)
            for one in progress(load_tracks(self.data.root, split), description=f"encoding {split}"):
                path = folder / f"{one.name}.safetensors"
                if not path.exists():
                    rng = np.random.default_rng(abs(int.from_bytes(one.name.encode()[-7:], "little")))
                    encoded = encode_versions(one, self.codec, ear, space, rng)
                    with whole_file(path) as part:
                        safetensors.torch.save_file({k: t.contiguous() for k, t in encoded.items()}, part)

    def _songs(self, split: str) -> list[list[Version]]:
        songs = [read_versions(path) for path in sorted((self.cache / split).glob("*.safetensors"))]
        songs = [song for song in songs if song and song[0].example.frames >= self._shortest]
        if not songs:
            raise LiveBandModelError(f"no mixes of at least {self._shortest} frames in {self.cache / split}")
        return songs

    def batches(self, split: str, seed: int, count: int) -> Iterator[Batch]:
        """`count` batches; the same for the same seed and cache."""
        rng, space = np.random.default_rng(seed), load(shipped())
        songs = self._songs(split)
        ranks = Ranks(1, [(0, one.measured) for song in songs for one in song])
        for _ in range(count):
            rows = []
            for _ in range(self.batch):
                song = songs[int(rng.integers(len(songs)))]
                rows.append(self._row(song, int(rng.integers(len(song))), ranks, space, rng))
            yield collate(rows)

    def _row(
        self, song: list[Version], number: int, ranks: Ranks, space: StyleSpace, rng: np.random.Generator
    ) -> dict[str, Any]:
        version = song[number]
        spans: list[slice] = []

        def ranked(_: Example, out: slice) -> Measured:
            spans.append(out)
            return ranks(0, Measured(*(values[out] for values in version.measured)))

        def styled(_: Example) -> Tensor:
            style = self._style(version, space, rng)
            return torch.full_like(style, torch.nan) if rng.random() < self.data.unstyled_share else style

        row = draw_example(version.example, self.data, self.model.anticipation_max, rng, ranked, styled)
        # Its own past lacks what somebody else put into what it hears.
        own = song[-1] if number == 0 and rng.random() < _OTHERS_PAST_SHARE else version
        row["truth"]["own"] = own.example.played[spans[0]].float()
        spread = _MOST_NOISE * float(rng.random()) ** 2
        latents = row["heard"].latents
        noise = torch.from_numpy(rng.standard_normal(latents.shape, dtype=np.float32))
        row["heard"] = row["heard"]._replace(latents=latents + spread * noise)
        row["known"] = torch.cat([row["known"], _wishes(version, row, rng)], dim=-1)
        return row

    @staticmethod
    @torch.no_grad()
    def _style(version: Version, space: StyleSpace, rng: np.random.Generator) -> Tensor:
        true = torch.nonzero(version.concepts)[:, 0].numpy()
        if not len(true) or rng.random() >= _WORDS_SHARE:
            return version.sound
        said = rng.choice(true, min(len(true), int(rng.integers(1, _MOST_WORDS + 1))), replace=False)
        return space.say(phrase(space.config, {CONCEPTS[n]: 1.0 for n in said}))


def _wishes(version: Version, row: dict[str, Any], rng: np.random.Generator) -> Tensor:
    """Of a row, each of them told or not."""
    frames = len(row["known"])
    asked: dict[str, Tensor] = {"variation": torch.ones(frames)}
    if rng.random() >= _NO_CLASSES_SHARE:
        said = torch.from_numpy(rng.random(len(version.classes)) >= _UNSAID_SHARE)
        asked["classes"] = torch.where(said, version.classes * 2.0 - 1.0, torch.nan).expand(frames, -1)
    if rng.random() >= _NO_RANKS_SHARE:
        asked |= {"density": row["density"].float(), "brightness": row["brightness"].float()}
    return wish_features(asked)
