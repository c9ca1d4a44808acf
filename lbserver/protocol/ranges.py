# SPDX-License-Identifier: GPL-3.0-or-later
"""What a number may be: one table for the command line, every protocol and the models. Controls are in it by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from lbserver.protocol.controls import CONTROLS


@dataclass(frozen=True, kw_only=True)
class Range:
    """Least and most of a number, both accepted. `whole`: an integer."""

    minimum: float
    maximum: float
    unit: str = ""
    whole: bool = False

    def __str__(self) -> str:
        return f"{number(self.minimum)} to {number(self.maximum)} {self.unit}".rstrip()


RANGES: Mapping[str, Range] = {
    "bpm": Range(minimum=20, maximum=400, unit="bpm"),
    "first_beat_s": Range(minimum=-1e6, maximum=1e9, unit="s"),
    "beats_per_bar": Range(minimum=1, maximum=16, whole=True),
    "glide": Range(minimum=0, maximum=60, unit="s"),
    **{
        control.name: Range(
            minimum=control.minimum,
            maximum=control.maximum,
            unit=control.unit,
            whole=control.kind == "int",
        )
        for control in CONTROLS
        if control.kind in ("float", "int")
    },
}
"""What a host tells of the music, and every control that is a number."""

OPTIONS: Mapping[str, Range] = {
    "workers": Range(minimum=1, maximum=64, whole=True),
    "sessions": Range(minimum=1, maximum=4096, whole=True),
    "sessions_per_peer": Range(minimum=1, maximum=4096, whole=True),
    "idle_exit": Range(minimum=0, maximum=1e9, unit="s"),
    "jobs": Range(minimum=1, maximum=256, whole=True),
    "tracks": Range(minimum=1, maximum=1_000_000, whole=True),
    "songs": Range(minimum=1, maximum=1_000_000_000, whole=True),
    "mixes": Range(minimum=1, maximum=64, whole=True),
    "budget_gb": Range(minimum=0.001, maximum=1e6, unit="GB"),
    "sound": Range(minimum=1, maximum=1_000_000, whole=True),
    "players": Range(minimum=1, maximum=1_000_000, whole=True),
    "cores": Range(minimum=2, maximum=4096, whole=True),
    "target": Range(minimum=0.05, maximum=1),
    "spare": Range(minimum=0, maximum=4096, whole=True),
    "failures": Range(minimum=0.01, maximum=1e6, unit="h"),
    "servers": Range(minimum=1, maximum=4096, whole=True),
    "most_servers": Range(minimum=1, maximum=4096, whole=True),
    "host_block": Range(minimum=1, maximum=65536, unit="samples", whole=True),
    "chunk": Range(minimum=1, maximum=1 << 20, unit="samples", whole=True),
}
"""What only the command line knows, by the name of the option."""


def number(value: float) -> str:
    """A number for people: whole ones with all their digits."""
    return str(int(value)) if abs(value) < 1e15 and value == int(value) else f"{value:g}"


def refusal(name: str, value: float) -> str:
    """Why a value cannot be taken, as `4 is out of range: 0 to 2`; empty if it can."""
    limits = RANGES.get(name) or OPTIONS[name]
    if not limits.minimum <= value <= limits.maximum:  # NaN too
        return f"{number(value)} is out of range: {limits}"
    if limits.whole and value != int(value):
        return f"{value:g} must be a whole number: {limits}"
    return ""
