# SPDX-License-Identifier: GPL-3.0-or-later
"""Small accompanists without torch, for tests and for trying the plumbing: `--model test:copy` and friends."""

import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import WIDTHS, Conditions
from lbmodels.contract.spec import Control, Spec
from lbmodels.contract.stems import STEMS
from lbserver.errors import LiveBandError
from lbserver.files import saved_state
from lbserver.protocol.controls import CONTROLS


class State(NamedTuple):
    """One row per session: steps done, seed, and the tail of sound that runs into the next frame [B, T]."""

    steps: NDArray[np.int64]
    seeds: NDArray[np.int64]
    tail: Audio


Play = Callable[[Spec, Audio, Conditions, State], tuple[Audio, Audio]]
"""(spec, mix [B, C, T], conditions, state) -> (stem [B, C, T], new tail)."""


@dataclass(frozen=True, kw_only=True)
class SmallAccompanist:
    """A pure function made into an Accompanist; bookkeeping, masking and snapshots are the same for all."""

    spec: Spec
    play: Play

    def init_state(self, seeds: Sequence[int]) -> State:
        rows = len(seeds)
        length = self.spec.hop * self.spec.chunk_frames
        return State(
            np.zeros(rows, np.int64), np.asarray(seeds, np.int64), np.zeros((rows, length), np.float32)
        )

    def step(
        self, mix: Audio, conditions: Conditions, state: State, active: NDArray[np.bool_]
    ) -> tuple[Audio, State]:
        stem, tail = self.play(self.spec, mix, conditions, state)
        stem = np.where(active[:, None, None], stem, np.float32(0.0)).astype(np.float32)
        tail = np.where(active[:, None], tail, state.tail).astype(np.float32)
        return stem, State(state.steps + active, state.seeds, tail)

    def heard_beat(self, state: State) -> NDArray[np.float64]:
        return np.full((len(state.steps), self.spec.chunk_frames, 4), np.nan)

    def heard_chord(self, state: State) -> NDArray[np.float64]:
        return np.full((len(state.steps), 13), np.nan)

    def join(self, states: Sequence[State]) -> State:
        return State(
            np.concatenate([state.steps for state in states]),
            np.concatenate([state.seeds for state in states]),
            np.concatenate([state.tail for state in states]),
        )

    def row(self, state: State, index: int) -> State:
        at = slice(index, index + 1)
        return State(state.steps[at].copy(), state.seeds[at].copy(), state.tail[at].copy())

    def snapshot(self, state: State) -> bytes:
        return saved_state.pack({name: array.tobytes() for name, array in state._asdict().items()})

    def compact(self, snapshot: bytes) -> bytes:
        return snapshot  # small enough as it is

    def restore(self, snapshot: bytes) -> State:
        try:
            saved = saved_state.unpack(snapshot)
        except LiveBandError as error:
            raise LiveBandError(f"these bytes are not a state of {self.spec.name}: {error}") from None
        length = self.spec.hop * self.spec.chunk_frames
        rows = len(saved.get("steps", b"")) // 8
        sizes = {"steps": 8 * rows, "seeds": 8 * rows, "tail": 4 * rows * length}
        if {name: len(data) for name, data in saved.items()} != sizes:
            raise LiveBandError(f"these bytes are not a state of {self.spec.name}")
        return State(
            np.frombuffer(saved["steps"], np.int64).copy(),
            np.frombuffer(saved["seeds"], np.int64).copy(),
            np.frombuffer(saved["tail"], np.float32).reshape(rows, length).copy(),
        )


def _copy(_spec: Spec, mix: Audio, _conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """What was heard comes back as it was, 1 + A frames later."""
    return mix, state.tail


def _silence(_spec: Spec, mix: Audio, _conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    return np.zeros_like(mix), state.tail


def _counter(_spec: Spec, mix: Audio, _conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """Step n writes the constant (n + 1) / 4096: a frame lost, repeated or out of order shows in the audio."""
    return np.broadcast_to(((state.steps + 1) / 4096.0)[:, None, None], mix.shape).astype(
        np.float32
    ), state.tail


def _noise(_spec: Spec, mix: Audio, conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """Noise from the seed and the step alone, scaled by `variation`: for tests of seeds."""
    rows = [
        np.random.default_rng((int(seed), int(step))).standard_normal(mix.shape[1:])
        for seed, step in zip(state.seeds, state.steps, strict=True)
    ]
    return (0.05 * conditions["variation"][:, :1] * np.stack(rows)).astype(np.float32), state.tail


def _style(_spec: Spec, mix: Audio, conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """Writes how near each frame's style is to the style space's first axis, a constant; 0 where none is asked for."""
    first = np.nan_to_num(conditions["style"][:, :, 0])
    held = np.repeat(first, mix.shape[-1] // first.shape[1], axis=1)
    return np.repeat(held[:, None], mix.shape[1], axis=1).astype(np.float32), state.tail


def _click(spec: Spec, mix: Audio, conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """A 30 ms ping on every beat the host tells of; silence when the beat is unknown."""
    length = mix.shape[-1]
    ping_time_s = np.arange(int(0.03 * spec.sample_rate)) / spec.sample_rate
    ping = 0.5 * np.sin(2 * np.pi * 1000.0 * ping_time_s) * np.exp(-ping_time_s / 0.006)
    out = np.zeros((len(mix), length + len(ping)), np.float32)
    out[:, :length] = state.tail
    phases, tempi = (conditions[name][:, 0, 0] for name in ("beat_phase", "tempo"))
    for row, (phase, tempo_bpm) in enumerate(zip(phases, tempi, strict=True)):
        if not (np.isfinite(phase) and tempo_bpm > 0):
            continue
        beat_samples = spec.sample_rate * 60.0 / float(tempo_bpm)
        # Rounded to the nearest sample: less than half a sample after a beat is on it, and the frame before
        # rounded the same beat out of itself.
        since = float(phase) * beat_samples
        first = 0 if since < 0.5 else round(beat_samples - since)
        for start in np.round(np.arange(first, length, beat_samples)).astype(int):
            out[row, start : start + len(ping)] += ping.astype(np.float32)
    tail = np.zeros_like(state.tail)
    tail[:, : len(ping)] = out[:, length:]
    return np.repeat(out[:, None, :length], mix.shape[1], axis=1), tail


def _fragile(_spec: Spec, mix: Audio, _conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    """Copies; a peak above 7 kills the process, above 5 hangs it, above 3 asks for all memory there is."""
    peak = float(np.abs(mix).max(initial=0.0))
    if peak > 7.0:
        os.kill(os.getpid(), signal.SIGKILL)
    if peak > 5.0:
        time.sleep(60.0)
    if peak > 3.0:
        np.ones(1 << 40, np.uint8)
    return mix, state.tail


_VARIATION = Control(
    name="variation", unit="", minimum=0.0, maximum=2.0, default=1.0, description="scale of what is random"
)


def _spec(name: str, **changes: Any) -> Spec:
    values: dict[str, Any] = {
        "name": name,
        "sample_rate": 48000,
        "channels": 2,
        "hop": 1920,
        "chunk_frames": 1,
        "anticipation_frames": (0, 25),
        "stems": STEMS,
        "controls": (_VARIATION,),
        "conditions": tuple(name for name in WIDTHS if name != "injection"),
        "context_frames": 0,
        "parameters": 0,
        "recipe": "test",
        "weights_id": name,
    }
    return Spec(**(values | changes))


def copy(**spec: Any) -> SmallAccompanist:
    """Plays back what it hears: mix frame n comes as output frame n + 1 + A. Measures the timeline (law 1)."""
    return SmallAccompanist(spec=_spec("test:copy", **spec), play=_copy)


def steerable(**spec: Any) -> SmallAccompanist:
    """Copies, and knows every control that a model can know."""
    known = tuple(
        Control(
            name=one.name,
            unit=one.unit,
            minimum=one.minimum,
            maximum=one.maximum,
            default=one.default,
            description=one.meaning,
        )
        for one in CONTROLS
        if one.acts == "model" and one.name != "stem"
    )
    return SmallAccompanist(spec=_spec("test:steerable", **{"controls": known} | spec), play=_copy)


def silence(**spec: Any) -> SmallAccompanist:
    """Plays nothing."""
    return SmallAccompanist(spec=_spec("test:silence", **spec), play=_silence)


def counter(**spec: Any) -> SmallAccompanist:
    """Writes its step number into the audio."""
    return SmallAccompanist(spec=_spec("test:counter", **spec), play=_counter)


def click(**spec: Any) -> SmallAccompanist:
    """Clicks on the beats that the conditions tell."""
    return SmallAccompanist(spec=_spec("test:click", **spec), play=_click)


def noise(**spec: Any) -> SmallAccompanist:
    """Seeded noise."""
    return SmallAccompanist(spec=_spec("test:noise", **spec), play=_noise)


def style(**spec: Any) -> SmallAccompanist:
    """Writes what it is told of style; takes all that a stream of a whole band takes."""
    return SmallAccompanist(spec=_spec("test:style", **{"conditions": tuple(WIDTHS), **spec}), play=_style)


def fragile(**spec: Any) -> SmallAccompanist:
    """Copies what it hears until it hears too much."""
    return SmallAccompanist(spec=_spec("test:fragile", **spec), play=_fragile)


def cost(cost_s: float, spend: Callable[[float], None] = time.sleep, **spec: Any) -> SmallAccompanist:
    """Copies, and spends `cost_s` per step by calling `spend`: pass a virtual clock's advance to test overload."""

    def play(own: Spec, mix: Audio, conditions: Conditions, state: State) -> tuple[Audio, Audio]:
        spend(cost_s)
        return _copy(own, mix, conditions, state)

    return SmallAccompanist(spec=_spec("test:cost", **spec), play=play)


def slow(**spec: Any) -> SmallAccompanist:
    """Copies chunks of four seconds, each of which takes three: a window model on a small machine."""
    return SmallAccompanist(
        spec=_spec("test:slow", **{"chunk_frames": 100, "anticipation_frames": (0, 100)} | spec), play=_slow
    )


def _slow(own: Spec, mix: Audio, conditions: Conditions, state: State) -> tuple[Audio, Audio]:
    time.sleep(3.0)
    return _copy(own, mix, conditions, state)


BY_NAME: Mapping[str, Callable[[], SmallAccompanist]] = {
    "test:copy": copy,
    "test:steerable": steerable,
    "test:silence": silence,
    "test:counter": counter,
    "test:click": click,
    "test:noise": noise,
    "test:style": style,
    "test:fragile": fragile,
    "test:slow": slow,
}
"""The accompanists that `--model` knows by name."""
