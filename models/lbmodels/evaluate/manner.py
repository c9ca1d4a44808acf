# SPDX-License-Identifier: GPL-3.0-or-later
"""How a part is played, as distributions: its rests, its dynamics, how busy its bars are, its notes, its places in the bar, its repeats.

One true part is no measure of these: a part that is as good rests elsewhere. So what is judged is the distance between all that was
played and all true parts (Wasserstein's, in the unit of what is measured), beside that of two halves of the truth.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lbmodels.evaluate.excerpts import Truth
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.metrics import LEVEL_HOP_S, SILENCE_DB, Floats

_SHORTEST_REST_S = 0.2
_BAR_RANGE_DB = 40.0
_RELEASE_DB = 15.0
_PLACES = 16
_BARS_BACK = 8

Heard = Sequence[tuple[Features, Truth]]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """`values` of one excerpt from `start_s` on, any number of them; `distance` between two pools of such."""

    unit: str
    values: Callable[[Features, Truth, float], Floats]
    distance: Callable[[Floats, Floats], float]


def _bars(truth: Truth, start_s: float) -> list[tuple[float, float]]:
    """Whole bars from `start_s` on, by the true downbeats."""
    starts = truth.downbeats_s[truth.downbeats_s >= start_s]
    return list(itertools.pairwise(starts))


def rests_s(heard: Features, truth: Truth, start_s: float) -> Floats:
    """Lengths of stretches below -60 dBFS, 0.2 s and longer; one of 0 where it never rests."""
    del truth
    silent = heard.level_db[round(start_s / LEVEL_HOP_S) :] < SILENCE_DB
    edges = np.flatnonzero(np.diff(np.concatenate(([False], silent, [False])).astype(np.int8)))
    lengths = (edges[1::2] - edges[::2]) * LEVEL_HOP_S
    found = lengths[lengths >= _SHORTEST_REST_S - 1e-9]
    kept: Floats = np.asarray(found if len(found) else [0.0], dtype=np.float64)
    return kept


def bar_levels_db(heard: Features, truth: Truth, start_s: float) -> Floats:
    """Level of each bar above the mean power of all of them, -40 dB at least; none where nothing sounds."""
    power = 10 ** (heard.level_db / 10)
    means = np.array(
        [
            power[round(a / LEVEL_HOP_S) : round(b / LEVEL_HOP_S)].mean()
            for a, b in _bars(truth, start_s)
            if round(b / LEVEL_HOP_S) <= len(power)
        ]
    )
    if not len(means) or means.mean() < 10 ** (SILENCE_DB / 10):
        return np.zeros(0)
    levels: Floats = np.maximum(10 * np.log10(means / means.mean() + 1e-12), -_BAR_RANGE_DB)
    return levels


def bar_onsets(heard: Features, truth: Truth, start_s: float) -> Floats:
    """Onsets of each bar."""
    counts = [((heard.onsets_s >= a) & (heard.onsets_s < b)).sum() for a, b in _bars(truth, start_s)]
    return np.array(counts, dtype=np.float64)


def notes_s(heard: Features, truth: Truth, start_s: float) -> Floats:
    """How long each onset sounds: until the level has fallen by 15 dB from its peak, or the next onset."""
    del truth
    onsets = heard.onsets_s[heard.onsets_s >= start_s]
    lengths = []
    for onset, following in itertools.pairwise(onsets):
        first, last = int(onset / LEVEL_HOP_S), int(following / LEVEL_HOP_S)
        level = heard.level_db[first : last + 1]
        if len(level) < 2:
            continue
        peak = int(level[: max(2, len(level) // 2)].argmax())
        fallen = np.flatnonzero(level[peak:] < level[peak] - _RELEASE_DB)
        lengths.append(
            min(following - onset, (peak + fallen[0]) * LEVEL_HOP_S) if len(fallen) else following - onset
        )
    return np.array(lengths, dtype=np.float64)


def places(heard: Features, truth: Truth, start_s: float) -> Floats:
    """Where in its bar each onset lies, 0 to 1."""
    found = [
        (heard.onsets_s[(heard.onsets_s >= a) & (heard.onsets_s < b)] - a) / (b - a)
        for a, b in _bars(truth, start_s)
    ]
    return np.concatenate(found) if found else np.zeros(0)


def repeats(heard: Features, truth: Truth, start_s: float) -> Floats:
    """How well the rhythm of each bar meets the likest of the eight before it: F of sixteenths, 1 of two empty bars."""
    rhythms = []
    for a, b in _bars(truth, start_s):
        inside = heard.onsets_s[(heard.onsets_s >= a - (b - a) / 32) & (heard.onsets_s < b - (b - a) / 32)]
        row = np.zeros(_PLACES, dtype=bool)
        row[np.round((inside - a) / (b - a) * _PLACES).astype(int) % _PLACES] = True
        rhythms.append(row)
    found = []
    for n in range(1, len(rhythms)):
        before = rhythms[max(0, n - _BARS_BACK) : n]
        found.append(max(_agreement(rhythms[n], other) for other in before))
    return np.array(found, dtype=np.float64)


def _agreement(a: np.ndarray, b: np.ndarray) -> float:
    total = int(a.sum() + b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def _wasserstein(a: Floats, b: Floats) -> float:
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(a, b))


def _divergence(a: Floats, b: Floats) -> float:
    """Jensen and Shannon's, in bits, of histograms over the sixteenths of a bar."""

    def histogram(values: Floats) -> Floats:
        counts = np.bincount(np.round(values * _PLACES).astype(int) % _PLACES, minlength=_PLACES) + 0.5
        share: Floats = counts / counts.sum()
        return share

    p, q = histogram(a), histogram(b)
    middle = (p + q) / 2
    return float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)


MANNERS: dict[str, Manner] = {
    "rest_lengths": Manner(unit="s", values=rests_s, distance=_wasserstein),
    "bar_levels": Manner(unit="dB", values=bar_levels_db, distance=_wasserstein),
    "bar_onsets": Manner(unit="onsets", values=bar_onsets, distance=_wasserstein),
    "note_lengths": Manner(unit="s", values=notes_s, distance=_wasserstein),
    "bar_places": Manner(unit="bits", values=places, distance=_divergence),
    "bar_repeats": Manner(unit="F", values=repeats, distance=_wasserstein),
}


def distances(heard: Heard, true: Heard, start_s: float) -> dict[str, tuple[float, float]]:
    """Name of a manner -> distance of what was heard to the truth, and of two halves of the truth. NaN where nothing is to be compared.

    Each half of the truth against the other half of what was heard, since a distance of samples depends on how many there are.
    """
    result = {}
    for name, manner in MANNERS.items():
        ours, theirs = ([manner.values(f, t, start_s) for f, t in side] for side in (heard, true))

        def between(a: list[Floats], b: list[Floats], manner: Manner = manner) -> float:
            x, y = (np.concatenate(values) if values else np.zeros(0) for values in (a, b))
            return manner.distance(x, y) if len(x) and len(y) else float("nan")

        score = (between(theirs[::2], ours[1::2]) + between(theirs[1::2], ours[::2])) / 2
        result[name] = (score, between(theirs[::2], theirs[1::2]))
    return result
