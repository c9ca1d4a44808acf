# SPDX-License-Identifier: GPL-3.0-or-later
"""Excerpts through the accompanist's own streaming step, placed by position."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Streaming
from lbmodels.contract.conditions import BEAT, HARMONY, HOST, WIDTHS
from lbmodels.contract.spec import Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio

KNOWN: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "beat": BEAT,
    "chords": HARMONY,
    "all": HOST,
}


def anticipation_frames(spec: Spec, anticipation_ms: float) -> int:
    """A in frames, of those that the model was made for the nearest to `anticipation_ms`.

    Raises:
        LiveBandModelError: outside what the model was trained for.
    """
    low, high = spec.anticipation_frames
    beyond = anticipation_ms * spec.sample_rate / spec.hop / 1000 - low
    frames = low + round(beyond / spec.anticipation_step) * spec.anticipation_step
    if frames not in spec.anticipations:
        steps = (
            f" in steps of {spec.anticipation_step * spec.frame_ms:g} ms"
            if spec.anticipation_step > 1
            else ""
        )
        raise LiveBandModelError(
            f"anticipation {anticipation_ms:g} ms is outside what {spec.name} accepts: "
            f"{low * spec.frame_ms:g} to {high * spec.frame_ms:g} ms{steps}"
        )
    return frames


def generate(
    accompanist: Streaming,
    mixes: Audio,
    conditions: Sequence[Mapping[str, np.ndarray[Any, Any]]],
    *,
    stem: str,
    anticipation: int,
    known: str,
    seeds: Sequence[int],
    on_frame: Callable[[], None] = lambda: None,
    controls: Mapping[str, float] | None = None,
) -> Audio:
    """Play a batch of excerpts and return the stems [B, C, T], each sample at the position it is written for.

    Step n hears mix frames [n*k, (n+1)*k) and writes frames from m = (n+1)*k + A on; those before the first are silence. A
    bidirectional reference (`causal` false) hears the whole mix at once instead.

    Args:
        accompanist: whoever plays.
        mixes: [B, C, T] at the model's rate.
        conditions: per row, name -> [F, ...] of what the host knows at the start of frame m = 0, 1, ...; what lies
            beyond the end, or is not in `known`, is unknown (NaN) to the model.
        stem: class to play, one of the spec's.
        anticipation: A in frames.
        known: a key of `KNOWN`.
        seeds: one per row.
        on_frame: called after each step.
        controls: those of the spec's that are not at their defaults.

    Raises:
        LiveBandModelError: unknown stem, condition set or control.
    """
    spec = accompanist.spec
    if stem not in spec.stems:
        raise LiveBandModelError(f"{spec.name} does not play {stem!r}; it plays {', '.join(spec.stems)}")
    if known not in KNOWN:
        raise LiveBandModelError(f"unknown conditions {known!r}; accepted: {', '.join(KNOWN)}")
    foreign = sorted((controls or {}).keys() - {control.name for control in spec.controls})
    if foreign:
        accepted = ", ".join(control.name for control in spec.controls)
        raise LiveBandModelError(f"{spec.name} has no control {foreign[0]!r}; it has {accepted}")
    rows, channels, samples = mixes.shape
    H = spec.hop
    k = spec.chunk_frames
    frames = -(-samples // (k * H)) * k
    mix = np.zeros((rows, channels, frames * H), dtype=np.float32)
    mix[..., :samples] = mixes
    result = np.zeros((rows, channels, frames * H), dtype=np.float32)
    fixed = {
        "stem": float(spec.stems.index(stem)),
        "anticipation": float(anticipation),
        "variation": 1.0,
        **{one.name: float((controls or {}).get(one.name, one.default)) for one in spec.controls},
    }
    always = {name: np.full((rows, k, 1), value, dtype=np.float32) for name, value in fixed.items()}
    if not getattr(accompanist, "causal", True):
        told = _at_frames(conditions, range(1 + anticipation, frames + 1 + anticipation), KNOWN[known])
        told |= {name: np.repeat(value[:, :1], frames, axis=1) for name, value in always.items()}
        heard = np.ascontiguousarray(mix.reshape(rows, channels, frames, H).swapaxes(1, 2))
        reference: Any = accompanist
        stems = reference.play_whole(heard, told, list(seeds))[:, : frames - 1 - anticipation]
        result[..., (1 + anticipation) * H :] = stems.swapaxes(1, 2).reshape(rows, channels, -1)
        return result[..., :samples]
    active = np.ones(rows, dtype=np.bool_)
    state = accompanist.init_state(list(seeds))
    for n in range(0, frames, k):
        m = n + k + anticipation
        if m >= frames:
            break
        told = {**always, **_at_frames(conditions, range(m, m + k), KNOWN[known])}
        heard = np.ascontiguousarray(mix[..., n * H : (n + k) * H])
        stems, state = accompanist.step(heard, told, state, active)
        whole_frames = min(k, frames - m)
        result[..., m * H : (m + whole_frames) * H] = stems[..., : whole_frames * H]
        on_frame()
    return result[..., :samples]


def _at_frames(
    conditions: Sequence[Mapping[str, np.ndarray[Any, Any]]], frames: range, known: Sequence[str]
) -> dict[str, NDArray[np.float32]]:
    """Rows of every host condition at some output frames: [B, frames, width] float32, NaN where not told."""
    result = {}
    for name in HOST:
        values = np.full((len(conditions), len(frames), WIDTHS[name]), np.nan, dtype=np.float32)
        if name in known:
            for row, told in enumerate(conditions):
                here = told[name][frames.start : frames.stop]
                values[row, : len(here)] = here.reshape(len(here), -1)
        result[name] = values
    return result
