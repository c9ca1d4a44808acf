# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of the OSC interface. `<session>` is the name the client chose when it opened it, or LAST."""

from collections.abc import Mapping
from dataclasses import dataclass

PORT = 9460
"""UDP port the server listens on."""
HTTP_PORT = 9461
"""TCP port of /metrics, /healthz and the OSCQuery description."""
ZMQ_PORT = 9462
"""TCP port of the ZeroMQ transport."""
LAST = "last"
"""The session that was opened last, for who did not open it himself; a session of this name goes before it."""
REPLY_PORTS = (1024, 65535)
"""Ports of its own machine to which a client may have answers sent."""
MAX_PACKET_BYTES = 1200
"""Audio packets stay below every MTU."""
SHORTEST_TOKEN = 16
"""Bytes of a token that a network is listened to with."""
SIGNATURE_BYTES = 40
"""Eight of a counter, 32 of an HMAC-SHA256."""
SIGNATURE_WINDOW = 1024
"""A counter that is lower than the highest by so much is refused, as is one that came before."""


@dataclass(frozen=True, kw_only=True)
class ArgumentKind:
    """What an argument is, and from which type tags it is taken: for each, what becomes of it.

    Patchers send what they have: every number as a float, names as numbers, a bang, words for a switch.
    """

    letter: str
    meaning: str
    taken: Mapping[str, str]


_WHOLE = {
    "i": "as it is", "h": "as it is", "f": "if it has no fraction", "d": "if it has no fraction",
    "s": "a whole number in digits", "S": "as s", "c": "as s", "T": "1", "F": "0",
}  # fmt: skip
_TEXT = {"s": "as it is", "S": "as it is", "c": "as it is", "i": "its digits", "h": "its digits",
         "f": "its digits, 1.0 as 1", "d": "as f"}  # fmt: skip

KINDS = {
    kind.letter: kind
    for kind in (
        ArgumentKind(letter="i", meaning="a whole number", taken=_WHOLE),
        ArgumentKind(letter="h", meaning="a whole number of 64 bits", taken=_WHOLE),
        ArgumentKind(
            letter="f",
            meaning="a number",
            taken={**dict.fromkeys("ihfd", "as it is"), "s": "a number in digits, such as 0.5", "S": "as s",
                   "c": "as s", "T": "1", "F": "0"},
        ),
        ArgumentKind(letter="s", meaning="text", taken=_TEXT),
        ArgumentKind(
            letter="l", meaning="text; several atoms are joined by spaces, none is empty text", taken=_TEXT
        ),
        ArgumentKind(letter="b", meaning="a blob", taken={"b": "as it is"}),
        ArgumentKind(
            letter="v",
            meaning="a value, by the kind of the control; of a trigger it is I",
            taken={**dict.fromkeys("ihfd", "a number; of a choice its index"),
                   "s": "the word of a choice, on or off, or a number in digits", "S": "as s", "c": "as s",
                   "T": "on, 1", "F": "off, 0"},
        ),
        ArgumentKind(
            letter="I",
            meaning="a press; no argument at all is one too",
            taken={**dict.fromkeys("ihfd", "a press; 0 is a button let go, which does nothing"),
                   "s": "bang, on, off, or a number in digits", "S": "as s", "c": "as s",
                   "T": "a press", "F": "let go", "N": "a press", "I": "a press"},
        ),
    )
}  # fmt: skip
TAGS = "ihfdsScbTFNI"
"""The type tags that some argument is taken from; t is read and refused. Brackets of arrays are read over."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """One address pattern; `arguments` are letters of `KINDS` with names. Those that end in `?` may be left out."""

    pattern: str
    direction: str
    arguments: str
    meaning: str


OPEN_DEFAULTS: Mapping[str, str | int] = {
    "stem": "bass", "rate_hz": 48000, "channels": 2, "block_samples": 512, "mode": "live",
}  # fmt: skip
"""What `/lb/open` means where it says less."""
_DEFAULTS = ", ".join(f"{name} {value}" for name, value in OPEN_DEFAULTS.items())

ADDRESSES = tuple(
    Address(pattern=pattern, direction=direction, arguments=arguments, meaning=meaning)
    for pattern, direction, arguments, meaning in (
        ("/lb/hello", "in", "i:major i:minor l:client", "who are you; answered with /lb/welcome"),
        ("/lb/hello/reply", "in", "i:reply_port i:major i:minor l:client",
         "the same, for who receives at another port of its machine, 1024 to 65535: the welcome and all else go there"),
        ("/lb/welcome", "out", "i:major i:minor s:server s:cookie", "echo the cookie with /lb/cookie to be let in"),
        ("/lb/cookie", "in", "s:cookie",
         "opens the door, which stays open until ten minutes pass without a message; status and stem flow while any comes within 30 s"),
        ("/lb/ping", "in", "i:number?", "answered with /lb/pong"),
        ("/lb/pong", "out", "i:number", "the ping's number"),
        ("/lb/sessions", "in", "I:press?", "which sessions are open; answered with /lb/session for each"),
        ("/lb/session", "out", "i:number i:of s:session s:state s:stem",
         "one of the open sessions, counted from 1, the last opened last; 0 of 0 if there is none"),
        ("/lb/open", "in", "s:session s:stem? i:rate_hz? i:channels? i:block_samples? s:mode? f:anticipation_ms? s:model?",
         f"open a session, or open yours anew with another rate, layout, mode or model; by default {_DEFAULTS}, the server's first model"),
        ("/lb/close", "in", "s:session", "close it"),
        ("/lb/panic", "in", "I:press?", "forget what was heard and played, in every session of this sender, or of all if it has none"),
        ("/lb/<session>/opened", "out", "i:latency_samples f:anticipation_samples f:recency_gap_ms i:stream",
         "it plays; sequences and positions begin at 0, and every packet bears the stream's number"),
        ("/lb/<session>/closed", "out", "s:reason", "it is gone"),
        ("/lb/<session>/set/<control>", "in", "v:value?", "set a control, in its own unit or by its word; a trigger needs no value"),
        ("/lb/<session>/tempo", "in", "f:bpm", "tempo from now on; 0 forgets it"),
        ("/lb/<session>/beat", "in", "f:beat f:beats_per_bar?", "beat of the bar at this moment, from 1; one that comes just before the tempo waits for it"),
        ("/lb/<session>/beats_per_bar", "in", "i:beats", "beats of a bar from now on, 1 to 16, of a tempo told before or later"),
        ("/lb/<session>/chord", "in", "l:label", "chord from now on, such as Am7, C^7#11, B♭ø or C:min7/b3; N for none, `?` for unknown"),
        ("/lb/<session>/chart", "in", "l:chart",
         "bar chart such as | C | Am / F / | % | x2; empty forgets it; one that comes before the tempo waits for it"),
        ("/lb/<session>/key", "in", "l:key", "key such as Am, f#m or B♭ major; `?` for unknown"),
        ("/lb/<session>/style", "in", "l:style",
         "style from now on: up to six prompts between bars, each with a weight if it ends in one, such as upright bass, swing *2 | Rhodes; empty forgets it"),
        ("/lb/<session>/glide", "in", "f:glide_s", "seconds that the next style takes, 0 to 60; 1 at first"),
        ("/lb/<session>/classes", "in", "l:classes",
         "of a model that plays a whole band: which classes sound, such as -drums +bass; empty leaves it to the model"),
        ("/lb/<session>/injection", "in", "l:injection",
         "of a model that hears itself, how you get into its past: off, free, or looper 8 beats, gain -6 dB, latency 20 ms, gap 80 ms"),
        ("/lb/<session>/keep", "in", "l:name", "keep this moment under a name"),
        ("/lb/<session>/recall", "in", "l:name", "go on from a kept moment"),
        ("/lb/<session>/subscribe", "in", "I:press?", "send me its status ten times a second; whoever opened it has it anyway"),
        ("/lb/<session>/watch", "in", "f:per_s l:names",
         "send me its status as plain messages instead, so many times a second, 0.1 to 50 or 0 for no more; only these figures if any are named"),
        ("/lb/<session>/cues", "in", "I:press?",
         "send me what happens in the music when it happens, each as a plain message: by the beat that it is told, or else hears"),
        ("/lb/<session>/cue/bar", "out", "i:bar", "a bar begins; counted from 1 since somebody first asked"),
        ("/lb/<session>/cue/beat", "out", "i:beat", "a beat of the bar begins, from 1"),
        ("/lb/<session>/cue/chord", "out", "s:label", "another chord that is told sounds; empty for one that nobody tells"),
        ("/lb/<session>/cue/section", "out", "s:name", "another section of the chart sounds"),
        ("/lb/<session>/cue/heard_tempo", "out", "f:bpm", "the band hears another tempo by itself"),
        ("/lb/<session>/cue/heard_beat", "out", "i:beat", "a beat begins as the band hears it by itself, from 1"),
        ("/lb/<session>/cue/heard_chord", "out", "s:label", "the band hears another chord by itself; empty if it is not sure"),
        ("/lb/<session>/audio", "in", "i:stream i:sequence h:position i:format b:samples",
         "mix audio, planar and little-endian; format 0 float32, 1 int16; 256 more when sent again, 512 more to be sent the stem ahead"),
        ("/lb/<session>/stem", "out", "i:stream i:sequence h:position i:format b:samples",
         "what is to be heard at these positions"),
        ("/lb/<session>/resend", "both", "i:stream i:first i:last", "sequences that did not arrive"),
        ("/lb/<session>/status/<name>", "out", "v:value", "one figure, see the status table; ten times a second, or as often as was asked"),
        ("/lb/error", "out", "s:code s:text", "what was wrong"),
    )
)  # fmt: skip
