# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's figures, as its segment and its entry tell them: bounded here, where they enter.

The segment is shared with the front end, which can write anything anywhere in it. Whatever stands there, a figure is
a number that every transport can carry: finite, and exact in a double.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from math import isfinite, nan

from lbmodels.contract.quality import QUALITIES
from lbmodels.contract.stems import STEMS
from lbserver.host.logs import fields
from lbserver.host.memory import resident_bytes
from lbserver.hub.session_record import Entry
from lbserver.places.place import Place
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.segment import LADDER, split
from lbserver.ring.segment import Segment
from lbserver.session.knowledge import chord_label
from lbserver.session.states import State

log = logging.getLogger(__name__)

_LOOK_S = 0.25
MOST = 2**53 - 1
"""The largest count that a figure shows: the last whole number that every reader of JSON has exactly."""


def rung_of(entry: Entry) -> str:
    """What overload has come to, a name of the ladder."""
    rung = entry.segment.load("ladder")
    return LADDER[rung] if rung < len(LADDER) else ""


def quality_of(number: float) -> str:
    """A name of the qualities by its number in the segment, "" where the model has one alone."""
    return QUALITIES[int(number) - 1] if 1 <= number <= len(QUALITIES) else ""


async def tell_of_overload(entries: Mapping[str, Entry]) -> None:
    """For ever: one line in the log for every rung of the ladder that a session takes, up or down."""
    told: dict[str, str] = {}
    while True:
        await asyncio.sleep(_LOOK_S)
        rungs = {name: rung_of(entry) for name, entry in entries.items()}
        for name, rung in rungs.items():
            if rung != told.get(name, LADDER[0]):
                level = logging.INFO if rung == LADDER[0] else logging.WARNING
                step_ms = round(_number(entries[name].segment, "step_ms"), 1)
                log.log(level, "overload: %s", rung, extra=fields(session=name, step_ms=step_ms))
        told = rungs


def status_of(entry: Entry) -> dict[str, float | int | str]:
    """Figures by the names of the status table."""
    segment, timing, rate_hz = entry.segment, entry.timing, entry.wish.rate_hz
    step_ms = _number(segment, "step_ms")
    epoch, position = split(segment.load("mix_cursor"))
    state = entry.seen_state()
    reason = entry.reason if entry.place.up else entry.place.reason or entry.reason
    if not reason and state in (State.FADED, State.BYPASSED):
        reason = ERRORS["overloaded"]
    return {
        "state": state.value,
        "reason": reason,
        "latency_samples": timing.latency_samples,
        "measured_latency_samples": _count(segment, "lag_samples"),
        "anticipation_samples": float(timing.anticipation_samples),
        "latency_ms": 1000.0 * timing.latency_samples / rate_hz,
        "anticipation_ms": 1000.0 * float(timing.anticipation_samples) / rate_hz,
        "recency_gap_ms": timing.recency_gap_ms,
        "headroom_ms": _number(segment, "headroom_ms"),
        "round_trip_ms": _number(segment, "round_trip_ms"),
        "queue_age_ms": _number(segment, "queue_age_ms"),
        "step_ms": step_ms,
        "rtf": entry.spec.frame_ms * entry.spec.chunk_frames / step_ms if step_ms > 1e-6 else 0.0,
        "frames": _count(segment, "frames"),
        "late_frames": _count(segment, "late_frames"),
        "skipped_frames": _count(segment, "skipped_frames"),
        "missing_samples": _count(segment, "missing_samples"),
        "ladder": rung_of(entry),
        "position": position,
        "epoch": epoch,
        "tempo": _number(segment, "tempo", unknown=nan),
        "beat": _number(segment, "beat", unknown=nan),
        "chord": chord_label(_number(segment, "chord")),
        "section": entry.section(int(_number(segment, "section"))),
        "heard_tempo": _number(segment, "heard_tempo") or nan,
        "heard_beat": _number(segment, "heard_beat") or nan,
        "heard_chord": chord_label(_number(segment, "heard_chord")),
        "style": str(entry.known.get("style", "")),
        "quality": quality_of(_number(segment, "quality")),
    }


def listed(entry: Entry) -> dict[str, float | int | str]:
    """A session's figures, and what it is: for those who look at many."""
    return {
        **status_of(entry),
        "stem": STEMS[int(entry.controls["stem"])],
        "mode": entry.wish.mode.value,
        "peer": entry.peer.kind,
        "model": entry.spec.name,
        "rate_hz": entry.wish.rate_hz,
    }


def models(places: Iterable[Place], entries: Iterable[Entry]) -> dict[str, dict[str, int]]:
    """By the name of a model that is loaded: its workers, their sessions, and their memory where they are of this machine.

    A worker's sessions share its weights, so it is the worker whose memory is told. Shared pages count for each worker.
    """
    playing: dict[str, list[Place]] = {}
    for place in places:
        if place.ready is not None:
            playing.setdefault(place.ready.spec.name, []).append(place)
    held, found = list(entries), {}
    for name, workers in playing.items():
        found[name] = {"workers": len(workers), "sessions": sum(one.place in workers for one in held)}
        pids = [place.pid for place in workers if place.pid is not None]
        memory = resident_bytes(pids)
        if pids and memory is not None:
            found[name]["resident_bytes"] = memory
    return found


def _count(segment: Segment, name: str) -> int:
    return min(segment.load(name), MOST)


def _number(segment: Segment, name: str, *, unknown: float = 0.0) -> float:
    """A float of the segment; `unknown` for what is no number or beyond all that can be."""
    value = segment.load_float(name)
    return value if isfinite(value) and abs(value) <= MOST else unknown
