# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set as latents: what the generator hears and what it should play, worked out once per codec.

One safetensors file a track in `<cache>/<split>/`. For each target stem: the stem's latents, and the
latents and semitone energies of a mix of other stems (of several, numbered from the second on, in a pool's files).
Stem audio is taken `delay_samples` early, so that decoding latent m completes exactly frame m.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.codec.autoencoder import Codec, Encoder, to_frames
from lbmodels.codec.features import Features
from lbmodels.contract.conditions import HOST
from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import Track
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import whole_file
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.audio import read_crop

SILENCE_DB = -60.0
_SOFTEST_DB = -120.0
_CHUNK_FRAMES = 50  # features of so many frames fit the processor's cache: twice as quick as a whole song


@dataclass(frozen=True, kw_only=True)
class Example:
    """One target stem over one mix, F frames, float16 but for the conditions. `level` [F]: of the stem, in dBFS.

    `name`: of the track in its data set; empty of a pool's. `tags`: what is true of the song and of each of its takes of this class, by `lbmodels.data.tags`; empty where nobody said.
    """

    stem: int
    played: Tensor
    level: Tensor
    heard: Heard
    conditions: dict[str, Tensor]
    tags: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    @property
    def frames(self) -> int:
        return len(self.played)

    @property
    def sounding(self) -> Tensor:
        """Where the stem is louder than silence, [F]."""
        return self.level > SILENCE_DB


@torch.no_grad()
def encode_long(encoder: Encoder, frames: Tensor) -> Tensor:
    """Latents [1, F, latent] of frames [1, F, 2, hop]: what `encoder(frames)` gives, chunk by chunk."""
    config = encoder.config
    context = -(-config.window // config.hop)
    chunks: list[Features] = []
    for start in range(0, frames.shape[1], _CHUNK_FRAMES):
        first = max(0, start - context)
        part = encoder.features(frames[:, first : start + _CHUNK_FRAMES])
        chunks.append(Features(*(value[:, start - first :] for value in part)))
    return encoder.encode_features(
        Features(*(torch.cat(parts, dim=1) for parts in zip(*chunks, strict=True)))
    )


@torch.no_grad()
def hear_long(ear: SemitoneFrontEnd, frames: Tensor) -> Tensor:
    """Semitone energies [1, F, semitones] of frames [1, F, 2, hop]: what `ear(frames)` gives, chunk by chunk."""
    context = -(-ear.window_samples // ear.hop)
    parts = []
    for start in range(0, frames.shape[1], _CHUNK_FRAMES):
        first = max(0, start - context)
        parts.append(ear(frames[:, first : start + _CHUNK_FRAMES])[:, start - first :])
    return torch.cat(parts, dim=1)


def level_db(frames: Tensor) -> Tensor:
    """Level [...] of frames [..., 2, hop] in dBFS, -120 or more."""
    return 10 * frames.square().mean((-2, -1)).log10().clamp(min=_SOFTEST_DB / 10)


def level_of(file: Any, target: str, path: Path) -> Tensor:
    """A target's level, of an open file. Raises LiveBandModelError: latents of a release that did not keep levels."""
    name = f"{target}.level"
    if name not in file.keys():  # noqa: SIM118 - no mapping
        raise LiveBandModelError(
            f"{path} is of an earlier release, without levels: remove it and let it be made anew"
        )
    level: Tensor = file.get_tensor(name)
    return level


@torch.no_grad()
def encode_stem(codec: Codec, stem: np.ndarray, prefix: str) -> dict[str, Tensor]:
    """What is to be played: latents and level of a stem [2, F * hop]."""
    hop, delay = codec.config.hop, codec.delay_samples
    early = np.pad(stem[:, delay:], ((0, 0), (0, delay)))
    frames = to_frames(torch.from_numpy(early)[None], hop)
    return {
        f"{prefix}.played": encode_long(codec.encoder, frames)[0].half(),
        f"{prefix}.level": level_db(frames)[0].half(),
    }


@torch.no_grad()
def encode_mix(
    codec: Codec, ear: SemitoneFrontEnd, mix: np.ndarray, prefix: str, suffix: str = ""
) -> dict[str, Tensor]:
    """What is heard of a mix [2, F * hop]."""
    frames = to_frames(torch.from_numpy(mix)[None], codec.config.hop)
    return {
        f"{prefix}.heard{suffix}": encode_long(codec.encoder, frames)[0].half(),
        f"{prefix}.semitones{suffix}": hear_long(ear, frames)[0].half(),
    }


def encode_conditions(track: Track, frames: int, codec: Codec) -> dict[str, Tensor]:
    """The truth at each frame, as the host would tell it."""
    config = codec.config
    told = frame_conditions(track, 0, frames, hop=config.hop, sample_rate=config.sample_rate)
    return {f"conditions.{name}": torch.from_numpy(told[name]) for name in HOST}


def encode_track(
    track: Track, codec: Codec, ear: SemitoneFrontEnd, stems: tuple[str, ...], rng: np.random.Generator
) -> dict[str, Tensor]:
    """The tensors of one track's file. Two times in three the mix is everything but the target,
    else a random part of it; its gain varies by 6 dB either way.
    """
    hop = codec.config.hop
    length = int(track.duration_s * codec.config.sample_rate) // hop * hop
    audio = {s.id: read_crop(s.path, 0, length) for s in track.stems}
    tensors = encode_conditions(track, length // hop, codec)
    for index, stem_class in enumerate(stems):
        own = [s.id for s in track.stems if s.stem_class == stem_class]
        others = [s.id for s in track.stems if s.stem_class != stem_class]
        if not own or not others:
            continue
        if rng.random() < 1 / 3:
            others = [others[i] for i in rng.permutation(len(others))[: rng.integers(1, len(others) + 1)]]
        stem = sum((audio[i] for i in own), np.zeros((2, length), np.float32))
        gain = np.float32(10 ** (rng.uniform(-6, 6) / 20))
        mix = gain * sum((audio[i] for i in others), np.zeros((2, length), np.float32))
        tensors |= encode_stem(codec, stem, str(index)) | encode_mix(codec, ear, mix, str(index))
    return tensors


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of one track's file."""
    with safetensors.safe_open(path, "pt") as file:
        conditions = {name: file.get_tensor(f"conditions.{name}") for name in HOST}
        for name in sorted(file.keys()):
            if name.endswith(".played"):
                key = name.removesuffix(".played")
                yield Example(
                    stem=int(key),
                    played=file.get_tensor(name),
                    level=level_of(file, key, path),
                    heard=Heard(file.get_tensor(f"{key}.heard"), file.get_tensor(f"{key}.semitones")),
                    conditions=conditions,
                    name=path.stem,
                )


def write_cache(
    tracks: list[Track], codec: Codec, ear: SemitoneFrontEnd, stems: tuple[str, ...], folder: Path
) -> Iterator[int]:
    """Encode the tracks that `folder` lacks; yields the number done so far. Deterministic per track."""
    folder.mkdir(parents=True, exist_ok=True)
    for done, track in enumerate(tracks):
        path = folder / f"{track.name}.safetensors"
        if not path.exists():
            rng = np.random.default_rng(abs(int.from_bytes(track.name.encode()[-7:], "little")))
            encoded = encode_track(track, codec, ear, stems, rng)
            with whole_file(path) as part:
                safetensors.torch.save_file({k: t.contiguous() for k, t in encoded.items()}, part)
        yield done + 1
