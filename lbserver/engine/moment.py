# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment of a session as bytes: its musical memory, controls and what it was told; no audio, no path."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from lbserver import chunk, wire
from lbserver.chunk import MOST_BYTES as MOST_BYTES
from lbserver.errors import LiveBandError


@dataclass(frozen=True, kw_only=True)
class Moment:
    """`memory` is the accompanist's snapshot, `model` which one's; `controls` by name; `known` a merged `know`."""

    model: str
    memory: bytes
    controls: dict[str, float]
    known: dict[str, Any]


def pack(moment: Moment) -> bytes:
    """The moment as a checked chunk."""
    about = {"model": moment.model, "controls": moment.controls, "known": moment.known}
    return chunk.pack({"about": wire.pack(about), "memory": moment.memory})


def unpack(data: bytes, model: str) -> Moment:
    """The moment in a chunk. Raises LiveBandError: damaged, or of another model."""
    sections = chunk.unpack(data)
    about = wire.unpack(sections.get("about", b""))
    if not isinstance(about, dict) or "memory" not in sections:
        raise LiveBandError("the saved moment is incomplete")
    if about.get("model") != model:
        raise LiveBandError(f"the moment was saved with model {about.get('model')!r}, this is {model!r}")
    controls, known = about.get("controls"), about.get("known")
    if not isinstance(controls, dict) or not isinstance(known, dict):
        raise LiveBandError("the saved moment is incomplete")
    numbers = {
        str(name): float(value)
        for name, value in controls.items()
        if isinstance(value, int | float) and isfinite(value)
    }
    return Moment(model=model, memory=sections["memory"], controls=numbers, known=known)
