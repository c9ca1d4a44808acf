# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the sessions of one worker: which of them are due, one batched step for them, and where the results go.

A step is begun, computed and finished apart, and the time of each is an argument: a worker passes its clock, a
simulation a virtual one. Sessions that share a bank share a batch; a bank of one is played alone, so its bits
depend on no other session at all.

Live sessions come first: a render waits anyway, so its steps are computed where they make no live frame late. What goes
wrong with one session ends that session.
"""

import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from dataclasses import replace as with_fields
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist, Audio
from lbmodels.contract.conditions import table
from lbmodels.contract.quality import Pace, after_step, wished
from lbmodels.contract.stems import STEMS
from lbserver.engine.lane import Lane
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.shell import Shell
from lbserver.engine.stream import stem_seed
from lbserver.errors import LiveBandError
from lbserver.protocol.controls import BY_NAME, TRIGGERS
from lbserver.ring.ends import CorruptSegmentError, WorkerPort

_COSTS = 5  # steps whose median is what the next is expected to take
_MARGIN_S = 0.003  # kept free when a due frame waits: for other sessions, or for a render's step to end
_STARVED_S = 3.0  # a render that had no step for so long gets one: it is slow beside a full stage, not dead
_IDLE: Mapping[str, float] = {"stem": 0.0, "anticipation": 0.0, "variation": 0.0}


class _Bank:
    """Sessions that are stepped together, either live ones or renders; row i of `state` is sessions[i]'s.

    `own`: of one session, and no other is put into it.
    """

    def __init__(self, accompanist: Accompanist, *, own: bool, offline: bool) -> None:
        self.accompanist = accompanist
        self.own, self.offline = own, offline
        self.since_s = inf  # since when a render waits for its next step; infinite if none is due
        self.sessions: list[LiveSession] = []
        self.state: Any = None
        self.pace: Pace | None = None  # None: it has no choice, or all the time there is
        self._costs_s: deque[float] = deque(maxlen=_COSTS)

    @property
    def cost_s(self) -> float:
        """What the next step is expected to take: one slow step changes nothing, one quick step all."""
        return (
            min(self._costs_s[-1], sorted(self._costs_s)[len(self._costs_s) // 2]) if self._costs_s else 0.0
        )

    def note_cost(self, step_s: float) -> None:
        self._costs_s.append(step_s)

    def add(self, session: LiveSession, row: Any) -> None:
        self.state = row if not self.sessions else self.accompanist.join([self.state, row])
        self.sessions.append(session)

    def remove(self, session: LiveSession) -> None:
        at = self.sessions.index(session)
        rows = [self.row(index) for index in range(len(self.sessions)) if index != at]
        self.sessions.pop(at)
        self.state = self.accompanist.join(rows) if rows else None

    def row(self, index: int) -> Any:
        return self.accompanist.row(self.state, index)

    def replace(self, index: int, row: Any) -> None:
        rows = [row if at == index else self.row(at) for at in range(len(self.sessions))]
        self.state = rows[0] if len(rows) == 1 else self.accompanist.join(rows)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A step that was begun: which rows of a bank are active, what they hear and know."""

    bank: "_Bank"
    sessions: tuple[LiveSession, ...]
    lanes: tuple[Lane, ...]
    active: NDArray[np.bool_]
    mix: Audio
    conditions: Mapping[str, NDArray[np.float32]]
    begun_s: float


class Player:
    """All sessions of a worker. `alone` plays every session in a bank of its own."""

    def __init__(self, accompanist: Accompanist, *, alone: bool = False) -> None:
        self.accompanist = Shell(accompanist)
        self.sessions: dict[str, LiveSession] = {}
        self._alone = alone
        self._banks: list[_Bank] = []
        self._failed: dict[str, tuple[str, str]] = {}

    def open(
        self, setup: Setup, port: WorkerPort, *, snapshot: bytes | None = None, suspect: bool = False
    ) -> LiveSession:
        """Begin to play a session; a `suspect`, whose worker died, gets a bank of its own.

        Raises LiveBandError: the snapshot is not of this model, or not of one session.
        """
        if setup.session in self.sessions:
            raise LiveBandError(f"session {setup.session!r} is open already")
        row = self._fresh(setup) if snapshot is None else self._restored(snapshot)
        session = LiveSession(setup, self.accompanist.spec, port)
        self._seat(session, row, own=self._alone or suspect)
        self.sessions[setup.session] = session
        return session

    def close(self, name: str) -> None:
        """Forget a session; its segment is its owner's to close."""
        session = self.sessions.pop(name)
        self._failed.pop(name, None)
        self._unseat(session)

    def replace(self, setup: Setup, port: WorkerPort) -> LiveSession:
        """Give a session a new segment and timing; its musical memory, controls and knowledge stay."""
        old = self.sessions[setup.session]
        bank = self._bank_of(old)
        with suppress(CorruptSegmentError):  # it goes anyway
            old.settle()
        # The seed too may have been set since it was opened.
        new = LiveSession(with_fields(setup, seed=old.setup.seed), self.accompanist.spec, port)
        new.told = old.told
        for name, value in old.wishes.items():
            if BY_NAME[name].acts != "epoch" and name not in (
                "seed",
                *TRIGGERS,
            ):  # a new epoch brings its own
                new.set_control(name, value)
        new.wants_fresh_state = old.wants_fresh_state
        bank.sessions[bank.sessions.index(old)] = new
        self.sessions[setup.session] = new
        return new

    def trust(self, name: str) -> None:
        """A suspect no more: it is stepped together with the others again. Its music does not notice."""
        session = self.sessions[name]
        if not self._alone and self._bank_of(session).own:
            self._seat(session, self._unseat(session), own=False)

    def snapshot(self, name: str) -> bytes:
        """The musical memory of a session."""
        session = self.sessions[name]
        bank = self._bank_of(session)
        return self.accompanist.snapshot(bank.row(bank.sessions.index(session)))

    def restore(self, name: str, snapshot: bytes) -> None:
        """Go on from a snapshot, at the position the session is at. Raises LiveBandError."""
        session = self.sessions[name]
        bank = self._bank_of(session)
        bank.replace(bank.sessions.index(session), self._restored(snapshot))
        session.wants_fresh_state = False  # it was wanted of what is gone

    def listen(self, now_s: float) -> list[tuple[str, str, str]]:
        """Look at every ring. Returns (session, code, reason) of those that must end: `bad_message` for a corrupt ring,
        `internal` for a fault of ours.
        """
        for session in self.sessions.values():
            with self._its_own_fault(session):
                session.listen(now_s)
        return [(name, *why) for name, why in self._failed.items()]

    def begin(self, now_s: float) -> Batch | None:
        """The next step to compute, or None: nothing is due, or it pays to wait for more sessions to be."""
        self._sort()
        for bank in self._banks:
            waits = bank.offline and any(map(self._is_due, bank.sessions))
            bank.since_s = min(bank.since_s, now_s) if waits else inf
        urgent: tuple[float, _Bank] | None = None
        for bank in self._banks:
            if bank.offline:
                continue
            for session in bank.sessions:
                with self._its_own_fault(session):
                    session.catch_up(now_s, bank.cost_s)
            due = [session for session in bank.sessions if self._is_due(session)]
            if due and not self._waits(bank, due, now_s):
                slack_s = min(session.slack_s(now_s) for session in due)
                if urgent is None or slack_s < urgent[0]:
                    urgent = slack_s, bank
        chosen = self._next_render(now_s) if urgent is None else urgent[1]
        return None if chosen is None else self._batch(chosen, now_s)

    def compute(self, batch: Batch) -> Audio:
        """The stems [B, C, k*H] of a batch; the bank's state goes on."""
        stems, batch.bank.state = self.accompanist.step(
            batch.mix, batch.conditions, batch.bank.state, batch.active
        )
        return stems

    def finish(self, batch: Batch, stems: Audio, now_s: float) -> None:
        """Put a batch's stems into the rings."""
        bank, step_s = batch.bank, now_s - batch.begun_s
        bank.note_cost(step_s)
        if bank.pace is not None:
            bank.pace = after_step(bank.pace, step_s, batch.sessions[0].frame_s)
        beats, chords = self.accompanist.heard_beat(bank.state), self.accompanist.heard_chord(bank.state)
        for row, session in enumerate(batch.sessions):
            if not batch.active[row] or session.lane is not batch.lanes[row]:
                continue  # an epoch that began meanwhile must not hear what was played for the old one
            if not np.isfinite(stems[row]).all():
                # One poisoned memory would sound for ever: it starts anew, the frame is silent.
                session.faults += 1
                session.wants_fresh_state = True
            session.heard_beat, session.heard_chord = beats[row, 0], chords[row]
            with self._its_own_fault(session):
                session.land(stems[row], now_s, step_s)
            if session.wants_fresh_state:
                session.wants_fresh_state = False
                bank.replace(row, self._fresh_now(session))

    def _fresh(self, setup: Setup) -> Any:
        stem = STEMS[int(setup.controls[0])]
        return self.accompanist.init_state([stem_seed(setup.seed, stem)])

    def _fresh_now(self, session: LiveSession) -> Any:
        """Of the stem that is played now, which need not be the one that it was opened with."""
        stem = STEMS[int(session.controls["stem"])]
        return self.accompanist.init_state([stem_seed(session.setup.seed, stem)])

    def _restored(self, snapshot: bytes) -> Any:
        row = self.accompanist.restore(snapshot)
        rows = len(self.accompanist.heard_beat(row))
        if rows != 1:  # more would be played as a neighbour's
            raise LiveBandError(f"a session is gone on from the memory of one, and these bytes hold {rows}")
        return row

    def _bank_of(self, session: LiveSession) -> _Bank:
        return next(bank for bank in self._banks if session in bank.sessions)

    def _seat(self, session: LiveSession, row: Any, *, own: bool) -> None:
        """Put a session with those of its kind, or by itself."""
        alike = (bank for bank in self._banks if not bank.own and bank.offline == session.offline)
        bank = None if own else next(alike, None)
        if bank is None:
            bank = _Bank(self.accompanist, own=own, offline=session.offline)
            self._banks.append(bank)
        bank.add(session, row)

    def _unseat(self, session: LiveSession) -> Any:
        """Take a session from its bank; returns its row."""
        bank = self._bank_of(session)
        row = bank.row(bank.sessions.index(session))
        bank.remove(session)
        if not bank.sessions:
            self._banks.remove(bank)
        return row

    def _sort(self) -> None:
        """Sessions that have become renders, or live again, go to their like. Their music does not notice."""
        for bank in list(self._banks):
            if bank.own:
                bank.offline = bank.sessions[0].offline
                continue
            for session in [one for one in bank.sessions if one.due and one.offline != bank.offline]:
                self._seat(session, self._unseat(session), own=False)

    def _is_due(self, session: LiveSession) -> bool:
        return session.due and session.setup.session not in self._failed

    @contextmanager
    def _its_own_fault(self, session: LiveSession) -> Iterator[None]:
        """What goes wrong with a session ends it, told by `listen`, and no other."""
        try:
            yield
        except CorruptSegmentError as error:
            self._failed[session.setup.session] = "bad_message", str(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, the others play on)
            traceback.print_exc()
            reason = f"a fault of the server: {type(error).__name__}: {error}"
            self._failed[session.setup.session] = "internal", reason

    def _next_render(self, now_s: float) -> _Bank | None:
        """Renders, in turn, if there is room for a step of theirs, or none of them had one for long."""
        waiting = [bank for bank in self._banks if bank.since_s < inf]
        if not waiting:
            return None
        bank = min(waiting, key=lambda one: one.since_s)
        cost_s = bank.cost_s or max(other.cost_s for other in self._banks)
        starved = now_s - bank.since_s > _STARVED_S
        return bank if starved or self._is_room(cost_s, now_s) else None

    def _is_room(self, cost_s: float, now_s: float) -> bool:
        """Whether a step that begins now and takes so long makes no live session's next frame late.

        Frames are played in the order they are needed in; those of a bank that are whole when the step ends share one.
        """
        steps: list[tuple[float, float, float]] = []
        for bank in self._banks:
            if bank.offline:
                continue
            due_s = {one: one.due_in_s(now_s) for one in bank.sessions if not one.silent}
            soon = [one for one, in_s in due_s.items() if in_s <= cost_s]
            later = [one for one, in_s in due_s.items() if cost_s < in_s < inf]
            for group in filter(None, (soon, later)):
                slack_s = min(one.slack_s(now_s) for one in group)
                steps.append((slack_s, min(due_s[one] for one in group), bank.cost_s))
        at_s = cost_s
        for slack_s, due_in_s, step_s in sorted(steps):
            at_s = max(at_s, due_in_s) + step_s
            if at_s + _MARGIN_S > slack_s:
                return False
        return True

    def _waits(self, bank: _Bank, due: list[LiveSession], now_s: float) -> bool:
        """Whether another session will be due while all that are can still wait."""
        if len(due) == len(bank.sessions):
            return False
        soonest = min(session.due_in_s(now_s) for session in bank.sessions if session not in due)
        spare_s = min(session.slack_s(now_s) for session in due) - 1.5 * bank.cost_s - _MARGIN_S
        longest = max(session.queue_age_s(now_s) for session in due)
        return soonest < spare_s and longest < bank.sessions[0].frame_s / 2

    def _batch(self, bank: _Bank, now_s: float) -> Batch:
        spec, rows = self.accompanist.spec, len(bank.sessions)
        bank.since_s = now_s
        active = np.zeros(rows, np.bool_)
        mix = np.zeros((rows, spec.channels, spec.hop * spec.chunk_frames), np.float32)
        conditions = [table(_IDLE, [{}] * spec.chunk_frames, 1)] * rows
        heard = self.accompanist.heard_beat(bank.state)
        for row, session in enumerate(bank.sessions):
            if not self._is_due(session):
                continue
            with self._its_own_fault(session):
                conditions[row] = table({}, session.conditions(heard[row]), 1)
                # Before the step that the reset is for: a render begins as a bounce does, with its first frame.
                if session.wants_fresh_state:
                    session.wants_fresh_state = False
                    bank.replace(row, self._fresh_now(session))
                mix[row] = session.take_mix()
                active[row] = True
        _afford(bank, active, conditions)
        return Batch(
            bank=bank,
            sessions=tuple(bank.sessions),
            lanes=tuple(session.lane for session in bank.sessions),
            active=active,
            mix=mix,
            conditions={name: np.concatenate([one[name] for one in conditions]) for name in conditions[0]},
            begun_s=now_s,
        )


def _afford(bank: _Bank, active: NDArray[np.bool_], conditions: list[dict[str, Audio]]) -> None:
    """Lower the quality that sessions wish for to what the bank has time for; a render gets what it asks for."""
    if all(control.name != "quality" for control in bank.accompanist.spec.controls):
        return
    rows = np.flatnonzero(active)
    wishes = {row: int(conditions[row]["quality"][0, 0, 0]) for row in rows}
    if rows.size and not bank.offline:
        bank.pace = wished(max(wishes.values()), bank.pace)
    elif bank.offline:
        bank.pace = None
    for row, wish in wishes.items():
        used = wish if bank.pace is None else min(wish, bank.pace.used)
        conditions[row]["quality"][:] = used
        bank.sessions[row].quality = 1 + used
