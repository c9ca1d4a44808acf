# SPDX-License-Identifier: GPL-3.0-or-later
"""Any accompanist as that system's server: hears up to a cursor, and gives the stems of a stretch that may lie ahead of it.

The way of the audio is the lane that all sessions take. Writing w r T ahead asks for an anticipation of (w + 1) r T and the
resamplers' delay. Another anticipation goes on where the stem ends that is there, from a state kept a little before if need be:
no more is heard again than that takes. Another choice of stems begins anew and hears the last T again.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np

from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import table
from lbmodels.contract.quality import Pace, after_step, wished
from lbserver.engine.lane import Lane, grid_of, resampling_samples
from lbserver.engine.shell import Shell, State, accompanies, shell_conditions
from lbserver.engine.stream import stem_seed
from lbserver.transports.rtap.batches import RATE_HZ, WINDOW_SAMPLES, Recording
from lbserver.transports.rtap.packets import Floats

STEMS = ("bass", "drums", "guitar", "piano")
"""In the order of the flags of /predict_instruments; a model's other stems follow."""
_KEPT_EVERY_S = 0.6
_BLEND = round(0.01 * RATE_HZ)
"""Samples in which what was played at one anticipation goes over into what is played at another."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one prediction is asked for: stems over [start, end), with the mix heard before `cursor`; positions in samples."""

    take: int
    """Which take it is of: another one begins from silence."""
    cursor: int
    start: int
    end: int
    ahead_samples: int
    stems: tuple[str, ...]
    mix: Floats
    """The mix of the last T before `cursor`."""


class Band:
    """One listener's accompanist and where its take has come to. Used by one thread."""

    def __init__(self, accompanist: Accompanist, *, seed: int = 0) -> None:
        self.spec = accompanist.spec
        self._accompanist, self._shell = accompanist, Shell(accompanist)
        self._seed = seed
        self._grid = grid_of(self.spec, RATE_HZ)
        self.takes = 0
        """How often it began anew: audio of two takes does not run on from one to the other."""
        self._lane: Lane | None = None
        self._key: tuple[object, ...] = ()
        self._kept: dict[int, bytes] = {}
        """States of the last T before steps of the lane's, by their numbers."""
        self._joint = 0
        """Where the audio of this lane takes over from the one before; it begins earlier."""
        self._whole_from = 0
        """The audio that is there has no hole from here on: a client that jumps ahead leaves one."""
        self._offset = 0
        self._state: State
        self._stopped = False
        usual = [control.default for control in self.spec.controls if control.name == "quality"]
        self.pace: Pace | None = wished(int(usual[0])) if usual else None
        """None: the model has one quality alone."""
        self._stems: tuple[Recording, ...] = ()

    def stem_names(self) -> tuple[str, ...]:
        """By the flags of /predict_instruments."""
        return (*STEMS, *(stem for stem in self.spec.stems if stem not in STEMS))

    def anticipation_frames(self, ahead_samples: int) -> int:
        """Frames that the model must write ahead so that `ahead_samples` after a cursor are there when it is heard."""
        samples = ahead_samples + resampling_samples(self.spec, RATE_HZ)
        return max(
            self.spec.anticipation_frames[0], ceil(samples * self.spec.sample_rate / RATE_HZ / self.spec.hop)
        )

    def keep_pace(self, took_s: float, budget_s: float) -> str:
        """Be told how long a task took of the time that there is; the quality from now on, "" if the model has one alone."""
        if self.pace is None:
            return ""
        self.pace = after_step(self.pace, took_s, budget_s)
        return self.pace.name

    def stop(self) -> None:
        """From whatever thread: what is being played ends with the next chunk of the model's; nothing is played after it."""
        self._stopped = True

    def play(self, task: Task) -> dict[str, Floats]:
        """Each stem's samples [start, end), mono."""
        frames = self.anticipation_frames(task.ahead_samples)
        key = (task.take, task.stems)
        lane = self._lane if self._key == key else None
        if lane is not None and lane.anticipation_frames != frames:
            lane = self._turned(lane, task, frames)
        if lane is None or not self._follows(task, lane):
            lane = self._begin(task, frames)
        self._key, self._lane = key, lane
        new = task.cursor - self._offset - lane.heard
        lane.hear(np.repeat(task.mix[len(task.mix) - new :][None], self.spec.channels, axis=0))
        self._run(lane, task.stems, frames)
        return {
            stem: recording.get(task.start, task.end)
            for stem, recording in zip(task.stems, self._stems, strict=True)
        }

    def _follows(self, task: Task, lane: Lane) -> bool:
        return 0 <= task.cursor - self._offset - lane.heard <= len(task.mix)

    def _turned(self, before: Lane, task: Task, frames: int) -> Lane | None:
        """A lane of another anticipation, from the latest state from which it leaves nothing out; None: there is none."""
        self._kept[before.steps] = self._shell.snapshot(self._state)
        joint, end = task.start, max(self._offset + before.stem.end, self._joint)
        if task.start >= self._whole_from:
            joint = max(joint, end)
        frame = self.spec.hop * RATE_HZ / self.spec.sample_rate
        first = (joint - self._offset) / frame - 1  # a lane that begins rises for less than a frame
        steps = [n for n in self._kept if (n + 1) * self.spec.chunk_frames + frames <= first]
        if not steps:
            return None
        step = max(steps)
        self._state = self._shell.restore(self._kept[step])
        self._kept = {n: state for n, state in self._kept.items() if n <= step}
        self._whole_from = self._whole_from if joint == end else joint
        self._joint = joint
        return Lane(self.spec, self._grid, frames, rows=len(task.stems), first_step=step)

    def _begin(self, task: Task, frames: int) -> Lane:
        self.takes += 1
        self._offset = max(0, task.cursor - len(task.mix))
        self._kept, self._joint = {}, 0
        self._whole_from = task.start if self._offset else 0
        self._state = self._shell.init_state([stem_seed(self._seed, stem) for stem in task.stems])
        length = 2 * WINDOW_SAMPLES
        self._stems = tuple(Recording(length) for _ in task.stems)
        return Lane(self.spec, self._grid, frames, rows=len(task.stems))

    def _keep(self, step: int) -> None:
        chunk_s = self.spec.chunk_frames * self.spec.hop / self.spec.sample_rate
        if not self._kept or step - max(self._kept) >= _KEPT_EVERY_S / chunk_s:
            reach = WINDOW_SAMPLES / RATE_HZ / chunk_s
            self._kept = {n: state for n, state in self._kept.items() if step - n <= reach}
            self._kept[step] = self._shell.snapshot(self._state)

    def _run(self, lane: Lane, stems: tuple[str, ...], frames: int) -> None:
        rows = len(stems)
        always: dict[str, float | Floats] = {
            "stem": np.array([self.spec.stems.index(stem) for stem in stems], np.float32),
            "anticipation": float(frames),
            "variation": 1.0,
            **({} if self.pace is None else {"quality": float(self.pace.used)}),
            **shell_conditions({}, live=accompanies(self.spec)),
        }
        active = np.ones(rows, np.bool_)
        nothing: list[dict[str, float]] = [{} for _ in range(self.spec.chunk_frames)]
        while lane.waiting > 0 and not self._stopped:
            self._keep(lane.steps)
            mix = np.repeat(lane.take_mix()[None], rows, axis=0)
            stem, self._state = self._shell.step(mix, table(always, nothing, rows), self._state, active)
            lane.play(stem.reshape(rows * self.spec.channels, -1))
        first = self._offset + lane.stem.start
        audio = lane.stem.take(lane.stem.length).reshape(rows, self.spec.channels, -1).mean(axis=1)
        for row, recording in zip(audio, self._stems, strict=True):
            _put(recording, first, row, self._joint)


def _put(recording: Recording, first: int, audio: Floats, joint: int) -> None:
    """Audio from position `first` on, over what is there: from `joint` on, and by equal power shortly before it."""
    begin = joint - _BLEND
    audio, first = audio[max(0, begin - first) :], max(begin, first)
    blended = min(len(audio), max(0, joint - first))
    if blended:
        angle = (np.arange(first - begin, first - begin + blended) + 0.5) / _BLEND * (np.pi / 2)
        there = recording.get(first, first + blended)
        mixed = there * np.cos(angle) + audio[:blended] * np.sin(angle)
        audio = np.concatenate([mixed.astype(np.float32), audio[blended:]])
    if len(audio):
        recording.put(first, audio)
