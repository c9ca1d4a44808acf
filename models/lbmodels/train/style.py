# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the style space: takes and the phrases that are true of them, drawn together and told apart."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from lbmodels.config import build
from lbmodels.style import sound
from lbmodels.style.prompts import KIND
from lbmodels.style.retrieval import held_out, trials
from lbmodels.style.space import StyleConfig, StyleSpace, contrast
from lbmodels.style.vocabulary import CONCEPTS, read
from lbmodels.train.loop import Side, run, side
from lbmodels.train.ranks import leads
from lbmodels.train.recipe import LoopConfig
from lbmodels.train.rvq import k_means
from lbmodels.train.takes import Takes, read_takes
from lbmodels.weights.modules import save_weights

# Of a mix, these are true of none of its parts in particular.
_MANNERS_OF_ONE = ("sparse", "busy", "dark", "bright")
PROMPTS = (
    "upright bass, swing", "fretless bass, sparse", "slap bass, funk", "brushes, jazz", "electronic drums, house",
    "busy drums, metal", "nylon guitar, bossa nova", "distorted guitar", "Rhodes", "Hammond organ, gospel",
    "string section, slow ballad", "trumpet", "Saxophon", "guitare acoustique, folk", "contrabbasso", "batterie, reggae",
    "accordion, polka", "synth pad, ambient", "bright synth lead", "vibraphone",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StyleData:
    """`pool`: examples that are made, `jitter` of their descriptions' deviation is noise; `moments`: places of a song that are listened to; `mixes`: part of the examples that are several stems of one moment; `words`: the most concepts in a phrase."""

    root: str = "dataset"
    pool: int = 6000
    jitter: float = 0.3
    moments: int = 3
    mixes: float = 0.35
    words: int = 5
    tilt: float = 0.6
    gain_db: float = 6.0


@dataclass(frozen=True, kw_only=True)
class StyleTraining:
    """A whole recipe."""

    model: StyleConfig = field(default_factory=StyleConfig)
    data: StyleData = field(default_factory=StyleData)
    loop: LoopConfig = field(default_factory=LoopConfig)


class StyleBatch(NamedTuple):
    """Descriptions [B, DESCRIPTION], what is true of each and a phrase for each, both [B, concepts]."""

    descriptions: Tensor
    true: Tensor
    phrases: Tensor


class Examples(NamedTuple):
    """Descriptions [N, DESCRIPTION] and what is true of each [N, concepts]."""

    descriptions: NDArray[np.float32]
    true: NDArray[np.bool_]


def moments_of(takes: Takes) -> list[NDArray[np.int64]]:
    """Rows that sound together, moment by moment."""
    _, group = np.unique(np.stack([takes.song, takes.moment]), axis=1, return_inverse=True)
    return [np.flatnonzero(group == one) for one in range(int(group.max()) + 1)]


def example(
    takes: Takes, moment: NDArray[np.int64], data: StyleData, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Power of one stem or of several, and what is true of it."""
    count = 1
    if len(moment) > 1 and rng.random() < data.mixes:
        count = int(rng.integers(2, len(moment) + 1))
    rows = rng.choice(moment, count, replace=False)
    gains = 10 ** (rng.uniform(-data.gain_db, data.gain_db, count) / 10)
    power = np.tensordot(gains, 10 ** takes.log_power[rows].astype(np.float32), 1)
    # Another microphone, another room.
    power = power * 10 ** np.linspace(0, rng.uniform(-data.tilt, data.tilt), sound.BANDS)
    true = np.array(takes.true[rows].any(0))
    if count > 1:
        true[[CONCEPTS.index(name) for name in _MANNERS_OF_ONE]] = False
    return np.roll(power, int(rng.integers(len(power))), 0).astype(np.float32), true


def draw_phrase(true: NDArray[np.bool_], most: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Some of a take's concepts, none of the sets that are held out."""
    known = np.flatnonzero(true)
    for size in (*rng.integers(1, min(most, len(known)) + 1, 8), 1):
        phrase = np.zeros_like(true)
        phrase[rng.choice(known, int(size), replace=False)] = True
        if not held_out(phrase, CONCEPTS):
            return phrase
    return phrase


def make_pool(takes: Takes, data: StyleData, seed: int, *, quiet: bool) -> Examples:
    """Examples for the whole of training, described once."""
    rng, moments = np.random.default_rng(seed), moments_of(takes)
    descriptions, true = [], []
    for _ in track(range(data.pool), "mixing", disable=quiet):
        power, row = example(takes, moments[int(rng.integers(len(moments)))], data, rng)
        if row.any():
            descriptions.append(sound.describe(sound.heard(power)))
            true.append(row)
    return Examples(np.stack(descriptions), np.stack(true))


def draw_batches(pool: Examples, data: StyleData, size: int, seed: int) -> Iterator[StyleBatch]:
    """Endless batches."""
    rng = np.random.default_rng(seed)
    spread = data.jitter * pool.descriptions.std(0)
    while True:
        rows = rng.integers(len(pool.true), size=size)
        true = pool.true[rows]
        phrases = np.stack([draw_phrase(row, data.words, rng) for row in true])
        noise = spread * rng.standard_normal((size, sound.DESCRIPTION)).astype(np.float32)
        parts = (pool.descriptions[rows] + noise, true, phrases)
        yield StyleBatch(*(torch.from_numpy(part) for part in parts))


@torch.no_grad()
def judge(space: StyleSpace, takes: Takes, *, seed: int = 0) -> dict[str, tuple[float, float, float]]:
    """Top 1 of 32 over validation takes, stems and whole mixes, each with an interval over songs."""
    excerpts, true, songs = _judged(takes)
    heard = torch.cat(
        [space.hear(torch.from_numpy(part)) for part in np.array_split(excerpts, 16) if len(part)]
    )

    def say(phrases: NDArray[np.bool_]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = space.say(torch.from_numpy(phrases).float()).numpy()
        return result

    figures = {}
    for name, size, held in (
        ("3 words, in training", 3, False),
        ("3 words, held out", 3, True),
        ("all words", None, None),
    ):
        takes_hit, phrases_hit = trials(
            heard.numpy(), true, songs, space.config.concepts, say, size=size, held=held, seed=seed
        )
        figures[f"phrase to take, {name}"] = takes_hit.rate()
        figures[f"take to phrase, {name}"] = phrases_hit.rate()
    return figures


def _judged(takes: Takes) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    """Every stem by itself, and every moment's mix; descriptions, what is true, songs."""
    powers = list(10 ** takes.log_power.astype(np.float32))
    true, songs = list(takes.true), list(takes.song)
    manners = [CONCEPTS.index(name) for name in _MANNERS_OF_ONE]
    for moment in moments_of(takes):
        if len(moment) > 1:
            row = np.array(takes.true[moment].any(0))
            row[manners] = False
            powers.append(np.stack([powers[n] for n in moment]).sum(0))
            true.append(row)
            songs.append(takes.song[moment[0]])
    return sound.describe(sound.heard(np.stack(powers))), np.stack(true), np.array(songs)


@torch.no_grad()
def told_apart(space: StyleSpace, takes: Takes, *, least: int = 5) -> dict[str, tuple[float, int]]:
    """For each concept of which `least` validation takes and as many not are there: the chance that a take of which it is
    true lies nearer to it than one of which it is not, and how many there are (area under the curve: 0.5 is not heard).
    """
    descriptions, true, _ = _judged(takes)
    heard = space.hear(torch.from_numpy(descriptions))
    near = (heard @ space.say(torch.eye(len(CONCEPTS))).T).numpy()
    found = {}
    for k, name in enumerate(CONCEPTS):
        yes, no = near[true[:, k], k], near[~true[:, k], k]
        if min(len(yes), len(no)) >= least:
            found[name] = (round(float((yes[:, None] > no[None]).mean()), 3), len(yes))
    return found


@torch.no_grad()
def nearest_takes(
    space: StyleSpace, takes: Takes, prompts: tuple[str, ...] = PROMPTS
) -> list[dict[str, Any]]:
    """For each prompt what is true of the three nearest validation takes."""
    descriptions, true, _ = _judged(takes)
    heard = space.hear(torch.from_numpy(descriptions))
    rows = []
    for prompt in prompts:
        reading = read(prompt)
        known = torch.tensor([[float(name in reading.concepts) for name in space.config.concepts]])
        near = (heard @ space.say(known)[0]).topk(3)
        rows.append(
            {
                "prompt": prompt,
                "concepts": reading.concepts,
                "unknown": reading.unknown,
                "nearest": [
                    {"cosine": round(float(c), 3), "true": [CONCEPTS[k] for k in np.flatnonzero(true[n])]}
                    for c, n in zip(near.values, near.indices.tolist(), strict=True)
                ],
            }
        )
    return rows


def taught(space: StyleSpace, takes: Takes, *, least: int = 3) -> StyleSpace:
    """The same space without the words that fewer than `least` training takes had: those would be guesses."""
    kept = [k for k in range(len(CONCEPTS)) if int(takes.true[:, k].sum()) >= least]
    config = replace(space.config, concepts=tuple(CONCEPTS[k] for k in kept))
    smaller = StyleSpace(config).eval().requires_grad_(False)
    smaller.load_state_dict(space.state_dict() | {"words": space.words[kept]})
    return smaller


class StyleObjective:
    """One side; see `lbmodels.train.loop.Objective`."""

    def __init__(self, config: StyleTraining, folder: Path, *, quiet: bool) -> None:
        self.config = config
        torch.manual_seed(config.loop.seed)
        self.space = StyleSpace(config.model)
        self.sides: dict[str, Side] = {"space": side(self.space, config.loop, config.loop.learning_rate)}
        self.averaged: dict[str, nn.Module] = {
            "space": copy.deepcopy(self.space).eval().requires_grad_(False)
        }
        folder.mkdir(parents=True, exist_ok=True)
        root, moments = Path(config.data.root), config.data.moments
        self.takes, self.judged = (
            read_takes(root, split, folder / "takes", moments=moments, quiet=quiet)
            for split in ("train", "validation")
        )
        self.pool = make_pool(self.takes, config.data, config.loop.seed, quiet=quiet)
        for space in (self.space, self.averaged["space"]):
            assert isinstance(space, StyleSpace)
            space.centre.copy_(torch.from_numpy(self.pool.descriptions.mean(0)))
            space.spread.copy_(torch.from_numpy(self.pool.descriptions.std(0) + 1e-3))
        self.unjudged = True

    def batches(self, seed: int) -> Iterable[StyleBatch]:
        return draw_batches(self.pool, self.config.data, self.config.loop.batch, seed)

    def step(self, batch: StyleBatch, step: int) -> dict[str, float]:  # noqa: ARG002 (the loop's signature)
        self.unjudged = True
        self.space.train()
        phrases = batch.phrases.float()
        loss = contrast(self.space(batch.descriptions, phrases), (~batch.true).float() @ phrases.T == 0)
        return {"contrast": float(loss.detach()), "gradient": self.sides["space"].descend(loss)}

    @torch.no_grad()
    def finished(self) -> StyleSpace:
        """The averaged weights, with code books for what they hear and say of training examples."""
        space = StyleSpace(self.config.model).eval().requires_grad_(False)
        space.load_state_dict(self.averaged["space"].state_dict())
        batches = draw_batches(self.pool, self.config.data, 128, self.config.loop.seed + 1)
        points = []
        for _ in range(max(1, min(24, len(self.pool.true) // 64))):
            batch = next(batches)
            points += [space.hear(batch.descriptions), space.say(batch.phrases.float())]
        rest, random = torch.cat(points), torch.Generator().manual_seed(self.config.loop.seed)
        quantiser = space.quantiser
        for level in range(quantiser.config.levels):
            codes = k_means(rest, quantiser.config.codes, rounds=12, random=random)
            quantiser.codes[level] = codes
            rest = rest - codes[torch.cdist(rest, codes).argmin(1)]
        return space

    def sample(self, folder: Path) -> dict[str, float]:
        space = self.finished()
        figures = judge(space, self.judged)
        told = {
            "top_1_of_32": figures,
            "heard": told_apart(space, self.judged),
            "prompts": nearest_takes(space, self.judged),
        }
        (folder / "style.json").write_text(json.dumps(told, indent=1) + "\n")
        known = taught(space, self.takes)
        save_weights(folder / "style.safetensors", known, kind=KIND, config=known.config, half=True)
        self.unjudged = False
        return {name: rate for name, (rate, _, _) in figures.items()}


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train by a recipe's tables; returns the weights. style.json beside them has figures and prompts' nearest takes."""
    config = build(StyleTraining, tables)
    torch.set_num_threads(config.loop.threads)
    objective = StyleObjective(config, folder, quiet=quiet)
    run(objective, config.loop, folder, quiet=quiet)
    if leads() and objective.unjudged:  # stopped before its last step
        objective.sample(folder)
    return folder / "style.safetensors"
