# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the local socket and of ZeroMQ: maps of names to values, as MessagePack.

Every message has `type`; a request may have `id`, which its answer repeats. On the local socket a message is
preceded by its length as a little-endian uint32, and `opened` and `configured` carry the segment's descriptor or name it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lbserver.protocol.controls import BY_NAME as CONTROL_BY_NAME
from lbserver.protocol.controls import ControlInfo
from lbserver.protocol.ranges import RANGES, number
from lbserver.protocol.segment import MAX_BLOCK, MAX_CHANNELS, MAX_RATE_HZ, MIN_RATE_HZ

MAX_MESSAGE_BYTES = 1 << 20
_NAME = 64
_TEXT = 4096
_I63 = (1 << 63) - 1


SPEC = (
    *(
        "name",
        "sample_rate",
        "channels",
        "hop",
        "chunk_frames",
        "anticipation_frames",
        "stems",
        "controls",
        "conditions",
    ),
    *("context_frames", "parameters", "recipe", "weights_id", "anticipation_step"),
)
"""What `description` tells of an accompanist. anticipation_frames is (least, most), in steps of anticipation_step; a frame
is hop samples long."""


class MessageError(ValueError):
    """A message that cannot be taken; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One field. kind: int, float, str, bytes, bool, map or value (float, int or str).

    Numbers must be finite and within minimum..maximum, text and bytes no longer than maximum.
    """

    name: str
    kind: str
    minimum: float = 0
    maximum: float = _I63
    required: bool = True
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. direction: in (to the server) or out."""

    name: str
    direction: str
    meaning: str
    parts: tuple[Part, ...] = ()


def _int(name: str, low: float, high: float, meaning: str = "", *, required: bool = True) -> Part:
    return Part(name=name, kind="int", minimum=low, maximum=high, required=required, meaning=meaning)


def _float(name: str, low: float, high: float, meaning: str = "", *, required: bool = True) -> Part:
    return Part(name=name, kind="float", minimum=low, maximum=high, required=required, meaning=meaning)


def _ranged(name: str, of: str, meaning: str = "", *, required: bool = True) -> Part:
    """A number within the range that the table of ranges has for `of`."""
    limits = RANGES[of]
    made = _int if limits.whole else _float
    return made(name, limits.minimum, limits.maximum, meaning, required=required)


def _str(name: str, meaning: str = "", *, longest: int = _NAME, required: bool = True) -> Part:
    return Part(name=name, kind="str", maximum=longest, required=required, meaning=meaning)


def _position(name: str, *, least: int = 0) -> Part:
    return _int(name, least, _I63, "of the first sample")


_SESSION = _str("session", "name of the session")
_FORMAT = (
    _int("rate_hz", MIN_RATE_HZ, MAX_RATE_HZ, "host sample rate"),
    _int("channels", 1, MAX_CHANNELS, "of the mix; the stem has as many, at most 2"),
    _int("block_samples", 1, MAX_BLOCK, "longest block the host will hand over"),
    _str("mode", "live, aligned, bounce or manual"),
    _ranged("anticipation_ms", "anticipation", "for modes bounce and manual", required=False),
    _int("latency_samples", 0, 1 << 20, "for mode bounce: L as in the saved mode", required=False),
    Part(name="offline", kind="bool", required=False, meaning="the host waits; nothing may be dropped"),
)
_TIMING = (
    _int("latency_samples", 0, _I63, "L, in host samples"),
    _float("anticipation_samples", 0, 1e12, "A*H, in host samples"),
    _float("recency_gap_ms", 0, 1e9, "G = A*H + (k-1)*H + L"),
    _int("anticipation_frames", 0, 1 << 20, "A"),
    _str("mode", "as asked"),
    _str(
        "memory", "the name of the segment, where the system passes no descriptors (Windows)", required=False
    ),
)
_MOST_BEHIND = 1 << 20
_AUDIO = (
    _SESSION,
    _int("epoch", 0, 0xFFFF),
    _int("channels", 1, MAX_CHANNELS),
    _str("format", "f32 or i16, planar, little-endian"),
    Part(name="data", kind="bytes", maximum=MAX_MESSAGE_BYTES, meaning="[channel][sample]"),
)

MESSAGES = (
    Message(
        name="hello",
        direction="in",
        meaning="the first message; answered with welcome or, for another major version, error",
        parts=(
            _int("major", 0, 0xFFFF),
            _int("minor", 0, 0xFFFF),
            _str("client", "name of the program"),
            _str(
                "token",
                "ZeroMQ only: random text; who comes back with it gets its sessions back",
                required=False,
            ),
        ),
    ),
    Message(
        name="open",
        direction="in",
        meaning="open a session; answered with opened. An open session of this name that lost its peer is resumed",
        parts=(
            _SESSION,
            *_FORMAT,
            _str("stem", "what is to be played"),
            _ranged("seed", "seed", required=False),
            _str("model", "default model if absent", required=False),
            Part(
                name="resume",
                kind="bool",
                required=False,
                meaning="go on from the memory it had, if it is kept",
            ),
        ),
    ),
    Message(
        name="configure",
        direction="in",
        meaning="new rate, layout or mode: a new segment; answered with configured. The musical memory stays",
        parts=(_SESSION, *_FORMAT),
    ),
    Message(
        name="set",
        direction="in",
        meaning="set a control",
        parts=(_SESSION, _str("control"), Part(name="value", kind="value", minimum=-1e12, maximum=1e12)),
    ),
    Message(
        name="know",
        direction="in",
        meaning="what the host knows of the music; a name left out stays as it was, an empty text forgets it",
        parts=(
            _SESSION,
            _float("bpm", 0, RANGES["bpm"].maximum, f"{RANGES['bpm']}; 0 forgets it", required=False),
            _ranged(
                "first_beat_s", "first_beat_s", "time of a first beat of a bar, in the epoch", required=False
            ),
            _ranged("beats_per_bar", "beats_per_bar", required=False),
            _str(
                "chart",
                "bar chart, e.g. `4/4 | C | Am / F / | % | x2`; empty forgets it",
                longest=_TEXT,
                required=False,
            ),
            _str(
                "chord",
                "chord from now on, e.g. Am7, C^7#11, B♭ø, C:min7/b3; N none, ? unknown",
                required=False,
            ),
            _str("key", "e.g. Am, f#m, B♭ major; ? unknown", required=False),
            _str(
                "style",
                "up to six prompts, words or sounds, each with its weight: `upright bass, swing *2 | Rhodes`; empty forgets it",
                longest=_TEXT,
                required=False,
            ),
            _ranged("glide_s", "glide", "time that the next style takes, 1 at first", required=False),
            _str(
                "classes",
                "of a model that plays a whole band: which classes sound, e.g. `-drums +bass`",
                required=False,
            ),
            _str(
                "injection",
                "of a model that hears itself: how you get into its past: `off`, `free`, `looper 8 beats` or `looper 4 s`, "
                "then e.g. `, gain -6 dB, latency 20 ms, gap 80 ms`",
                required=False,
            ),
        ),
    ),
    Message(
        name="keep",
        direction="in",
        meaning="keep this moment under a name; answered with kept",
        parts=(_SESSION, _str("name")),
    ),
    Message(
        name="recall",
        direction="in",
        meaning="go on from a kept moment; answered with recalled",
        parts=(_SESSION, _str("name")),
    ),
    Message(name="status", direction="in", meaning="answered with status", parts=(_SESSION,)),
    Message(
        name="close",
        direction="in",
        meaning="answered with closed",
        parts=(
            _SESSION,
            Part(
                name="keep",
                kind="bool",
                required=False,
                meaning="its memory stays, for who opens it with resume, here or at a server that shares the folder of memories",
            ),
        ),
    ),
    Message(name="ping", direction="in", meaning="answered with pong"),
    Message(name="sessions", direction="in", meaning="answered with session_list"),
    Message(name="fleet", direction="in", meaning="asked of a fleet's directory: answered with fleet_list"),
    Message(
        name="drain",
        direction="in",
        meaning="asked of a fleet's directory on its own machine: the sessions of a server go to others, then it stops; "
        "answered with fleet_list",
        parts=(_str("server", "its name in the fleet"),),
    ),
    Message(
        name="upgrade",
        direction="in",
        meaning="asked of a fleet's directory on its own machine: every server is replaced by a new one, step by step; answered "
        "with fleet_list",
    ),
    Message(
        name="describe",
        direction="in",
        meaning="answered with description: all that is needed to choose A and L for a session",
        parts=(_str("model", "default model if absent", required=False),),
    ),
    Message(
        name="audio",
        direction="in",
        meaning="ZeroMQ only: mix audio; another epoch than before begins anew at position 0",
        parts=(
            *_AUDIO,
            _position("position"),
            Part(
                name="reply",
                kind="bool",
                required=False,
                meaning="answer with the stem to hear with this block",
            ),
            Part(
                name="offline",
                kind="bool",
                required=False,
                meaning="the sender waits; nothing may be dropped",
            ),
            Part(
                name="needed",
                kind="int",
                minimum=-_MOST_BEHIND,
                required=False,
                meaning="stem position that must be there now; position less L if absent",
            ),
        ),
    ),
    Message(
        name="event",
        direction="in",
        meaning="ZeroMQ only: what the host tells, as in the event ring; not answered",
        parts=(
            _SESSION,
            _int("epoch", 0, 0xFFFF),
            _int("kind", 1, 0xFFFF, "as in the event ring"),
            _int("flags", 0, 0xFFFF),
            _position("position"),
            Part(name="values", kind="bytes", maximum=48, meaning="six float64, little-endian"),
        ),
    ),
    Message(
        name="welcome",
        direction="out",
        meaning="the server is here",
        parts=(
            _int("major", 0, 0xFFFF),
            _int("minor", 0, 0xFFFF),
            _str("server", "name and version"),
            _str("model", "default model"),
            _int("pid", 0, 1 << 31),
        ),
    ),
    Message(name="opened", direction="out", meaning="it listens", parts=(_SESSION, *_TIMING)),
    Message(name="configured", direction="out", meaning="a new epoch begins", parts=(_SESSION, *_TIMING)),
    Message(name="done", direction="out", meaning="a set or know was taken", parts=(_SESSION,)),
    Message(name="kept", direction="out", meaning="it is on disk", parts=(_SESSION, _str("name"))),
    Message(
        name="recalled", direction="out", meaning="it goes on from there", parts=(_SESSION, _str("name"))
    ),
    Message(
        name="status",
        direction="out",
        meaning="figures by name, see the status table",
        parts=(_SESSION, Part(name="status", kind="map", maximum=64)),
    ),
    Message(
        name="closed",
        direction="out",
        meaning="the session is gone",
        parts=(_SESSION, _str("reason", longest=_TEXT)),
    ),
    Message(name="pong", direction="out", meaning="answer to ping"),
    Message(
        name="session_list",
        direction="out",
        meaning="the sessions that you may see, by name: the status of each, and its stem, mode, peer, model and rate_hz",
        parts=(
            Part(name="sessions", kind="map", maximum=4096),
            Part(
                name="models",
                kind="map",
                maximum=64,
                required=False,
                meaning="those that are loaded, by name: workers, sessions and, where they are of this machine, resident_bytes; "
                "for the server's user alone",
            ),
        ),
    ),
    Message(
        name="fleet_list",
        direction="out",
        meaning="the servers of a fleet by name; of each: address, pid there, state (starting, up, draining), version, limits and "
        "sessions by model",
        parts=(Part(name="servers", kind="map", maximum=4096),),
    ),
    Message(
        name="description",
        direction="out",
        meaning="a model, and the budget S + J that was measured for it",
        parts=(
            _str("model"),
            Part(name="spec", kind="map", maximum=64, meaning=f"of the accompanist: {', '.join(SPEC)}"),
            _float("compute_ms", 0, 1e6, "S"),
            _float("margin_ms", 0, 1e6, "J"),
        ),
    ),
    Message(
        name="stem",
        direction="out",
        meaning="ZeroMQ only: stem audio; before L has passed its position is negative",
        parts=(*_AUDIO, _position("position", least=-_MOST_BEHIND)),
    ),
    Message(
        name="error",
        direction="out",
        meaning="refused; code is one of the error table",
        parts=(_str("code"), _str("text", longest=_TEXT)),
    ),
)

_BY_NAME = {(message.direction, message.name): message for message in MESSAGES}


def check(message: Any, direction: str) -> tuple[dict[str, Any], int]:
    """A message as the table has it, and how many fields were not known (they are dropped).

    Raises MessageError naming the field; never any other error, whatever `message` is.
    """
    if not isinstance(message, Mapping):
        raise MessageError("a message must be a map with a `type`")
    kind = message.get("type")
    if not isinstance(kind, str) or (direction, kind) not in _BY_NAME:
        raise MessageError(f"unknown message {str(kind)[:40]!r}")
    table = _BY_NAME[direction, kind]
    clean: dict[str, Any] = {"type": kind}
    if "id" in message:
        clean["id"] = _checked(_ID, message["id"], kind)
    for part in table.parts:
        value = message.get(part.name)
        if value is not None:
            clean[part.name] = _checked(part, value, kind)
        elif part.required:
            raise MessageError(f"{kind}: {part.name} is missing")
    unknown = sum(name not in clean for name in message)
    return clean, unknown


_ID = _int("id", 0, _I63)


def _checked(part: Part, value: Any, where: str) -> Any:
    name = f"{where}: {part.name}"
    match part.kind:
        case "bool":
            if not isinstance(value, bool):
                raise MessageError(f"{name} must be true or false")
        case "int" | "float":
            _check_number(part, value, name)
            value = value if part.kind == "int" else float(value)
        case "str":
            if (
                not isinstance(value, str)
                or len(value) > part.maximum
                or (not value.isprintable() and "\n" not in value)
            ):
                raise MessageError(f"{name} must be printable text of at most {part.maximum:g} characters")
        case "bytes":
            if not isinstance(value, bytes) or len(value) > part.maximum:
                raise MessageError(f"{name} must be at most {part.maximum:g} bytes")
        case "map":
            if not isinstance(value, Mapping) or len(value) > part.maximum:
                raise MessageError(f"{name} must be a map of at most {part.maximum:g} entries")
        case "value":
            if isinstance(value, str):
                if len(value) > _NAME:
                    raise MessageError(f"{name} must be at most {_NAME} characters")
            elif isinstance(value, bool):
                value = int(value)
            else:
                _check_number(part, value, name)
    return value


def _check_number(part: Part, value: Any, name: str) -> None:
    allowed = int if part.kind == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, allowed):
        raise MessageError(f"{name} must be a{'n integer' if part.kind == 'int' else ' number'}")
    if not (part.minimum <= value <= part.maximum and isfinite(value)):
        raise MessageError(f"{name} is out of range: {number(part.minimum)} to {number(part.maximum)}")


def control_value(name: str, value: float | int | str) -> float:
    """A control's value as a number, from a number in its unit, the word of a choice, on or off, or digits.

    Raises MessageError naming what is accepted; out of range is refused, not clipped.
    """
    control = CONTROL_BY_NAME.get(name)
    if control is None:
        raise MessageError(f"unknown control {name[:40]!r}: {', '.join(CONTROL_BY_NAME)}")
    number = _in_words(control, value) if isinstance(value, str) else float(value)
    if number is None:
        raise MessageError(f"{name}: {str(value)[:40]!r} is not accepted: {accepted(control)}")
    if not (isfinite(number) and control.minimum <= number <= control.maximum):
        raise MessageError(f"{name}: {number:g} is out of range: {accepted(control)}")
    if control.kind in ("int", "choice", "bool") and number != int(number):
        raise MessageError(f"{name}: {number:g} must be a whole number: {accepted(control)}")
    return number


def accepted(control: ControlInfo) -> str:
    """What a control takes, for people."""
    if control.choices:
        return ", ".join(control.choices)
    if control.kind == "bool":
        return "on or off, 1 or 0"
    return f"{control.minimum:.10g} to {control.maximum:.10g} {control.unit}".strip()


def number_in(text: str) -> float | None:
    """The number that a text is, as people write them; None if it is none."""
    text = text.strip()
    number = float(text) if _NUMBER.fullmatch(text) else float("nan")
    return number if isfinite(number) else None


def switch_in(text: str) -> float | None:
    """1 or 0 for a text that means on or off, or is a number; None for any other."""
    return _SWITCH.get(text.strip().lower(), number_in(text))


_NUMBER = re.compile(r"[+-]?(\d{1,40}\.?\d{0,40}|\.\d{1,40})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_SWITCH = {"on": 1.0, "true": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "no": 0.0}


def _in_words(control: ControlInfo, text: str) -> float | None:
    word = text.strip().lower()
    if word in control.choices:
        return float(control.choices.index(word))
    return switch_in(text) if control.kind in ("bool", "trigger") else number_in(text)
