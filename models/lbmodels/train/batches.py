# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches of latents for whoever learns to play or to listen: random crops, anticipations and hidden conditions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import safetensors
import torch
from torch import Tensor

from lbmodels.band import Heard
from lbmodels.conditioning.style import told_features
from lbmodels.contract.conditions import BEAT, HARMONY, HOST
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.parts import CODEC
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.train.audio import load_tracks
from lbmodels.train.latents import Example, read_examples, write_cache
from lbmodels.train.pace import Heard as RunHeard
from lbmodels.train.pace import write_heard
from lbmodels.train.pool_files import held
from lbmodels.train.pool_reader import PoolReader
from lbmodels.train.prompts import Prompts
from lbmodels.train.steering import MARGIN_FRAMES, Measured, Ranks, measure
from lbmodels.weights.modules import load_part

_RANKED_EXAMPLES = 240


@dataclass(frozen=True, kw_only=True)
class LatentDataConfig:
    """`root`: data set. `codec`: its weights. `cache`: latents, made if missing. Crops in frames.

    `pool`: folder of a pool that `liveband data pool` fills; training draws from it, but for a `root_share` of examples
    that comes from the data set's train split. Validation is always the data set's.

    Shares: of examples that know nothing of the host, and of the others, that lack beats or harmony; of a model that takes a
    style, of examples that are asked for none. `style`: weights of the space that it is of; empty for those that ship.
    """

    root: str = ""
    codec: str = ""
    cache: str = ""
    pool: str = ""
    root_share: float = 0.0
    crop_frames: int = 256
    prepare: bool = True
    blind_share: float = 1 / 3
    no_beat_share: float = 0.2
    no_harmony_share: float = 0.5
    unstyled_share: float = 0.3
    style: str = ""


class Batch(NamedTuple):
    """`heard` is what the generator gets, `around` the mix at the time of the stem; `truth` the full conditions.
    `level` [B, F]: of what is to be played, in dBFS.

    `density` and `brightness` [B, F]: ranks of what is to be played, NaN where they are not known or not asked for.
    """

    heard: Heard
    around: Heard
    known: Tensor
    truth: dict[str, Tensor]
    stem: Tensor
    anticipation: Tensor
    played: Tensor
    level: Tensor
    density: Tensor
    brightness: Tensor


Ranked = Callable[[Example, slice], Measured]
Styled = Callable[[Example], Tensor]


def _unranked(_: Example, out: slice) -> Measured:
    unknown = torch.full((out.stop - out.start,), torch.nan)
    return Measured(unknown, unknown)


def draw_example(
    example: Example,
    data: LatentDataConfig,
    longest: int,
    rng: np.random.Generator,
    ranked: Ranked = _unranked,
    styled: Styled | None = None,
) -> dict[str, Any]:
    """A random crop with a random anticipation of up to `longest` frames and randomly hidden conditions; `styled` draws a style for
    it, if the model takes any.
    """
    a = int(rng.integers(0, 3) if rng.random() < 0.5 else rng.integers(0, longest + 1))
    frames = data.crop_frames
    span = max(1, example.frames - frames - longest - 1)
    for _ in range(4):
        start = int(rng.integers(span))
        out = slice(start + 1 + a, start + 1 + a + frames)
        if example.sounding[out].float().mean() > 0.5:
            break
    truth = {name: value[out].float() for name, value in example.conditions.items()}
    blind = rng.random() < data.blind_share
    hidden: set[str] = set()
    if blind or rng.random() < data.no_beat_share:
        hidden |= set(BEAT)
    if blind or rng.random() < data.no_harmony_share:
        hidden |= set(HARMONY)
    if rng.random() < 0.3:
        hidden |= {"key"}
    if rng.random() < 0.2:
        hidden |= {"bar_phase"}
    told = {name: torch.full_like(v, torch.nan) if name in hidden else v for name, v in truth.items()}
    if styled is not None:
        told["style"] = styled(example).expand(frames, -1)
    ranks = ranked(example, out)
    return {
        "heard": Heard(*(part[start : start + frames].float() for part in example.heard)),
        "around": Heard(*(part[out].float() for part in example.heard)),
        "known": told_features(told, styled=styled is not None),
        "truth": truth,
        "stem": torch.tensor(example.stem),
        "anticipation": torch.tensor(a),
        "played": example.played[out].float(),
        "level": example.level[out].float(),
        "density": ranks.density,
        "brightness": ranks.brightness,
    }


def collate(rows: list[dict[str, Any]]) -> Batch:
    """Stack drawn examples."""

    def stack(values: list[Any]) -> Any:
        if isinstance(values[0], Heard):
            return Heard(*(torch.stack(parts) for parts in zip(*values, strict=True)))
        if isinstance(values[0], dict):
            return {name: torch.stack([v[name] for v in values]) for name in values[0]}
        return torch.stack(values)

    return Batch(**{name: stack([row[name] for row in rows]) for name in Batch._fields})


def to_device(batch: Batch, device: torch.device) -> Batch:
    """A batch on another device."""

    def move(value: Any) -> Any:
        if isinstance(value, Heard):
            return Heard(*(part.to(device) for part in value))
        if isinstance(value, dict):
            return {name: part.to(device) for name, part in value.items()}
        return value.to(device)

    return Batch(*(move(value) for value in batch))


class LatentSource:
    """The latents of a data set, made if they are missing, and batches drawn from them."""

    subfolder: ClassVar[str] = ""
    """Of the cache, for whoever keeps other latents than those of stems."""

    def __init__(self, data: LatentDataConfig, model: GeneratorConfig, batch: int) -> None:
        """Raises:
        LiveBandModelError: no tracks, no codec, or a codec of other latents than the recipe's.
        """
        self.data, self.model, self.batch = data, model, batch
        self.codec = load_part(CODEC, Path(data.codec))
        if self.codec.config.latent != model.latent:
            raise LiveBandModelError(
                f"codec has {self.codec.config.latent} latent channels, "
                f"the recipe's model.latent is {model.latent}: not a pair"
            )
        self.cache = Path(data.cache or Path(data.root) / "latents") / self.subfolder
        if data.prepare:
            self._prepare()

    def _prepare(self) -> None:
        from rich.progress import track as progress

        config = self.codec.config
        ear = SemitoneFrontEnd(sample_rate=config.sample_rate, hop=config.hop, semitones=self.model.semitones)
        pooled = self.data.pool and self.data.root_share == 0
        for split in ("validation",) if pooled else ("train", "validation"):
            tracks = load_tracks(self.data.root, split)
            work = write_cache(tracks, self.codec, ear, self.model.stems, self.cache / split)
            for _ in progress(work, total=len(tracks), description=f"encoding {split}"):
                pass

    def heard(self, folder: Path) -> RunHeard:
        """What the run in `folder` came to: steps, hours, cost a step, songs heard; also as heard.json.

        Songs are those that the pool holds at its end, and those of the data set where examples come from it.
        """
        config, pool = self.codec.config, self.data.pool
        supply = held(Path(pool)) if pool else None
        songs, seconds = (0, 0.0) if supply is None else (supply.songs, supply.hours * 3600)
        if supply is None or self.data.root_share > 0:
            for path in (self.cache / "train").glob("*.safetensors"):
                with safetensors.safe_open(path, "pt") as file:
                    frames = file.get_slice(f"conditions.{HOST[0]}").get_shape()[0]
                songs, seconds = songs + 1, seconds + frames * config.hop / config.sample_rate
        crop_s = self.data.crop_frames * config.hop / config.sample_rate
        ranks = int(os.environ.get("WORLD_SIZE", "1"))
        return write_heard(folder, batch_s=self.batch * ranks * crop_s, songs=songs, song_s=seconds)

    @property
    def _shortest(self) -> int:
        return self.data.crop_frames + self.model.anticipation_max + 1

    def _examples(self, split: str) -> list[Example]:
        files = sorted((self.cache / split).glob("*.safetensors"))
        examples = [e for path in files for e in read_examples(path) if e.frames >= self._shortest]
        if not examples:
            raise LiveBandModelError(
                f"no latents of at least {self._shortest} frames in {self.cache / split}"
            )
        return examples

    def _drawing(self, split: str, rng: np.random.Generator) -> Callable[[], Example]:
        """Gives one example after another: of the pool, or of a split's latents, which are read once."""
        share = self.data.root_share if self.data.pool and split == "train" else 1.0
        examples = self._examples(split) if share > 0 else []
        if share == 1:
            return lambda: examples[int(rng.integers(len(examples)))]
        pool = PoolReader(Path(self.data.pool), codec=Path(self.data.codec), stems=self.model.stems)

        def draw() -> Example:
            if share and rng.random() < share:
                return examples[int(rng.integers(len(examples)))]
            return pool.draw(rng, shortest=self._shortest)

        return draw

    def batches(self, split: str, seed: int, count: int) -> Iterator[Batch]:
        """`count` batches; the same for the same seed and cache (of a pool: while it stays as it is)."""
        rng = np.random.default_rng(seed)
        draw = self._drawing(split, rng)
        longest = self.model.anticipation_max
        ranked = self._ranked if self.model.steered else _unranked
        styled = self._styling(split, seed) if self.model.styled else None
        for _ in range(count):
            chosen = [draw() for _ in range(self.batch)]
            yield collate(
                [draw_example(example, self.data, longest, rng, ranked, styled) for example in chosen]
            )

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts(Path(self.data.root), self.cache / "takes", self.data.style)

    def _styling(self, split: str, seed: int) -> Styled:
        """Draws a style that is true of an example, or NaN; by chances of its own, so that crops are those of a model without."""
        prompts, rng = self._prompts, np.random.default_rng((seed, 1))
        if self.data.root and not (split == "train" and self.data.pool and self.data.root_share == 0):
            prompts.listen(split)

        def draw(example: Example) -> Tensor:
            style = prompts.draw(example, self.model.stems[example.stem], rng)
            return torch.full_like(style, torch.nan) if rng.random() < self.data.unstyled_share else style

        return draw

    @cached_property
    def _ranks(self) -> Ranks:
        """Of crops of the training data, the same ones while it stays as it is."""
        rng = np.random.default_rng(0)
        draw = self._drawing("train", rng)
        measured = []
        for _ in range(_RANKED_EXAMPLES):
            example = draw()
            first = int(rng.integers(example.frames - self._shortest + 1))
            crop = example.played[first : first + self._shortest]
            measured.append((example.stem, measure(self.codec, crop)))
        return Ranks(len(self.model.stems), measured)

    def _ranked(self, example: Example, out: slice) -> Measured:
        """Ranks of the frames `out` of an example, judged with what is around them."""
        first = max(0, out.start - MARGIN_FRAMES)
        measured = measure(self.codec, example.played[first : out.stop + MARGIN_FRAMES])
        mine = slice(out.start - first, out.stop - first)
        return self._ranks(example.stem, Measured(*(values[mine] for values in measured)))
