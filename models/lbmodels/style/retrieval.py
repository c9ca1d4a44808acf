# SPDX-License-Identifier: GPL-3.0-or-later
"""How often the right one of 32 is nearest: a phrase's take among takes, a take's phrase among phrases."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AMONG = 32
HELD_OUT_PART = 5


def held_out(concepts: NDArray[np.bool_], names: tuple[str, ...]) -> bool:
    """Whether this set of two or more concepts is kept from training: one in five, by its names."""
    said = sorted(names[n] for n in np.flatnonzero(concepts))
    return len(said) > 1 and zlib.crc32("+".join(said).encode()) % HELD_OUT_PART == 0


@dataclass(frozen=True, kw_only=True)
class Hits:
    """Of each trial: whether the nearest of 32 was right, and its song."""

    right: NDArray[np.bool_]
    song: NDArray[np.int64]

    def rate(self, *, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
        """Share of hits with a 95 % interval over songs drawn with replacement; NaN where there was no trial."""
        songs = np.unique(self.song)
        if not len(songs):
            return float("nan"), float("nan"), float("nan")
        sums = np.array([[self.right[self.song == s].sum(), (self.song == s).sum()] for s in songs], float)
        picks = np.random.default_rng(seed).integers(len(songs), size=(draws, len(songs)))
        drawn = sums[picks].sum(1)
        low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
        return float(self.right.mean()), float(low), float(high)


def phrase_of(
    true: NDArray[np.bool_],
    names: tuple[str, ...],
    size: int | None,
    held: bool | None,
    rng: np.random.Generator,
) -> NDArray[np.bool_] | None:
    """`size` of a take's concepts (all if None), held out of training or not (None: either); None if a hundred draws find
    none.
    """
    known = np.flatnonzero(true)
    for _ in range(100):
        count = len(known) if size is None else min(size, len(known))
        phrase = np.zeros_like(true)
        phrase[rng.choice(known, count, replace=False)] = True
        if held is None or held_out(phrase, names) == held:
            return phrase
    return None


def trials(
    heard: NDArray[np.float32],
    true: NDArray[np.bool_],
    song: NDArray[np.int64],
    names: tuple[str, ...],
    say: Callable[[NDArray[np.bool_]], NDArray[np.float32]],
    *,
    size: int | None,
    held: bool | None,
    seed: int = 0,
) -> tuple[Hits, Hits]:
    """Hits of phrases among takes and of takes among phrases, for takes [N, latent] of which `true` [N, concepts] holds.

    A rival is a take that the phrase is not true of, or a phrase that is not true of the take: nothing true is counted
    as wrong. Rivals may come from the same song.
    """
    rng = np.random.default_rng(seed)
    found = [phrase_of(row, names, size, held, rng) for row in true]
    rows = np.array([n for n, phrase in enumerate(found) if phrase is not None], np.int64)
    if not len(rows):
        nothing = Hits(right=np.zeros(0, bool), song=np.zeros(0, np.int64))
        return nothing, nothing
    phrases = np.stack([phrase for phrase in found if phrase is not None])
    near = heard[rows] @ say(phrases).T  # [takes, phrases]
    holds = np.asarray((phrases[None] <= true[rows][:, None]).all(-1))
    results: tuple[list[tuple[bool, int]], list[tuple[bool, int]]] = ([], [])
    for n, row in enumerate(rows):
        for hits, scores, rivals in (
            (results[0], near[:, n], ~holds[:, n]),
            (results[1], near[n], ~holds[n]),
        ):
            others = np.flatnonzero(rivals)
            if len(others) >= AMONG - 1:
                among = rng.choice(others, AMONG - 1, replace=False)
                hits.append((bool(scores[n] > scores[among].max()), int(song[row])))
    return _hits(results[0]), _hits(results[1])


def _hits(rows: list[tuple[bool, int]]) -> Hits:
    return Hits(
        right=np.array([right for right, _ in rows], bool),
        song=np.array([song for _, song in rows], np.int64),
    )
