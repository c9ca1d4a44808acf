# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving end of an audio stream: packets into place by position, missing ones asked for again. Holds no clock.

What has come in one piece is given on at once. A gap is waited for until `target_s` after the moment at which its
packet would have come over the network as it usually is; then it is given up, and stays empty. So a clean stream is
not delayed, and waiting costs nothing until something is missing.

Nothing is resampled here. The positions in the packets are the clock of whoever sends, the server works by position,
and what it plays goes back for the same positions: two clocks never meet on the server. They meet where audio of one
clock is played by a device of another, and there lbserver.audio.drift follows the sender.

The wait adapts to lateness alone: it grows at once to what the latest packet of the last ten seconds took longer than
the fastest, and is back at its base ten seconds after the last late one. Packets that were lost and sent again do not
count: a lossy network is not a slow one.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import NamedTuple

from lbmodels.contract.accompanist import Audio
from lbserver.transports.osc.audio import AudioPacket


@dataclass(frozen=True, kw_only=True)
class JitterConfig:
    """base_ms: the least wait for a missing packet. A packet later than most_ms is a pause, not jitter."""

    base_ms: float = 60.0
    most_ms: float = 250.0
    request_every_ms: float = 10.0
    requests_per_call: int = 16
    most_requests: int = 8
    horizon_packets: int = 1024


class Piece(NamedTuple):
    """Samples from `position` on: audio [C, samples], or None where they never came.

    Pieces follow each other, except after a jump of the sender's.
    """

    position: int
    samples: int
    audio: Audio | None


@dataclass(kw_only=True)
class Counts:
    """What became of the packets. lost: never came in time, in no copy. late: the first copy came after its time."""

    received: int = 0
    duplicates: int = 0
    lost: int = 0
    late: int = 0
    recovered: int = 0
    requested: int = 0
    misplaced: int = 0
    jumps: int = 0
    pauses: int = 0


class _Missing:
    __slots__ = ("first_s", "next_s", "since_s", "tries")

    def __init__(self, now_s: float, patience_s: float) -> None:
        self.since_s = now_s
        self.first_s = -1.0
        self.next_s = now_s + patience_s
        self.tries = 0


class JitterBuffer:
    """Packets of one stream in any order, pieces in order of position.

    State: what comes next (sequence and position), packets that wait, packets that are missing, those given up
    lately, and the network's pace. All of it is bounded by `horizon_packets`.
    """

    def __init__(
        self, *, rate_hz: int, config: JitterConfig | None = None, sequence: int = 0, position: int = 0
    ) -> None:
        self.counts = Counts()
        self._rate_hz = rate_hz
        self._config = JitterConfig() if config is None else config
        self._sequence = sequence  # unwrapped; the next to be given on
        self._end = sequence  # behind the newest seen
        self._position = position
        self._waiting: dict[int, AudioPacket] = {}
        self._missing: dict[int, _Missing] = {}
        self._given_up: OrderedDict[int, int] = OrderedDict()
        self._pace = Pace(base_s=self._config.base_ms / 1000, most_s=self._config.most_ms / 1000)
        self._round_trip = _Greatest(10, 1.0)  # of its negative: the quickest answer
        self._overtaken = _Greatest(10, 1.0)  # how long after a later packet one came that was not lost
        self._stranger: tuple[int, int] | None = None
        self._asked: deque[float] = deque(maxlen=self._config.requests_per_call)

    @property
    def target_s(self) -> float:
        """How long a gap is waited for."""
        return self._pace.target_s

    @property
    def position(self) -> int:
        """Where the next piece begins."""
        return self._position

    @property
    def waiting(self) -> int:
        """Packets held back by a gap."""
        return len(self._waiting)

    @property
    def paced(self) -> bool:
        """Whether a packet has come: before, there is no telling when others are due."""
        return self._pace.anchor_s > float("-inf")

    def due_s(self, position: int) -> float:
        """When what lies before `position` is waited for no longer; minus infinity before the first packet."""
        return self._pace.anchor_s + position / self._rate_hz + self._pace.target_s

    def push(self, packet: AudioPacket, now_s: float) -> None:
        """A packet that came now."""
        sequence = _unwrapped(packet.sequence, self._end)
        ahead = sequence - self._sequence
        if abs(ahead) > self._config.horizon_packets:
            self._meet_stranger(packet, sequence, now_s)
            return
        end = packet.position + packet.samples.shape[-1]
        if ahead < 0:
            self._push_behind(sequence, packet, end, now_s)
            return
        if sequence in self._waiting:
            self.counts.duplicates += 1
            return
        self.counts.received += 1
        self._waiting[sequence] = packet
        patience_s = min(self._overtaken.value, self.target_s / 2) if self._overtaken.known else 0.0
        for missed in range(self._end, sequence):
            self._missing[missed] = _Missing(now_s, patience_s)
        self._end = max(self._end, sequence + 1)
        asked = self._missing.pop(sequence, None)
        if packet.again:
            self.counts.recovered += 1
            if asked is not None and asked.tries:
                self._round_trip.add(asked.first_s - now_s, now_s)
        else:
            if asked is not None:
                self._overtaken.add(now_s - asked.since_s, now_s)
            self._measure(end, now_s)

    def take(self, now_s: float) -> list[Piece]:
        """What can be given on now, in order."""
        pieces: list[Piece] = []
        while self._waiting:
            packet = self._waiting.pop(self._sequence, None)
            if packet is not None:
                self._sequence += 1
                self._give(packet, pieces)
            elif not self._give_up(now_s, pieces):
                break
        return pieces

    def requests(self, now_s: float) -> list[tuple[int, int]]:
        """Sequences to ask for again, as ranges (first, last) on the wire; few enough never to make a storm."""
        every_s = self._config.request_every_ms / 1000
        wanted: list[int] = []
        if not self._missing:
            return []
        reply_s = -self._round_trip.value if self._round_trip.known else 0.0
        for sequence in sorted(self._missing):
            missing = self._missing[sequence]
            if missing.next_s > now_s or missing.tries >= self._config.most_requests:
                continue
            if self._time_left(sequence, now_s) < reply_s:
                continue  # the answer would come too late
            if len(self._asked) == self._asked.maxlen and now_s - self._asked[0] < every_s - 1e-9:
                break
            self._asked.append(now_s)
            missing.first_s = now_s if not missing.tries else missing.first_s
            missing.tries += 1
            missing.next_s = now_s + every_s
            wanted.append(sequence)
        self.counts.requested += len(wanted)
        return _ranges(wanted)

    def _time_left(self, sequence: int, now_s: float) -> float:
        """Until a missing packet is given up, counted as if all packets were as long as the last one."""
        newest = self._waiting.get(self._end - 1)
        if newest is None:
            return self._pace.target_s
        end = newest.position - (self._end - 2 - sequence) * newest.samples.shape[-1]
        return self.due_s(end) - now_s

    def _give(self, packet: AudioPacket, pieces: list[Piece]) -> None:
        length = packet.samples.shape[-1]
        behind = self._position - packet.position
        if behind >= length:
            self.counts.misplaced += 1
            return
        if behind > 0:
            self.counts.misplaced += 1
            packet = packet._replace(position=self._position, samples=packet.samples[:, behind:])
        elif behind < 0:
            if -behind <= self._rate_hz // 2:
                pieces.append(Piece(self._position, -behind, None))
            else:
                self.counts.jumps += 1
        pieces.append(Piece(packet.position, packet.samples.shape[-1], packet.samples))
        self._position = packet.position + packet.samples.shape[-1]

    def _give_up(self, now_s: float, pieces: list[Piece]) -> bool:
        """Leave the packet that is next in line empty, if its time is over."""
        first = min(self._waiting)
        gap = max(0, self._waiting[first].position - self._position)
        share = gap // (first - self._sequence)
        if now_s < self.due_s(self._position + share):
            return False
        self._missing.pop(self._sequence, None)
        self._given_up[self._sequence] = self._position
        if len(self._given_up) > self._config.horizon_packets:
            self._given_up.popitem(last=False)
        self.counts.lost += 1
        self._sequence += 1
        if share and gap <= self._rate_hz // 2:
            pieces.append(Piece(self._position, share, None))
            self._position += share
        return True

    def _push_behind(self, sequence: int, packet: AudioPacket, end: int, now_s: float) -> None:
        """A packet whose place was given on already: a copy, or too late."""
        if self._given_up.pop(sequence, None) is None:
            self.counts.duplicates += 1
            return
        if packet.again:
            self._given_up[sequence] = packet.position  # still lost: its first copy may come yet
            return
        self.counts.lost -= 1
        self.counts.late += 1
        self._measure(end, now_s)

    def _measure(self, end: int, now_s: float) -> None:
        if not self._pace.measure(now_s - end / self._rate_hz, now_s):
            self.counts.pauses += 1

    def _meet_stranger(self, packet: AudioPacket, sequence: int, now_s: float) -> None:
        """A sequence far from all others: damage if it is alone, a jump of the sender's if the next one follows."""
        follows = self._stranger == (sequence, packet.position)
        self._stranger = (sequence + 1, packet.position + packet.samples.shape[-1])
        if not follows:
            self.counts.misplaced += 1
            return
        self.counts.jumps += 1
        self._waiting.clear()
        self._missing.clear()
        self._given_up.clear()
        self._sequence = self._end = sequence
        self._position = packet.position
        self._stranger = None
        self.push(packet, now_s)


class Pace:
    """How long packets take: the fastest of the last two seconds, and the slowest of the last ten beside it."""

    def __init__(self, *, base_s: float, most_s: float) -> None:
        self._base_s, self._most_s = base_s, most_s
        self._fastest = _Greatest(4, 0.5)  # of its negative
        self._excess = _Greatest(10, 1.0)

    @property
    def anchor_s(self) -> float:
        """Arrival time of position 0 over the network at its fastest; minus infinity while unknown."""
        return -self._fastest.value if self._fastest.known else float("-inf")

    @property
    def target_s(self) -> float:
        late_s = self._excess.value * 1.1 if self._excess.known else 0.0
        return min(self._most_s, max(self._base_s, late_s))

    def measure(self, transit_s: float, now_s: float) -> bool:
        """A packet's time of arrival less the time its last sample stands for. False for a pause: begin anew."""
        usual = not self._fastest.known or transit_s - self.anchor_s <= self._most_s
        if not usual:
            self._fastest.clear()
        self._fastest.add(-transit_s, now_s)
        if usual:
            self._excess.add(transit_s - self.anchor_s, now_s)
        return usual


class _Greatest:
    """The greatest of the last `count` spans of `span_s`; known after the first value."""

    def __init__(self, count: int, span_s: float) -> None:
        self._spans: deque[tuple[int, float]] = deque(maxlen=count)
        self._count, self._span_s = count, span_s
        self.value = 0.0

    @property
    def known(self) -> bool:
        return bool(self._spans)

    def add(self, value: float, now_s: float) -> None:
        span = int(now_s / self._span_s)
        spans = self._spans
        if spans and spans[-1][0] == span:
            if value > spans[-1][1]:
                spans[-1] = (span, value)
                self.value = max(self.value, value)
            return
        while spans and spans[0][0] <= span - self._count:
            spans.popleft()
        spans.append((span, value))
        self.value = max(greatest for _, greatest in spans)

    def clear(self) -> None:
        self._spans.clear()


def _unwrapped(wire: int, near: int) -> int:
    """The sequence nearest to `near` that is `wire` modulo 2^32."""
    return near + ((wire - near + 0x80000000) & 0xFFFFFFFF) - 0x80000000


def _ranges(sequences: list[int]) -> list[tuple[int, int]]:
    """Runs of consecutive sequences, as on the wire."""
    ranges: list[tuple[int, int]] = []
    for sequence in sequences:
        if ranges and sequence == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], sequence)
        else:
            ranges.append((sequence, sequence))
    return [(first & 0xFFFFFFFF, last & 0xFFFFFFFF) for first, last in ranges]
