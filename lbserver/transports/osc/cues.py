# SPDX-License-Identifier: GPL-3.0-or-later
"""Beats and bars as plain messages when they begin, for whoever asks: code on a stage follows the band by them. Pure."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from math import isnan

from lbserver.transports.osc.addresses import compose
from lbserver.transports.osc.doorway import Source
from lbserver.transports.osc.packet import Message
from lbserver.transports.osc.watches import Watches


@dataclass
class Bars:
    """One session's beats as they pass: `beat` is the place in the bar that was seen last, from 1, NaN if none was."""

    beat: float = float("nan")
    bar: int = 0

    def passed(self, beat: float) -> list[tuple[str, int]]:
        """What has begun since: ("bar", counted from 1), ("beat", its number in the bar), each that passed meanwhile. A step
        back, or what is not known, is no beat.
        """
        before, fresh = self.beat, isnan(self.beat)
        if not beat >= 1.0 or (not fresh and -0.5 <= beat - before <= 0.0):
            return []
        self.beat = beat
        began = []
        first = int(beat) if fresh else int(before) + 1
        if fresh or beat < before:
            self.bar += 1
            began.append(("bar", self.bar))
            first = int(beat) if fresh else 1
        return began + [("beat", number) for number in range(first, int(beat) + 1)]


@dataclass
class Cues(Watches):
    """Who asked for the cues of which sessions."""

    _bars: dict[str, Bars] = field(default_factory=dict)

    def due(self, beats: Mapping[str, float]) -> Iterator[tuple[Source, str, Message]]:
        """Whom to tell of which session what, once `beats` is the place in the bar of each."""
        for session, beat in beats.items():
            for name, number in self._bars.setdefault(session, Bars()).passed(beat):
                one = compose(f"/lb/<session>/cue/{name}", number, session=session)
                yield from (
                    (source, session, one) for source, names in self.asked.items() if session in names
                )

    @property
    def sessions(self) -> Set[str]:
        """Those that somebody follows."""
        return set().union(*self.asked.values())

    def keep_house(self, sees: Callable[[Source, str], bool]) -> None:
        super().keep_house(sees)
        followed = self.sessions
        self._bars = {name: bars for name, bars in self._bars.items() if name in followed}
