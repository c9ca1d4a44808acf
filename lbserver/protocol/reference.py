# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference: everything a front end must know, as one page of Markdown, from the declarations alone."""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Sequence

from lbserver.protocol import MAJOR, MINOR, discovery, osc, rules
from lbserver.protocol import segment as layout
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.limits import LIMITS
from lbserver.protocol.messages import MESSAGES, Part
from lbserver.protocol.names import NAMES
from lbserver.protocol.status import STATUS

_WORDS = {"H": "uint16", "I": "uint32", "Q": "uint64", "q": "int64", "d": "float64"}


_TOKEN, _COOKIE = "correct horse battery", "k0123456789abcdef01234567"


def _signed_ping() -> bytes:
    """The example: what a front end that signs rightly sends."""
    counter, number, address = struct.pack(">Q", 1), struct.pack(">i", 7), b"/lb/ping".ljust(12, b"\0")
    head = bytes([len(_COOKIE)]) + _COOKIE.encode() + counter
    digest = hmac.new(_TOKEN.encode(), head + address + b",i\0\0" + number, hashlib.sha256).digest()
    return address + b",ib\0" + number + struct.pack(">i", osc.SIGNATURE_BYTES) + counter + digest


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines) + "\n"


def _span(part: Part) -> str:
    if part.kind in ("int", "float", "value"):
        most = "2^63-1" if part.maximum == (1 << 63) - 1 else f"{part.maximum:.10g}"
        return f"{part.minimum:.10g} to {most}"
    if part.kind in ("str", "bytes", "map"):
        return f"at most {part.maximum:g}"
    return ""


def _message_tables(direction: str) -> str:
    parts = []
    for message in MESSAGES:
        if message.direction != direction:
            continue
        parts.append(f"**{message.name}**: {message.meaning}.\n")
        if message.parts:
            parts.append(
                _table(
                    ("field", "kind", "range", "needed", "meaning"),
                    (
                        (f"`{p.name}`", p.kind, _span(p), "yes" if p.required else "no", p.meaning)
                        for p in message.parts
                    ),
                )
            )
    return "\n".join(parts)


def page() -> str:
    """The reference, Markdown."""
    control_rows = (
        (
            f"`{c.name}`",
            ", ".join(c.choices) if c.choices else c.kind,
            c.unit,
            f"{c.minimum:.10g} to {c.maximum:.10g}",
            c.choices[int(c.default)] if c.choices else f"{c.default:g}",
            c.acts + (f", smoothed over {c.smoothing_ms:g} ms" if c.smoothing_ms else ""),
            c.meaning,
        )
        for c in CONTROLS
    )
    events = "\n".join(
        f"- {kind} ({number}): " + "; ".join(f"{i} {text}" for i, text in enumerate(layout.EVENT_VALUES[kind]) if text)
        for kind, number in layout.EVENT_KINDS.items()
    )  # fmt: skip
    return f"""<!-- Written by `python -m lbserver.protocol.generate`. Do not edit. -->
# Protocol {MAJOR}.{MINOR}

Another major version is refused with a text. A newer minor version adds at the end; fields that are not known are
ignored and counted. The C++ header `plugin_shim/include/liveband/protocol.h` is written from the same source. Three front ends
written from this page alone are in `tests/lbserver/server/strangers`: over the local socket, ZeroMQ and OSC.

## Finding the server

{rules.FINDING}
{_table(("in the run directory", ""), ((f"`{name}`", meaning) for name, meaning in discovery.FILES.items()))}
{_table((f"field of `{discovery.REGISTRY}`", "kind", "meaning"),
        ((f"`{f.name}`", f.kind, f.meaning) for f in discovery.REGISTRY_FIELDS))}
## Names

Names are ASCII. A control's or a model's is that of its table.

{_table(("name of a", "accepted", "all of it matches", "but not"),
        ((n.name, n.accepted, f"`{n.pattern}`", n.but) for n in NAMES))}
## Who may do what

In short; [SECURITY.md](../../SECURITY.md) has the whole of it, and which threat each rule answers.

{rules.ACCESS}
## Limits

{_table(("door", "what", "limit", "beyond it"),
        ((one.door, one.what, f"{one.value:g} {one.unit}".strip(), one.beyond) for one in LIMITS))}
## Controls

One table for the plug-in, OSC, ZeroMQ, the command line and the monitor. Where it acts: model (the next frame), shell (around
whatever model plays, live and in a bounce), session, port (where the stem is read), epoch (a new epoch begins).

{_table(("name", "kind", "unit", "range", "default", "acts", "meaning"), control_rows)}
## Status

{_table(("name", "kind", "unit", "meaning"), ((f"`{s.name}`", s.kind, s.unit, s.meaning) for s in STATUS))}
## OSC

`<session>` is the name the client gave when it opened it. `/metrics`, `/healthz` and OSCQuery are on TCP port {osc.HTTP_PORT}.

{rules.OSC}
{_table(("address", "direction", "arguments", "meaning"),
        ((f"`{a.pattern}`", a.direction, f"`{a.arguments}`" if a.arguments else "", a.meaning) for a in osc.ADDRESSES))}
Arguments are `letter:name`; one that ends in `?` may be left out. What each letter is taken from, by the type tag it comes
with; a cell that is empty is refused, in words. Arrays are read as if their brackets were not there.

{_table(("letter", "meaning", *(f"`{tag}`" for tag in osc.TAGS)),
        ((f"`{kind.letter}`", kind.meaning, *(kind.taken.get(tag, "") for tag in osc.TAGS)) for kind in osc.KINDS.values()))}
### Signatures

{rules.SIGNATURE}
With the token `{_TOKEN}`, the cookie `{_COOKIE}` and the counter 1 the message `/lb/ping` with the int32 7 is these
{len(_signed_ping())} bytes:

    {_signed_ping().hex(" ", 4)}

## Messages

Maps as MessagePack, over the local socket and ZeroMQ. Every message has `type`; a request may have `id`, a whole number, which
its answer repeats.

### The local socket

{rules.LOCAL}
### ZeroMQ

{rules.ZEROMQ}
### What comes unasked

{rules.UNASKED}
### To the server

{_message_tables("in")}
### From the server

{_message_tables("out")}
## Errors

{_table(("code", "meaning"), ((f"`{code}`", why) for code, why in ERRORS.items()))}
## The shared segment

Little-endian: {layout.HEADER_BYTES} bytes of header, {layout.EVENT_CAPACITY} events of {layout.EVENT_BYTES} bytes, the
mix ring, the stem ring. Audio is planar float32, [channel][capacity]: the sample at position p lies at p modulo capacity.

{rules.FLOW}
{_table(("offset", "field", "type", "writer", "meaning"),
        ((f.offset, f"`{f.name}`", _WORDS[f.code], f.writer, f.meaning) for f in layout.FIELDS))}
`state`: {", ".join(f"{i} {name}" for i, name in enumerate(layout.STATES))}.
`ladder`: {", ".join(f"{i} {name}" for i, name in enumerate(layout.LADDER))}.
`host_flags`: {", ".join(f"{bit} {name}" for name, bit in layout.HOST_FLAGS.items())}.

### Events

{_table(("offset", "field", "type", "meaning"),
        ((f.offset, f"`{f.name}`", _WORDS[f.code], f.meaning) for f in layout.EVENT_FIELDS))}
{rules.EVENTS}
What is not known is NaN. Values by kind:

{events}

Flags of a transport event: {", ".join(f"{bit} {name}" for name, bit in layout.TRANSPORT_FLAGS.items())}.
"""  # fmt: skip
