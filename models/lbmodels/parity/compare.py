# SPDX-License-Identifier: GPL-3.0-or-later
"""What a runner computed against what a golden file says: absolute limits for numbers, margins for choices.

A choice (token, code) must be the same. The first that differs is excused where the golden file says that best and
second best lay closer than ten times the family's limit; what follows from it is then not comparable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.parity.case import Arrays, Case

MARGIN_FACTOR = 10
# (case, output, largest absolute difference): first match wins. Measured by the golden files' makers, about ten times
# the difference between float32 and float64.
LIMITS: tuple[tuple[str, str, float], ...] = (
    ("sm_beat_phase", "", 5e-6),
    ("smg_|sm_", "", 2e-5),
    ("dac_", "latent", 4e-4),
    ("dac_", "code_embedding", 1e-5),
    ("dac_", "", 1e-3),
    ("ldm_samplers", ".*_final", 2e-5),
    ("ldm_", "", 1e-4),
    ("mrt2_depthformer", "", 2e-4),
    ("mrt2_spectrostream_enc", "", 1e-4),
    ("mrt2_spectrostream", "", 1e-5),
)
# Of choices: the limit of what they are chosen by.
CHOICE_LIMITS: tuple[tuple[str, float], ...] = (
    ("dac_", 4e-4),
    ("mrt2_depthformer", 2e-4),
    ("mrt2_", 1e-4),
    ("", 2e-5),
)
MASKED = re.compile(r"(logits|logits_slice|argmax|logsumexp|targets)$")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One output. `compared` of `cells` were comparable; `difference`: largest, of choices the number that differ."""

    output: str
    cells: int
    compared: int
    difference: float
    limit: float
    ok: bool
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class _Order:
    """How choices hang together: those of one `group` follow each other by `order`; arrays of the output's shape."""

    group: NDArray[np.int64]
    order: NDArray[np.int64]
    margin: NDArray[np.float64]


def compare(case: Case, computed: Arrays) -> list[Row]:
    """A row for each output of the case, choices first as what follows from them is judged by them.

    `mask` and `..._margin` are what the judgement rests on; they are compared only where a runner computes them.
    """
    rows: dict[str, Row] = {}
    first_excused: dict[str, dict[int, int]] = {}
    names = [name for name in case.outputs if name in computed or not _reference(name)]
    for name in sorted(names, key=lambda name: case.outputs[name].dtype.kind not in "iu"):
        told = case.outputs[name]
        if name not in computed:
            rows[name] = _failure(case, name, "not computed")
            continue
        found = np.asarray(computed[name])
        if found.shape != told.shape:
            rows[name] = _failure(case, name, f"shape {found.shape}, told is {told.shape}")
        elif told.dtype.kind in "iub":
            rows[name], first_excused[name] = _judge_choices(case, name, found)
        else:
            rows[name] = _judge_numbers(case, name, found, first_excused)
    return [rows[name] for name in names]


def _reference(name: str) -> bool:
    return name == "mask" or name.endswith("_margin")


def _failure(case: Case, name: str, note: str) -> Row:
    told = case.outputs[name]
    limit = 0.0 if told.dtype.kind in "iub" else _limit(case, name)
    return Row(
        output=name, cells=told.size, compared=0, difference=float("nan"), limit=limit, ok=False, note=note
    )


def _limit(case: Case, name: str) -> float:
    if name.endswith("_margin"):  # a difference of two numbers, each of which may be off
        return 2 * _choice_limit(case)
    return next(
        limit for start, end, limit in LIMITS if _fits(start, case.name) and re.fullmatch(end or ".*", name)
    )


def _choice_limit(case: Case) -> float:
    return next(limit for start, limit in CHOICE_LIMITS if _fits(start, case.name))


def _fits(start: str, name: str) -> bool:
    return re.match(start, name) is not None


def _mask(case: Case, name: str) -> NDArray[np.bool_]:
    """True where an output has a value, of the output's shape."""
    told = case.outputs[name]
    if "mask" not in case.outputs or not MASKED.match(name):
        return np.ones(told.shape, bool)
    mask = case.outputs["mask"].astype(bool)
    if name.endswith("_slice"):
        mask = mask[..., case.inputs["positions"]]
    return np.broadcast_to(mask.reshape(mask.shape + (1,) * (told.ndim - mask.ndim)), told.shape)


def _judge_numbers(
    case: Case, name: str, found: NDArray[Any], first_excused: Mapping[str, Mapping[int, int]]
) -> Row:
    told = case.outputs[name]
    comparable = _mask(case, name).copy()
    notes = []
    for choices, firsts in first_excused.items():
        for row, first in firsts.items():
            cut = _follows(case, name, choices, first)
            if cut is not None:
                comparable[row][(..., *cut)] = False
                notes.append(f"follows {choices}, excused at {first}")
    limit = _limit(case, name)
    difference = np.abs(found.astype(np.float64) - told.astype(np.float64))[comparable]
    largest = float(difference.max()) if difference.size else 0.0
    return Row(
        output=name,
        cells=told.size,
        compared=int(comparable.sum()),
        difference=largest,
        limit=limit,
        ok=bool(largest <= limit),  # NaN is not
        note="; ".join(sorted(set(notes))),
    )


def _follows(case: Case, name: str, choices: str, first: int) -> tuple[slice, ...] | None:
    """What of an output's last axes is no longer comparable once a choice in `order` `first` was another."""
    if choices == "greedy_steps" and name == "topk_probs":
        return (slice(None), slice(None))
    pairs = {"greedy_logits": "greedy_steps", "greedy_logits_clean": "clean_steps"}
    if pairs.get(name) == choices:  # entry s chose step s + 1, so entries from `first` on heard another past
        lacking = case.outputs[name].shape[-2] + 1 - case.outputs[choices].shape[-1]
        return (slice(first + lacking, None), slice(None))
    if choices == "codes" and name == "roundtrip":
        hop = int(case.config["hop"])
        return (slice(max(0, hop * (first - 1)), None),)
    return None


def _judge_choices(case: Case, name: str, found: NDArray[Any]) -> tuple[Row, dict[int, int]]:
    """The row, and by batch row the place in time of the first choice that was excused."""
    told = case.outputs[name]
    mask = _mask(case, name)
    wrong = mask & (found.astype(np.int64) != told.astype(np.int64))
    ordered = _order(case, name)
    excusable = ordered.margin < MARGIN_FACTOR * _choice_limit(case)
    comparable, ok = mask.copy(), True
    places: dict[int, int] = {}
    for group in np.unique(ordered.group[wrong]):
        mine = ordered.group == group
        first = ordered.order[mine & wrong].min()
        here = mine & wrong & (ordered.order == first)
        ok &= bool(excusable[here].all())
        comparable &= ~(mine & (ordered.order > first)) & ~here
        for place in np.argwhere(here):
            batch, time = int(place[0]), int(place[-1])
            places[batch] = min(places.get(batch, time), time)
    row = Row(
        output=name,
        cells=told.size,
        compared=int(comparable.sum()),
        difference=float(wrong.sum()),
        limit=0.0,
        ok=ok,
        note="" if not wrong.any() else "excused by its margin" if ok else f"first differs at {_at(wrong)}",
    )
    return row, places if ok else {}


def _at(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def _order(case: Case, name: str) -> _Order:
    told = case.outputs[name]
    places = np.indices(told.shape)
    none = np.full(told.shape, np.inf)
    margin = _margin_of(case, name)
    singly = _Order(
        group=np.arange(told.size).reshape(told.shape), order=np.zeros(told.shape, int), margin=none
    )
    if margin is None or told.ndim < 2:
        return singly
    frame_first = case.name.startswith("mrt2_")  # (frame, level); elsewhere (batch, level, time)
    if name == "argmax":
        return _Order(group=singly.group, order=singly.order, margin=np.broadcast_to(margin, told.shape))
    if name == "codes":
        level = places[-1] if frame_first else places[-2]
        group = places[0] if frame_first else places[0] * told.shape[-1] + places[-1]
        return _Order(group=group, order=level, margin=np.broadcast_to(margin, told.shape))
    if frame_first:
        spread = np.broadcast_to(margin, told.shape)
        return _Order(group=np.zeros(told.shape, int), order=singly.group, margin=spread)
    # Generated in time: steps, or frames whose level q was chosen q steps later. The margins end with the last step.
    level, time = places[-2], places[-1]
    step = time + level if name.endswith("frames") else time
    column = step - (told.shape[-1] - margin.shape[-1])
    inside = (column >= 0) & (column < margin.shape[-1])
    taken = np.take_along_axis(margin, np.where(inside, column, 0), axis=-1)
    return _Order(group=places[0], order=step, margin=np.where(inside, taken, np.inf))


def _margin_of(case: Case, name: str) -> NDArray[np.float64] | None:
    run = name.rsplit("_", 1)[0].replace("clean", "greedy")
    for candidate in (f"{run}_margin", f"{name}_margin", f"{name.removesuffix('s')}_margin"):
        if candidate in case.outputs:
            return case.outputs[candidate].astype(np.float64)
    return None
