# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the server waits and how much it takes, by door: what a front end must know to stay inside."""

from dataclasses import dataclass

HELLO_S = 5.0
LOCAL_CONNECTIONS = 128
LOCAL_UNREAD = 64
TEXT_BYTES = 1 << 14
ARRAY_ITEMS = 1 << 10
MAP_ITEMS = 1 << 12
DEPTH = 8

SESSIONS = 64
SESSIONS_PER_PEER = 8
OPENS_PER_S = 5.0
OPENS_BURST = 10.0
LEASE_S = 10.0
QUARANTINE_S = 60.0
KEPT_MOMENTS = 1000

ZMQ_HIGH_WATER_MARK = 64
ZMQ_HANDSHAKE_MS = 2000
ZMQ_HEARTBEAT_MS = 500
ZMQ_HEARTBEAT_TIMEOUT_MS = 2000
ZMQ_SILENT_S = 5.0
ZMQ_CLIENTS = 256
ZMQ_WAITING = 64
ZMQ_BAND_GONE_S = 30.0

OSC_GUESTS = 64
OSC_ATTENTIVE_S = 30.0
OSC_STAY_S = 600.0
OSC_STATUS_S = 0.1
OSC_CUES_S = 0.01
OSC_WATCH_PER_S = 50.0
OSC_LISTENED = 256
OSC_WATCHED = 32
OSC_ERRORS_PER_S = 10.0
OSC_LATEST_S = 10.0
OSC_WAITING = 1024
OSC_ELEMENTS = 64
OSC_ARGUMENTS = 512
"""A chart of a hundred bars, of which a patcher sends every chord and bar line as an atom."""
OSC_ADDRESS_CHARACTERS = 128
OSC_DEPTH = 4
OSC_PATIENCE_MS = 60.0
OSC_STREAMS = 1 << 24
"""Stream numbers stay below: patchers have no number but float32, which is whole up to there."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit: at which door, how much, and what becomes of what is beyond."""

    door: str
    what: str
    value: float
    unit: str
    beyond: str


LIMITS = tuple(
    Limit(door=door, what=what, value=value, unit=unit, beyond=beyond)
    for door, what, value, unit, beyond in (
        ("all", "sessions of a server", SESSIONS, "", "`busy`; `liveband serve --sessions`"),
        ("all", "sessions of one front end", SESSIONS_PER_PEER, "", "`busy`; `--sessions-per-peer`"),
        ("all", "kept moments of one owner", KEPT_MOMENTS, "", "`busy`"),
        ("all", "a session whose worker died under it twice is put away for", QUARANTINE_S, "s", "`quarantined`"),
        ("ZeroMQ, OSC", "sessions opened at once", OPENS_BURST, "", "`busy`, until there is room at the next rate"),
        ("ZeroMQ, OSC", "sessions opened, after that", OPENS_PER_S, "per s", "`busy`"),
        ("ZeroMQ, OSC", "a session outlives its front end by", LEASE_S, "s", "it ends, its memory is kept"),
        ("local", "time to say hello", HELLO_S, "s", "the server hangs up"),
        ("local", "connections", LOCAL_CONNECTIONS, "", "who plays nothing, silent longest, is hung up on; if all play, `busy`"),
        ("local", "answers that you have not read", LOCAL_UNREAD, "", "you are not read either; what comes unasked is lost"),
        ("local, ZeroMQ", "bytes of a text", TEXT_BYTES, "", "`bad_message`"),
        ("local, ZeroMQ", "items of an array", ARRAY_ITEMS, "", "`bad_message`"),
        ("local, ZeroMQ", "entries of a map", MAP_ITEMS, "", "`bad_message`"),
        ("local, ZeroMQ", "maps and arrays inside each other", DEPTH, "", "`bad_message`"),
        ("ZeroMQ", "time for the ZMTP handshake", ZMQ_HANDSHAKE_MS, "ms", "the connection is closed"),
        ("ZeroMQ", "ZMTP heartbeat every", ZMQ_HEARTBEAT_MS, "ms", "libzmq answers it by itself"),
        ("ZeroMQ", "a heartbeat is answered within", ZMQ_HEARTBEAT_TIMEOUT_MS, "ms", "the connection is closed"),
        ("ZeroMQ", "time between two messages of yours", ZMQ_SILENT_S, "s", "you are forgotten, and must say hello again; send ping"),
        ("ZeroMQ", "messages on their way, each direction (high-water mark)", ZMQ_HIGH_WATER_MARK, "", "what the server sends beyond is lost"),
        ("ZeroMQ", "requests, or offline blocks of a session, that wait", ZMQ_WAITING, "", "`busy`"),
        ("ZeroMQ", "an offline block waits for its stem", ZMQ_BAND_GONE_S, "s", "`overloaded`"),
        ("ZeroMQ", "clients", ZMQ_CLIENTS, "", "`busy`"),
        ("OSC", "guests, those who returned their cookie", OSC_GUESTS, "", "`busy`, unless one of them was silent for long"),
        ("OSC", "streams flow after your last message for", OSC_ATTENTIVE_S, "s", "they stop; your sessions go to their lease"),
        ("OSC", "the door stays open after your last message for", OSC_STAY_S, "s", "say hello again"),
        ("OSC", "status every", OSC_STATUS_S, "s", ""),
        ("OSC", "beats are looked for every", OSC_CUES_S, "s", ""),
        ("OSC", "plain status, as often as you ask, at most", OSC_WATCH_PER_S, "per s", "`bad_message`"),
        ("OSC", "addresses that a tool listens to by OSCQuery", OSC_LISTENED, "", "they are not told"),
        ("OSC", "sessions that you watch", OSC_WATCHED, "", "`busy`"),
        ("OSC", "errors of one code that you are told", OSC_ERRORS_PER_S, "per s", "no more are told"),
        ("OSC", "a time tag lies ahead by", OSC_LATEST_S, "s", "`bad_message`"),
        ("OSC", "messages that wait for their time, or for the band", OSC_WAITING, "", "`busy` or `bad_message`"),
        ("OSC", "messages in a packet, bundles counted", OSC_ELEMENTS, "", "`bad_message`"),
        ("OSC", "bundles, or arrays, inside each other", OSC_DEPTH, "", "`bad_message`"),
        ("OSC", "arguments of a message", OSC_ARGUMENTS, "", "`bad_message`"),
        ("OSC", "characters of an address", OSC_ADDRESS_CHARACTERS, "", "`bad_message`"),
        ("OSC", "stream numbers lie below", OSC_STREAMS, "", ""),
        ("OSC", "a missing packet, or a late stem, is waited for at least", OSC_PATIENCE_MS, "ms", "it is faded over"),
    )
)  # fmt: skip
