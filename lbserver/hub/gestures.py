# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of the music, in words or by a gesture: whether it can be read, which beat a tap tells, what a gesture lacks."""

import time
from math import isfinite
from typing import Any

from lbmodels.contract.spec import Spec
from lbserver.engine.backends import style_vector
from lbserver.errors import LiveBandError
from lbserver.hub.admission import HubError
from lbserver.hub.session_record import Entry, Taps, section_names
from lbserver.music.room_beat import tapped, with_tap
from lbserver.protocol.segment import split
from lbserver.session.knowledge import TAKEN_BY_SOME, Told, Transport, after_know

_ANY_TRANSPORT = Transport(
    position=0, playing=True, bpm=120.0, quarters=0.0, bar_start_quarters=0.0, beats_above=4.0, beat_unit=4.0
)
_SOON_S = 0.1  # until a beat that a count-in begins by itself


def check_readable(known: dict[str, Any]) -> None:
    """Whether fields of a `know` message can be read; whether a chart has a tempo to stand on only the place knows.

    Raises HubError naming what cannot.
    """
    try:
        after_know(Told(transport=_ANY_TRANSPORT), known)
    except LiveBandError as error:
        raise HubError("bad_message", str(error)) from None


def told_beside(known: dict[str, Any], spec: Spec) -> dict[str, Any]:
    """What a place is told beside what is known: the vector of a style's line, none of an empty one.

    Raises HubError: words that are not known, or a model that does not take what is asked for.
    """
    for name in TAKEN_BY_SOME:
        if known.get(name, "").strip() and name not in spec.conditions:
            raise HubError(
                "unsupported", f"{spec.name} was not trained with {name}, and plays as it always does"
            )
    line = known.get("style")
    if line is None:
        return {}
    if not line.strip():
        return {"style_vector": []}
    try:
        return {"style_vector": style_vector(line).tolist()}
    except LiveBandError as error:
        raise HubError("bad_message", str(error)) from None


def tell_first(entry: Entry, gesture: str) -> dict[str, Any]:
    """What of the music a session is to be told before a gesture acts: fields of a `know` message, none for most.

    Raises HubError: a count-in without a tempo, another section where there is none.
    """
    if gesture == "tap":
        return _tapped(entry)
    if gesture == "count_in":
        return _counted(entry)
    if gesture == "next_section" and len(set(section_names(str(entry.known.get("chart", ""))))) < 2:
        raise HubError(
            "bad_message", "there is no next section: tell a chart with two, such as | [A] C | [B] F |"
        )
    return {}


def _tapped(entry: Entry) -> dict[str, Any]:
    epoch, position = split(entry.segment.load("mix_cursor"))
    before = entry.taps if entry.taps.epoch == epoch else Taps(epoch=epoch)
    told_s = time.monotonic()
    at_s = position / entry.wish.rate_hz
    if before.at_s and position == before.position:  # nothing is heard meanwhile: by our own clock
        at_s = before.at_s[-1] + told_s - before.told_s
    entry.taps = Taps(epoch=epoch, at_s=with_tap(before.at_s, at_s), position=position, told_s=told_s)
    beat = tapped(entry.taps.at_s)
    return {} if beat is None else {"bpm": beat.bpm, "first_beat_s": beat.first_beat_s}


def _counted(entry: Entry) -> dict[str, Any]:
    segment, known = entry.segment, entry.known
    if known.get("bpm") or isfinite(segment.load_float("tempo") or float("nan")):
        if (
            "first_beat_s" in known
            or known.get("chart")
            or isfinite(segment.load_float("beat") or float("nan"))
        ):
            return {}
        _, position = split(segment.load("mix_cursor"))
        ahead_s = float(entry.timing.anticipation_samples) / entry.wish.rate_hz
        return {"first_beat_s": position / entry.wish.rate_hz + ahead_s + _SOON_S}
    if isfinite(segment.load_float("heard_beat") or float("nan")):
        return {}
    raise HubError("bad_message", "a count-in needs a tempo: tell one, or tap it")
