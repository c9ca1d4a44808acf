# SPDX-License-Identifier: GPL-3.0-or-later
"""The beat in the room: tapped, or that of an Ableton Link session."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RoomBeat:
    """A steady beat in the room: at `at_s` of the peer's clock it is `quarters` in; a bar begins at quarter 0."""

    bpm: float
    at_s: float
    quarters: float = 0.0
    beats_per_bar: int = 4

    def quarters_at(self, time_s: float) -> float:
        """Quarter notes at a time."""
        return self.quarters + (time_s - self.at_s) * self.bpm / 60.0
