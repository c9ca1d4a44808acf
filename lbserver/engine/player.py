# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays the sessions of one worker: which of them are due, one batched step for them, and where the results go.

A step is begun, computed and finished apart, and the time of each is an argument: a worker passes its clock, a
simulation a virtual one. Sessions that share a bank share a batch; a bank of one is played alone, so its bits
depend on no other session at all.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbserver.accompanist import Accompanist, Audio
from lbserver.engine.lane import Lane
from lbserver.engine.live import LiveSession, Setup
from lbserver.engine.stream import batch_conditions, stem_seed
from lbserver.errors import LiveBandError
from lbserver.ports import CorruptSegmentError, WorkerPort
from lbserver.protocol.controls import STEMS

_COSTS = 5  # steps whose median is what the next is expected to take
_GATHER_MARGIN_S = 0.003  # kept free when waiting for other sessions to become due


class _Bank:
    """Sessions that are stepped together; row i of `state` is sessions[i]'s."""

    def __init__(self, accompanist: Accompanist, *, suspect: bool = False) -> None:
        self.accompanist = accompanist
        self.suspect = suspect  # of one session, and no other is put into it
        self.sessions: list[LiveSession] = []
        self.state: Any = None
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
        self.accompanist = accompanist
        self.sessions: dict[str, LiveSession] = {}
        self._alone = alone
        self._banks: list[_Bank] = []

    def open(
        self, setup: Setup, port: WorkerPort, *, snapshot: bytes | None = None, suspect: bool = False
    ) -> LiveSession:
        """Begin to play a session; a `suspect`, whose worker died, gets a bank of its own.

        Raises LiveBandError: the snapshot is not of this model.
        """
        if setup.session in self.sessions:
            raise LiveBandError(f"session {setup.session!r} is open already")
        row = self._fresh(setup) if snapshot is None else self.accompanist.restore(snapshot)
        session = LiveSession(setup, self.accompanist.spec, port)
        shared = (bank for bank in self._banks if not bank.suspect)
        bank = None if self._alone or suspect else next(shared, None)
        if bank is None:
            bank = _Bank(self.accompanist, suspect=suspect)
            # Banks of suspects go last: `next` above finds the shared one first.
            self._banks.append(bank) if self._alone or suspect else self._banks.insert(0, bank)
        bank.add(session, row)
        self.sessions[setup.session] = session
        return session

    def close(self, name: str) -> None:
        """Forget a session; its segment is its owner's to close."""
        session = self.sessions.pop(name)
        bank = self._bank_of(session)
        bank.remove(session)
        if not bank.sessions:
            self._banks.remove(bank)

    def replace(self, setup: Setup, port: WorkerPort) -> LiveSession:
        """Give a session a new segment and timing; its musical memory, controls and knowledge stay."""
        old = self.sessions[setup.session]
        bank = self._bank_of(old)
        with suppress(CorruptSegmentError):  # it goes anyway
            old.settle()
        # The seed too may have been set since it was opened.
        new = LiveSession(with_fields(setup, seed=old.setup.seed), self.accompanist.spec, port)
        new.told = old.told
        for name, value in old.controls.items():
            if name not in ("seed", "reset"):
                new.set_control(name, value)
        new.wants_fresh_state = old.wants_fresh_state
        bank.sessions[bank.sessions.index(old)] = new
        self.sessions[setup.session] = new
        return new

    def trust(self, name: str) -> None:
        """A suspect no more: it is stepped together with the others again. Its music does not notice."""
        session = self.sessions[name]
        bank = self._bank_of(session)
        if self._alone or not bank.suspect:
            return
        if all(other.suspect for other in self._banks):
            bank.suspect = False
            self._banks.remove(bank)
            self._banks.insert(0, bank)
            return
        row = bank.row(bank.sessions.index(session))
        self._banks.remove(bank)
        next(other for other in self._banks if not other.suspect).add(session, row)

    def snapshot(self, name: str) -> bytes:
        """The musical memory of a session."""
        session = self.sessions[name]
        bank = self._bank_of(session)
        return self.accompanist.snapshot(bank.row(bank.sessions.index(session)))

    def restore(self, name: str, snapshot: bytes) -> None:
        """Go on from a snapshot, at the position the session is at. Raises LiveBandError."""
        session = self.sessions[name]
        bank = self._bank_of(session)
        bank.replace(bank.sessions.index(session), self.accompanist.restore(snapshot))
        session.wants_fresh_state = False  # it was wanted of what is gone

    def listen(self, now_s: float) -> list[tuple[str, str]]:
        """Look at every ring. Returns (session, reason) of those that must end because theirs is corrupt."""
        corrupt = []
        for name, session in self.sessions.items():
            try:
                session.listen(now_s)
            except CorruptSegmentError as error:
                corrupt.append((name, str(error)))
        return corrupt

    def begin(self, now_s: float) -> Batch | None:
        """The next step to compute, or None: nothing is due, or it pays to wait for more sessions to be."""
        urgent: tuple[float, _Bank] | None = None
        for bank in self._banks:
            for session in bank.sessions:
                session.catch_up(now_s, bank.cost_s)
            due = [session for session in bank.sessions if session.due]
            if due and not self._waits(bank, due, now_s):
                slack_s = min(session.slack_s(now_s) for session in due)
                if urgent is None or slack_s < urgent[0]:
                    urgent = slack_s, bank
        return None if urgent is None else self._batch(urgent[1], now_s)

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
        for row, session in enumerate(batch.sessions):
            if not batch.active[row] or session.lane is not batch.lanes[row]:
                continue  # an epoch that began meanwhile must not hear what was played for the old one
            if not np.isfinite(stems[row]).all():
                # One poisoned memory would sound for ever: it starts anew, the frame is silent.
                session.faults += 1
                session.wants_fresh_state = True
            session.land(stems[row], now_s, step_s)
            if session.wants_fresh_state:
                session.wants_fresh_state = False
                bank.replace(row, self._fresh_now(session))

    @property
    def idle(self) -> bool:
        """Whether no session can become due within a tenth of a second."""
        return not self.sessions

    def _fresh(self, setup: Setup) -> Any:
        stem = STEMS[int(setup.controls[0])]
        return self.accompanist.init_state([stem_seed(setup.seed, stem)])

    def _fresh_now(self, session: LiveSession) -> Any:
        """Of the stem that is played now, which need not be the one that it was opened with."""
        stem = STEMS[int(session.controls["stem"])]
        return self.accompanist.init_state([stem_seed(session.setup.seed, stem)])

    def _bank_of(self, session: LiveSession) -> _Bank:
        return next(bank for bank in self._banks if session in bank.sessions)

    def _waits(self, bank: _Bank, due: list[LiveSession], now_s: float) -> bool:
        """Whether another session will be due while all that are can still wait."""
        if len(due) == len(bank.sessions) or any(session.offline for session in due):
            return False
        soonest = min(session.due_in_s(now_s) for session in bank.sessions if not session.due)
        spare_s = min(session.slack_s(now_s) for session in due) - 1.5 * bank.cost_s - _GATHER_MARGIN_S
        longest = max(session.queue_age_s(now_s) for session in due)
        return soonest < spare_s and longest < bank.sessions[0].frame_s / 2

    def _batch(self, bank: _Bank, now_s: float) -> Batch:
        spec, rows = self.accompanist.spec, len(bank.sessions)
        active = np.array([session.due for session in bank.sessions])
        mix = np.zeros((rows, spec.channels, spec.hop * spec.chunk_frames), np.float32)
        known = []
        for row, session in enumerate(bank.sessions):
            if active[row]:
                known.append(session.conditions())
                # Before the step that the reset is for: a render begins as a bounce does, with its first frame.
                if session.wants_fresh_state:
                    session.wants_fresh_state = False
                    bank.replace(row, self._fresh_now(session))
                mix[row] = session.take_mix()
            else:
                known.append({"stem": 0.0, "anticipation": 0.0, "variation": 0.0})
        conditions = [batch_conditions(frame, {}, 1) for frame in known]
        return Batch(
            bank=bank,
            sessions=tuple(bank.sessions),
            lanes=tuple(session.lane for session in bank.sessions),
            active=active,
            mix=mix,
            conditions={name: np.concatenate([one[name] for one in conditions]) for name in conditions[0]},
            begun_s=now_s,
        )
