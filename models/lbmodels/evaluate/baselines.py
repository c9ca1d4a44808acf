# SPDX-License-Identifier: GPL-3.0-or-later
"""Accompanists without a network, which any model must beat: silence, repeating the last bar, a tracker with samples.

They hear what a model hears, when it hears it: step n has mix frames up to n and writes frame n + 1 + A.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.conditions import HOST, Conditions
from lbmodels.contract.spec import Spec
from lbmodels.contract.stems import STEMS
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import sampler
from lbmodels.evaluate.causal_ear import MEMORY_S, RATE_HZ, Beat, CausalEar
from lbmodels.evaluate.metrics import Audio, Floats

PREFIX = "baseline:"
HOP = 1920
REPEAT_GAIN = 0.5  # a stem lies some 6 dB below its mix
THINK_STEPS = 12  # the causal ear makes up its mind every 0.48 s
Told = Mapping[str, Floats]


def _spec(name: str) -> Spec:
    return Spec(
        name=PREFIX + name, sample_rate=RATE_HZ, channels=2, hop=HOP, chunk_frames=1, anticipation_frames=(0, 75),
        stems=STEMS, controls=(),
        conditions=HOST,
        context_frames=round(MEMORY_S * RATE_HZ / HOP), parameters=0, recipe="baseline", weights_id="3",
    )  # fmt: skip


class Oracle:
    """What was recorded, as a row of the table: `truth` the stem itself, `random` that of another song.

    It is read from the data set and knows no stream, so it declares its spec and nothing else.
    """

    def __init__(self, kind: str) -> None:
        self.kind, self.spec = kind, _spec(kind)


class RowWise:
    """An accompanist whose rows are players of their own."""

    spec: Spec
    player: type[_Row]

    def init_state(self, seeds: Sequence[int]) -> list[_Row]:
        return [self.player() for _ in seeds]

    def step(
        self, mix: Audio, conditions: Conditions, state: list[_Row], active: NDArray[np.bool_]
    ) -> tuple[Audio, list[_Row]]:
        told = {name: value[:, 0].astype(np.float64) for name, value in conditions.items()}
        told = {name: value[:, 0] if value.shape[1] == 1 else value for name, value in told.items()}
        out = np.zeros_like(mix)
        for row in np.flatnonzero(active):
            out[row] = state[row].play(mix[row], {name: value[row] for name, value in told.items()})
        return out, state


class _Row(ABC):
    """One row of a batch."""

    @abstractmethod
    def play(self, mix: Audio, told: Told) -> Audio:
        """A frame of the stem [2, hop] for one of the mix."""


class _Mute(_Row):
    def play(self, mix: Audio, told: Told) -> Audio:  # noqa: ARG002 (it hears nothing)
        return np.zeros_like(mix)


class _Player(_Row):
    """An ear, and the clock of what it writes."""

    def __init__(self) -> None:
        self.ear = CausalEar()
        self.steps = 0
        self.guess: Beat | None = None

    def play(self, mix: Audio, told: Told) -> Audio:
        self.ear.hear(mix)
        self.steps += 1
        if self.steps % THINK_STEPS == 0:
            self.think()
        # What is written now starts at frame n + 1 + A.
        return self.write(self.steps + int(told["anticipation"]), told)

    @abstractmethod
    def think(self) -> None:
        """Make up one's mind from what the ear has heard; every few frames."""

    @abstractmethod
    def write(self, frame: int, told: Told) -> Audio:
        """Frame number `frame` of the stem, [2, hop]."""


class _Repeater(_Player):
    """The bar heard last, again; the bar's length is kept until it is clearly another, so that the loop runs smoothly."""

    def __init__(self) -> None:
        super().__init__()
        self.bar_samples = 0
        self.last_bar_phase = float("nan")

    def think(self) -> None:
        self._take(self.ear.bar_s())

    def _take(self, bar_s: float | None) -> None:
        if bar_s is not None and bar_s < MEMORY_S / 2:
            samples = round(bar_s * RATE_HZ)
            if abs(samples - self.bar_samples) > 0.004 * samples:
                self.bar_samples = samples

    def _told_bar_s(self, told: Told) -> float | None:
        """Its length from the tempo, and from how far the bar moves on in a frame."""
        moved = float(told["bar_phase"]) - self.last_bar_phase
        self.last_bar_phase = float(told["bar_phase"])
        if not np.isfinite(moved) or moved <= 1e-4:
            return None
        beats_per_frame = float(told["tempo"]) / 60 * HOP / RATE_HZ
        return max(round(beats_per_frame / moved), 1) * 60 / float(told["tempo"])

    def write(self, frame: int, told: Told) -> Audio:
        if np.isfinite(told["bar_phase"]):
            self._take(self._told_bar_s(told))
        if not self.bar_samples:
            return np.zeros((2, HOP), dtype=np.float32)
        behind = frame * HOP + HOP - self.ear.heard_samples  # from the last sample heard to this frame's last
        back = -(-behind // self.bar_samples) * self.bar_samples - behind
        end = self.ear.audio.shape[1] - back
        if end < HOP:
            return np.zeros((2, HOP), dtype=np.float32)
        return REPEAT_GAIN * self.ear.audio[:, end - HOP : end]


class _Sampler(_Player):
    """Hits on the beats, roots and chords on what is told, or else heard."""

    def __init__(self) -> None:
        super().__init__()
        self.tail = np.zeros(round(2.0 * RATE_HZ), dtype=np.float32)
        self.harmony: tuple[int, Floats] | None = None

    def think(self) -> None:
        beat = self.ear.beat()
        if beat is not None:
            self.guess = beat
        self.harmony = self.ear.chord() or self.harmony

    def write(self, frame: int, told: Told) -> Audio:
        start_s = frame * HOP / RATE_HZ
        if np.isfinite(told["beat_phase"]):
            period, phase = 60 / float(told["tempo"]), float(told["beat_phase"])
            beat_in_bar = int(np.nan_to_num(told["bar_phase"]) * 4 + 1e-6)
            self._frame(period, phase, beat_in_bar, told)
        elif self.guess is not None:
            count = int(np.floor((start_s - self.guess.anchor_s) / self.guess.period_s))
            self._frame(self.guess.period_s, self.guess.phase(start_s), count % 4, told)
        out = np.tile(self.tail[:HOP], (2, 1))
        self.tail = np.concatenate((self.tail[HOP:], np.zeros(HOP, dtype=np.float32)))
        return out

    def _frame(self, period_s: float, phase: float, beat_in_bar: int, told: Told) -> None:
        """Start what begins in this frame: a beat, or the half between two."""
        for half in (0.5, 1.0):
            at = round((half - phase) * period_s * RATE_HZ)
            if 0 <= at < HOP:
                self._start(at, beat_in_bar + (half == 1.0), half == 1.0, period_s, told)
        if phase == 0:
            self._start(0, beat_in_bar, True, period_s, told)

    def _start(self, at: int, beat: int, on_beat: bool, period_s: float, told: Told) -> None:
        stem = _spec("sampler").stems[int(told["stem"])]
        if stem == "drums":
            self._add(at, sampler.drum("hat"))
            if on_beat:
                self._add(at, sampler.drum("kick" if beat % 2 == 0 else "snare"))
            return
        if not on_beat:
            return
        root, tones = self._chord(told)
        if root is None:
            return
        if stem == "bass":
            self._add(at, sampler.bass(root, 0.9 * period_s))
        else:
            self._add(at, sampler.chord(tones, 0.8 * period_s, low=60 if stem == "piano" else 52))

    def _chord(self, told: Told) -> tuple[int | None, Floats]:
        tones = told["chord"]
        if np.isfinite(tones).all():
            if not tones.any():
                return None, tones
            bass = told["chord_bass"]
            return int(bass) if np.isfinite(bass) else int(np.argmax(tones)), tones
        return self.harmony if self.harmony is not None else (None, np.zeros(12))

    def _add(self, at: int, sound: Audio) -> None:
        count = min(len(sound), len(self.tail) - at)
        self.tail[at : at + count] += sound[:count]


class Silence(RowWise):
    """Plays nothing."""

    spec = _spec("silence")
    player = _Mute


class Repeat(RowWise):
    """Repeats the last bar of the heard mix, 6 dB down; silent until a bar is known."""

    spec = _spec("repeat")
    player = _Repeater


class Sampler(RowWise):
    """A beat and chord tracker that drives a simple sampler."""

    spec = _spec("sampler")
    player = _Sampler


NAMES = ("silence", "repeat", "sampler", "random", "truth")


def open_baseline(name: str) -> Oracle | RowWise:
    """A baseline by its name, with or without `baseline:` before it.

    Raises:
        LiveBandModelError: there is no such.
    """
    kind = name.removeprefix(PREFIX)
    if kind not in NAMES:
        raise LiveBandModelError(f"unknown baseline {kind!r}; there are: {', '.join(NAMES)}")
    if kind in ("random", "truth"):
        return Oracle(kind)
    players: dict[str, type[RowWise]] = {"silence": Silence, "repeat": Repeat, "sampler": Sampler}
    return players[kind]()
