# SPDX-License-Identifier: GPL-3.0-or-later
"""An endless pool of songs as latents: workers render and encode song after song, training draws from what is there.

Song n of a seed is always the same song. Each becomes one file that appears whole or not at all; when the pool's budget
is full the oldest goes. A reader draws a file, a target stem and one of its mixes at random, so a take is not met often.
Recordings (rooms, noise, codecs) are laid over the mix alone: what is to be played stays clean.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.codec.autoencoder import Codec
from lbmodels.contract.conditions import HOST
from lbmodels.contract.stems import STEMS
from lbmodels.data.recording import as_recorded, draw_recording
from lbmodels.data.render import GENERATOR_VERSION, RenderOptions, make_song, plan_stems, render_stems
from lbmodels.data.synth import SAMPLE_RATE, available_fonts
from lbmodels.data.truth import track_of
from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.latents import Example, encode_conditions, encode_mix, encode_stem
from lbmodels.weights.manifest import sha256
from lbmodels.weights.modules import load_part

Audio = npt.NDArray[np.float32]

_NAME = re.compile(r"Song(\d{9})\.safetensors")
_CARD = "pool.json"
_RELIST_DRAWS = 256


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """What a pool is made of. `mixes` is how many recordings of different parts of the band go with each target stem."""

    out: Path
    codec: Path
    seed: int = 0
    budget_gb: float = 20.0
    charts: Path | None = None
    soundfont_dirs: tuple[Path, ...] = ()
    min_s: float = 60.0
    max_s: float = 75.0
    mixes: int = 2
    stems: tuple[str, ...] = STEMS
    semitones: int = 66


@dataclass(frozen=True, kw_only=True)
class Made:
    """One song that went into the pool, and what it cost."""

    number: int
    title: str
    audio_s: float
    examples: int
    render_s: float
    encode_s: float


def pool_files(folder: Path) -> dict[int, Path]:
    """The pool's whole songs by number."""
    matches = ((_NAME.fullmatch(path.name), path) for path in folder.glob("Song*.safetensors"))
    return {int(match.group(1)): path for match, path in sorted(matches, key=lambda m: m[1].name) if match}


def _read_card(path: Path) -> dict[str, Any]:
    """Raises LiveBandModelError."""
    try:
        card = read_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LiveBandModelError(f"{path} is damaged: {error}") from None
    if not isinstance(card, dict):
        raise LiveBandModelError(f"{path} is damaged: it is no table")
    return card


def _check_card(config: PoolConfig) -> None:
    """Writes what the pool is made of, or compares it with what it was made of so far."""
    path = config.out / _CARD
    card = {
        "generator_version": GENERATOR_VERSION, "seed": config.seed, "codec_sha256": sha256(config.codec),
        "stems": list(config.stems), "semitones": config.semitones,
    }  # fmt: skip
    if path.is_file():
        before = _read_card(path)
        differing = [name for name, value in card.items() if before.get(name) != value]
        if differing:
            raise LiveBandModelError(
                f"the pool in {config.out} was made with another {', '.join(differing)}; "
                "give the same options, or another folder"
            )
        return
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(card), encoding="utf-8")
    part.replace(path)


def prepare_pool(config: PoolConfig) -> int:
    """Makes the folder, removes what killed workers left, and gives the number of the next song.

    Raises:
        LiveBandModelError: a bad option, a folder that cannot be written, or a pool of other songs or another codec.
    """
    if config.budget_gb <= 0 or config.mixes < 1:
        raise LiveBandModelError(
            f"the budget must be above 0 GB and mixes 1 or more, got {config.budget_gb:g} and {config.mixes}"
        )
    if not 2.0 <= config.min_s <= config.max_s <= 3600.0:
        raise LiveBandModelError(
            f"lengths must satisfy 2 <= min <= max <= 3600 s, got {config.min_s:g} and {config.max_s:g}"
        )
    if not config.codec.is_file():
        raise LiveBandModelError(f"codec not found: {config.codec}")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
        _check_card(config)
    except OSError as exc:
        raise LiveBandModelError(f"cannot write into {config.out}: {exc.strerror}") from exc
    available_fonts("train", config.soundfont_dirs)
    for leftover in config.out.glob("*.part"):
        pid = leftover.name.split(".")[-2]
        if not (pid.isdigit() and Path(f"/proc/{pid}").exists()):
            leftover.unlink(missing_ok=True)
    return max(pool_files(config.out), default=-1) + 1


def _heard_parts(count: int, rng: np.random.Generator) -> list[int]:
    """Which of the other stems are in a mix: in half of the cases all, else some."""
    if rng.random() < 0.5:
        return list(range(count))
    return sorted(int(i) for i in rng.permutation(count)[: int(rng.integers(1, count + 1))])


def _sum(stems: Sequence[Audio]) -> Audio:
    total = stems[0].copy()
    for stem in stems[1:]:
        total += stem
    return total


def make_examples(
    config: PoolConfig, number: int, codec: Codec, ear: SemitoneFrontEnd
) -> tuple[dict[str, Tensor], Made]:
    """The tensors of song `number`: deterministic for its seed and the fonts at hand."""
    options = RenderOptions(
        out=config.out, split="train", seed=config.seed, min_s=config.min_s, max_s=config.max_s,
        soundfont_dirs=config.soundfont_dirs, charts=config.charts,
    )  # fmt: skip
    begin = time.perf_counter()
    song, parts = make_song(options, number)
    fonts = available_fonts("train", config.soundfont_dirs)
    plan_rng, render_rng, rng = (
        np.random.default_rng([config.seed, 7, number, purpose]) for purpose in range(3)
    )
    plans = plan_stems(song, parts, sorted(fonts), plan_rng)
    stems, _ = render_stems(song, plans, fonts, render_rng)
    rendered = time.perf_counter()
    hop = codec.config.hop
    length = min(x.shape[1] for x in stems) // hop * hop
    tensors = encode_conditions(track_of(song, SAMPLE_RATE), length // hop, codec)
    examples = 0
    for index, stem_class in enumerate(config.stems):
        own = [x[:, :length] for x, plan in zip(stems, plans, strict=True) if plan.stem_class == stem_class]
        others = [
            x[:, :length] for x, plan in zip(stems, plans, strict=True) if plan.stem_class != stem_class
        ]
        if not own or not others:
            continue
        tensors |= encode_stem(codec, _sum(own), str(index))
        for version in range(config.mixes):
            heard = _sum([others[i] for i in _heard_parts(len(others), rng)])
            mix = as_recorded(heard, draw_recording(rng), SAMPLE_RATE)
            tensors |= encode_mix(codec, ear, mix, str(index), f".{version}" if version else "")
            examples += 1
    made = Made(
        number=number, title=song.title, audio_s=length / SAMPLE_RATE, examples=examples, render_s=rendered - begin,
        encode_s=time.perf_counter() - rendered,
    )  # fmt: skip
    return tensors, made


def _keep_budget(config: PoolConfig) -> None:
    """Removes the oldest songs until the rest fits; another worker may be at it too."""
    sizes = {}
    for number, path in pool_files(config.out).items():
        try:
            sizes[number] = path.stat().st_size
        except FileNotFoundError:
            continue
    total = sum(sizes.values())
    for number in sorted(sizes)[:-1]:
        if total <= config.budget_gb * 1e9:
            return
        (config.out / f"Song{number:09d}.safetensors").unlink(missing_ok=True)
        total -= sizes[number]


def fill_pool(
    config: PoolConfig, *, first: int, worker: int = 0, workers: int = 1, songs: int | None = None
) -> Iterator[Made]:
    """Makes songs first + worker, + workers, ... for ever, or `songs` of them; yields each when it is in the pool."""
    codec = load_part(CODEC, config.codec)
    ear = SemitoneFrontEnd(
        sample_rate=codec.config.sample_rate, hop=codec.config.hop, semitones=config.semitones
    )
    number = first + worker
    while songs is None or number < first + worker + songs * workers:
        tensors, made = make_examples(config, number, codec, ear)
        if made.examples:
            path = config.out / f"Song{number:09d}.safetensors"
            part = path.with_suffix(f".{os.getpid()}.part")
            try:
                safetensors.torch.save_file(
                    {name: value.contiguous() for name, value in tensors.items()}, part, {"title": made.title}
                )
                part.replace(path)
            except (OSError, safetensors.SafetensorError) as exc:
                raise LiveBandModelError(f"cannot write {path}: {exc}") from exc
            finally:
                part.unlink(missing_ok=True)
            _keep_budget(config)
        yield made
        number += workers


class PoolReader:
    """Draws examples from a pool that may be growing and losing songs at the same time."""

    def __init__(self, folder: Path, *, codec: Path) -> None:
        """Raises:
        LiveBandModelError: no pool there, an empty one, or latents of another codec.
        """
        self.folder = folder
        if not (folder / _CARD).is_file():
            raise LiveBandModelError(f"no pool in {folder}; fill one with 'liveband data pool'")
        card = _read_card(folder / _CARD)
        if card.get("codec_sha256") != sha256(codec):
            raise LiveBandModelError(f"the pool in {folder} holds latents of another codec than {codec}")
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
            if example.frames >= shortest:
                return example
        raise LiveBandModelError(f"no latents of at least {shortest} frames in {self.folder}")

    @staticmethod
    def _read(path: Path, rng: np.random.Generator) -> Example:
        with safetensors.safe_open(path, "pt") as file:
            names = sorted(file.keys())
            targets = [n.removesuffix(".played") for n in names if n.endswith(".played")]
            target = targets[int(rng.integers(len(targets)))]
            versions = [n.removeprefix(f"{target}.heard") for n in names if n.startswith(f"{target}.heard")]
            version = versions[int(rng.integers(len(versions)))]
            return Example(
                stem=int(target), played=file.get_tensor(f"{target}.played"),
                sounding=file.get_tensor(f"{target}.sounding"),
                heard=Heard(
                    file.get_tensor(f"{target}.heard{version}"), file.get_tensor(f"{target}.semitones{version}")
                ),
                conditions={name: file.get_tensor(f"conditions.{name}") for name in HOST},
            )  # fmt: skip


def quiet_worker() -> None:
    """One thread a worker: more processes are quicker than more threads."""
    torch.set_num_threads(1)
