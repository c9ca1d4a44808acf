# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the OSC interface. `<session>` is the name the client chose when it opened it."""

from dataclasses import dataclass

PORT = 9460
"""UDP port the server listens on."""
HTTP_PORT = 9461
"""TCP port of /metrics, /healthz and the OSCQuery description."""
ZMQ_PORT = 9462
"""TCP port of the ZeroMQ transport."""
MAX_PACKET_BYTES = 1200
"""Audio packets stay below every MTU."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address pattern; `arguments` are OSC type tags with names, `v` for a value that is f, i or s.

    Arguments that end in `?` may be left out. Where a number is asked for, i, h, f, d, T and F are taken.
    """

    pattern: str
    direction: str
    arguments: str
    meaning: str


ADDRESSES = tuple(
    Address(pattern=pattern, direction=direction, arguments=arguments, meaning=meaning)
    for pattern, direction, arguments, meaning in (
        ("/lb/hello", "in", "i:major i:minor s:client", "who are you; answered with /lb/welcome"),
        ("/lb/welcome", "out", "i:major i:minor s:server s:cookie", "echo the cookie with /lb/cookie to be let in"),
        ("/lb/cookie", "in", "s:cookie",
         "opens the door for ten minutes; status and stem flow as long as this or audio comes within 30 s"),
        ("/lb/ping", "in", "i:number", "answered with /lb/pong"),
        ("/lb/pong", "out", "i:number", "the ping's number"),
        ("/lb/open", "in", "s:session s:stem i:rate_hz i:channels i:block_samples s:mode f:anticipation_ms?",
         "open a session, or open yours anew with another rate, layout or mode"),
        ("/lb/close", "in", "s:session", "close it"),
        ("/lb/panic", "in", "", "forget what was heard and played, in every session of this sender, or of all if it has none"),
        ("/lb/<session>/opened", "out", "i:latency_samples f:anticipation_samples f:recency_gap_ms i:stream",
         "it plays; sequences and positions begin at 0, and every packet bears the stream's number"),
        ("/lb/<session>/closed", "out", "s:reason", "it is gone"),
        ("/lb/<session>/set/<control>", "in", "v:value", "set a control, in its own unit or by the word of a choice"),
        ("/lb/<session>/tempo", "in", "f:bpm", "tempo from now on; 0 forgets it"),
        ("/lb/<session>/beat", "in", "f:beat f:beats_per_bar?", "beat of the bar at this moment, from 1; tell the tempo first"),
        ("/lb/<session>/chord", "in", "s:label", "chord from now on, such as Am7 or C/E; `?` for unknown"),
        ("/lb/<session>/chart", "in", "s:chart", "bar chart such as | C | Am F | G |; empty forgets it"),
        ("/lb/<session>/key", "in", "s:key", "key such as Am or Bb major; `?` for unknown"),
        ("/lb/<session>/keep", "in", "s:name", "keep this moment under a name"),
        ("/lb/<session>/recall", "in", "s:name", "go on from a kept moment"),
        ("/lb/<session>/subscribe", "in", "", "send me its status ten times a second; whoever opened it has it anyway"),
        ("/lb/<session>/audio", "in", "i:stream i:sequence h:position i:format b:samples",
         "mix audio, planar and little-endian; format 0 float32, 1 int16, 256 more when sent again"),
        ("/lb/<session>/stem", "out", "i:stream i:sequence h:position i:format b:samples",
         "what is to be heard at these positions"),
        ("/lb/<session>/resend", "both", "i:stream i:first i:last", "sequences that did not arrive"),
        ("/lb/<session>/status/<name>", "out", "v:value", "ten times a second"),
        ("/lb/error", "out", "s:code s:text", "what was wrong"),
    )
)  # fmt: skip
