# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is let in: cookies, signatures, and what may be sent to whom. Pure; the time is given with every call.

A source is an address (host, port) on the wire, which anyone can forge. Whoever returns the cookie that was sent to it
has shown that replies reach it. Where there is a token every message bears a signature as well: its last argument is a blob of
40 bytes, an 8-byte counter and the HMAC-SHA256, under the shared token, of the cookie, the counter and the message
without the blob. A counter is good once; the cookie is in it, so nothing can be replayed from elsewhere, or later.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lbserver.hub.admission import USER
from lbserver.hub.hub import Peer
from lbserver.protocol import limits
from lbserver.protocol.osc import SHORTEST_TOKEN as SHORTEST_TOKEN
from lbserver.protocol.osc import SIGNATURE_BYTES as SIGNATURE_BYTES
from lbserver.protocol.osc import SIGNATURE_WINDOW
from lbserver.transports.osc.packet import Message, OscError, write

Source = tuple[str, int]

_COOKIE_DIGITS = 24
_COUNTER = struct.Struct(">Q")
_WINDOW = SIGNATURE_WINDOW


def sign(one: Message, token: bytes, counter: int, cookie: str) -> Message:
    """The message with its signature behind its last argument. Before there is a cookie it is empty."""
    blob = _COUNTER.pack(counter)
    blob += _digest(one, token, blob, cookie)
    return Message(one.address, one.tags + "b", (*one.arguments, blob))


def unsigned(one: Message, token: bytes, cookie: str) -> tuple[Message, int]:
    """The message without its signature, and the counter. Raises OscError when it is not signed with this token."""
    blob = one.arguments[-1] if one.tags.endswith("b") else b""
    if not isinstance(blob, bytes) or len(blob) != SIGNATURE_BYTES:
        raise OscError("a message must be signed")
    inner = Message(one.address, one.tags[:-1], one.arguments[:-1])
    if not hmac.compare_digest(blob[8:], _digest(inner, token, blob[:8], cookie)):
        raise OscError("the signature is not of this token and cookie")
    return inner, _COUNTER.unpack_from(blob)[0]


def _digest(one: Message, token: bytes, counter: bytes, cookie: str) -> bytes:
    known = cookie.encode()
    return hmac.new(
        token, bytes([min(len(known), 255)]) + known + counter + write(one), hashlib.sha256
    ).digest()


class Cookies:
    """Cookies that need no memory: what was sent to a source within the last ten to twenty minutes is good.

    They are words, for patchers can hardly send a blob; they begin with a letter, lest one be taken for a number.
    """

    def __init__(self, secret: bytes | None = None, *, slot_s: float = limits.OSC_STAY_S) -> None:
        self._secret = secrets.token_bytes(32) if secret is None else secret
        self._slot_s = slot_s

    def bake(self, source: Source, now_s: float, slots_ago: int = 0, *, reply_port: int | None = None) -> str:
        """What only who reads at the source, or at `reply_port` of its host, can know. The port is part of it."""
        slot = int(now_s // self._slot_s) - slots_ago
        text = f"{source[0]} {source[1]} {slot} {reply_port or ''}".encode()
        digits = hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:_COOKIE_DIGITS]
        return f"k{digits}" + (f"p{reply_port}" if reply_port else "")

    def good_until_s(self, cookie: str, source: Source, now_s: float) -> float | None:
        """When a cookie of this source is good no longer; None if it is not good now."""
        port = reply_port_in(cookie)
        for ago in (0, 1):
            if hmac.compare_digest(cookie.encode(), self.bake(source, now_s, ago, reply_port=port).encode()):
                return (now_s // self._slot_s - ago + 2) * self._slot_s
        return None


def reply_port_in(cookie: str) -> int | None:
    """The port at which the bearer of a cookie receives; None for the one that it sends from."""
    digits = cookie.partition("p")[2]
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 5 else None


class ReplayWindow:
    """Counters that came: each is good once, and only within 1024 of the highest."""

    def __init__(self) -> None:
        self._highest = -1
        self._seen = 0  # bit n: highest - n came

    def fresh(self, counter: int) -> bool:
        behind = self._highest - counter
        if behind >= _WINDOW or (behind >= 0 and self._seen >> behind & 1):
            return False
        if behind < 0:
            self._seen = (self._seen << min(-behind, _WINDOW) | 1) & (1 << _WINDOW) - 1
            self._highest = counter
        else:
            self._seen |= 1 << behind
        return True


def peer_of(source: Source, *, ours: bool, entered: bool) -> Peer:
    """Who a source is to the hub: this user (`ours`) or somebody with the token; a peer of its own once it is in."""
    owner, host = (USER, USER) if ours else ("token", source[0])
    identity = f"{source[0]}:{source[1]}" if entered else source[0]
    return Peer(kind="osc", identity=identity, trusted=ours, owner=owner, host=host)


@dataclass(eq=False)
class Guest:
    """A source that has returned its cookie and is let in until `until_s`: then it must say hello again.

    `heard_s` is when its last message came.
    """

    source: Source
    cookie: str
    until_s: float
    heard_s: float
    ours: bool = False
    counters: ReplayWindow = field(default_factory=ReplayWindow)

    @property
    def peer(self) -> Peer:
        """Who it is to the hub."""
        return peer_of(self.source, ours=self.ours, entered=True)


class Guests:
    """Who is in: at most `most`. Room is made by whoever was silent longest, if longer than `attentive_s`."""

    def __init__(
        self,
        *,
        most: int = limits.OSC_GUESTS,
        attentive_s: float = limits.OSC_ATTENTIVE_S,
        stay_s: float = limits.OSC_STAY_S,
    ) -> None:
        self._guests: dict[Source, Guest] = {}
        self._most, self._attentive_s, self._stay_s = most, attentive_s, stay_s

    def __len__(self) -> int:
        return len(self._guests)

    def __iter__(self) -> Iterator[Guest]:
        return iter(self._guests.values())

    def admit(self, source: Source, cookie: str, until_s: float, now_s: float) -> Guest | None:
        """Let a source in, or extend its stay. None when there is no room: nobody is silent enough to go."""
        guest = self._guests.get(source)
        if guest is None:
            if len(self._guests) >= self._most:
                silent = min(self._guests.values(), key=lambda one: one.heard_s)
                if self.attentive(silent, now_s):
                    return None
                silent.until_s = now_s
            guest = self._guests[source] = Guest(source, cookie, 0.0, 0.0)
        guest.cookie, guest.until_s, guest.heard_s = cookie, until_s, now_s
        return guest

    def get(self, source: Source, now_s: float) -> Guest | None:
        guest = self._guests.get(source)
        return guest if guest is not None and guest.until_s > now_s else None

    def heard(self, guest: Guest, now_s: float) -> None:
        """A message of a guest came, of whatever kind: it is here, and stays."""
        guest.heard_s = now_s
        guest.until_s = max(guest.until_s, now_s + self._stay_s)

    def attentive(self, guest: Guest, now_s: float) -> bool:
        """Whether streams may flow to it: it was heard from within the last 30 s."""
        return guest.until_s > now_s and now_s - guest.heard_s <= self._attentive_s

    def expel(self, gone: Callable[[Guest], bool], now_s: float) -> None:
        """End the stay of those of whom `gone` is true."""
        for guest in self._guests.values():
            if gone(guest):
                guest.until_s = now_s

    def forget(self, now_s: float) -> list[Guest]:
        """Those whose time is over, taken out."""
        gone = [guest for guest in self._guests.values() if guest.until_s <= now_s]
        for guest in gone:
            del self._guests[guest.source]
        return gone


class Bucket:
    """So many at once, and so many per second after that."""

    def __init__(self, *, burst: float, per_s: float) -> None:
        self._burst, self._per_s = burst, per_s
        self._left, self._at_s = burst, 0.0

    def take(self, now_s: float) -> bool:
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Buckets:
    """A bucket for each key, at most `most`: where there are more, all begin anew."""

    def __init__(self, *, burst: float, per_s: float, most: int = 1024) -> None:
        self._burst, self._per_s, self._most = burst, per_s, most
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, key: Hashable, now_s: float) -> bool:
        if len(self._buckets) >= self._most:
            self._buckets.clear()
        return self._buckets.setdefault(key, Bucket(burst=self._burst, per_s=self._per_s)).take(now_s)


@dataclass
class Sender:
    """Where a packet of `size` bytes came from and what it may do.

    `proven`: this message cannot be forged, so that it may be answered at length. `answered`: a stranger had its one
    answer to the packet. `receives_at`: where its answers go.
    """

    address: tuple[Any, ...]
    receives_at: tuple[Any, ...]
    peer: Peer
    guest: Guest | None
    size: int
    proven: bool
    answered: bool = False

    @property
    def source(self) -> Source:
        return self.address[0], self.address[1]
