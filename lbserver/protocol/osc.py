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
    """One address pattern; `arguments` are OSC type tags with names."""

    pattern: str
    direction: str
    arguments: str
    meaning: str


ADDRESSES = tuple(
    Address(pattern=pattern, direction=direction, arguments=arguments, meaning=meaning)
    for pattern, direction, arguments, meaning in (
        ("/lb/hello", "in", "i:major i:minor s:client", "who are you; answered with /lb/welcome"),
        ("/lb/welcome", "out", "i:major i:minor s:server b:cookie", "echo the cookie with /lb/cookie to be let in"),
        ("/lb/cookie", "in", "b:cookie", "shows that replies reach you; opens the door for ten minutes"),
        ("/lb/open", "in", "s:session s:stem i:rate_hz i:channels i:block_samples s:mode", "open a session"),
        ("/lb/close", "in", "s:session", "close it"),
        ("/lb/panic", "in", "", "silence and reset every session of this sender"),
        ("/lb/<session>/opened", "out", "i:latency_samples f:anticipation_samples f:recency_gap_ms", "it plays"),
        ("/lb/<session>/closed", "out", "s:reason", "it is gone"),
        ("/lb/<session>/set/<control>", "in", "f|i|s:value", "set a control, in its own unit"),
        ("/lb/<session>/tempo", "in", "f:bpm", "tempo from now on"),
        ("/lb/<session>/beat", "in", "f:beat f:beats_per_bar", "beat of the bar at this moment, from 1"),
        ("/lb/<session>/chord", "in", "s:label", "chord from now on, such as Am7 or C/E; `?` for unknown"),
        ("/lb/<session>/chart", "in", "s:chart", "bar chart such as | C | Am F | G |"),
        ("/lb/<session>/key", "in", "s:key", "key such as Am or Bb major; `?` for unknown"),
        ("/lb/<session>/keep", "in", "s:name", "keep this moment under a name"),
        ("/lb/<session>/recall", "in", "s:name", "go on from a kept moment"),
        ("/lb/<session>/audio", "in", "i:sequence h:position i:format b:samples", "mix audio; format 0 float32, 1 int16"),
        ("/lb/<session>/stem", "out", "i:sequence h:position i:format b:samples", "stem audio for these positions"),
        ("/lb/<session>/resend", "both", "i:first i:last", "packets that did not arrive"),
        ("/lb/<session>/status/<name>", "out", "f|i|s:value", "ten times a second"),
        ("/lb/error", "out", "s:code s:text", "what was wrong"),
    )
)  # fmt: skip
