# SPDX-License-Identifier: GPL-3.0-or-later
"""An audio stream over a bad network, on a virtual clock: every packet's fate is drawn from a seed."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.testing.network import Network, Relay
from lbserver.transports.osc.audio import Packetizer, decode
from lbserver.transports.osc.packet import Message, parse
from lbserver.transports.osc.stream import Counts, JitterBuffer, JitterConfig, Piece

RATE_HZ = 48000
SAMPLES = 128
ADDRESS = "/lb/a/audio"
REQUEST_BYTES = 40


@dataclass
class Outcome:
    """What a run gave: pieces, counters, bytes both ways, and how far memory and time went."""

    pieces: list[Piece] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)
    forth_bytes: int = 0
    back_bytes: int = 0
    packet_bytes: int = 0
    most_waiting: int = 0
    targets_s: list[tuple[float, float]] = field(default_factory=list)

    @property
    def audio(self) -> Audio:
        """All pieces end to end, silence where one is missing."""
        return np.concatenate(
            [np.zeros((2, p.samples), np.float32) if p.audio is None else p.audio for p in self.pieces],
            axis=1,
        )


def mix(samples: int) -> Audio:
    return (0.1 * np.random.default_rng(7).standard_normal((2, samples))).astype(np.float32)


def transmit(
    packets: int,
    network: Network,
    *,
    seed: int = 0,
    redundancy: int = 1,
    resend: bool = True,
    sequence: int = 0,
    base_ms: float = 60.0,
    change: Callable[[float], Network] | None = None,
) -> Outcome:
    """Send `packets` of 128 samples at 48 kHz through a network and take what comes out, each 5 ms and on arrival."""
    outcome = Outcome()
    packetizer = Packetizer(address=ADDRESS, stream=1, channels=2, redundancy=redundancy, sequence=sequence)
    buffer = JitterBuffer(rate_hz=RATE_HZ, config=JitterConfig(base_ms=base_ms), sequence=sequence)
    forth: Relay[bytes] = Relay(network, seed)
    back: Relay[tuple[int, int]] = Relay(replace(network, duplicate=0.0), seed + 1000)
    audio = mix(packets * SAMPLES)
    sent, tick_s, end_s = 0, 0.0, packets * SAMPLES / RATE_HZ + 1.0
    while True:
        send_s = (sent + 1) * SAMPLES / RATE_HZ if sent < packets else math.inf
        now_s = min(send_s, tick_s, forth.next_s, back.next_s)
        if now_s > end_s:
            break
        if change is not None:
            forth.network = change(now_s)
        if now_s == send_s:
            for datagram in packetizer.push(audio[:, sent * SAMPLES : (sent + 1) * SAMPLES]):
                forth.send(datagram, now_s)
                outcome.packet_bytes = len(datagram)
            sent += 1
        for first, last in back.arrived(now_s):
            for datagram in packetizer.again(first, last, now_s):
                forth.send(datagram, now_s)
        for datagram in forth.arrived(now_s):
            message = parse(datagram)
            assert isinstance(message, Message)
            buffer.push(decode(message, 2), now_s)
        if now_s == tick_s:
            tick_s += 0.005
        outcome.pieces += buffer.take(now_s)
        outcome.most_waiting = max(outcome.most_waiting, buffer.waiting)
        outcome.targets_s.append((now_s, buffer.target_s)) if change is not None else None
        for wanted in buffer.requests(now_s) if resend else ():
            outcome.back_bytes += REQUEST_BYTES * redundancy
            for _ in range(redundancy):
                back.send(wanted, now_s)
    outcome.counts = buffer.counts
    outcome.forth_bytes = forth.sent_bytes
    assert outcome.audio.shape[-1] >= (packets - 60) * SAMPLES  # it ends where the stream ended
    return outcome


def residual(outcome: Outcome) -> float:
    """Share of samples that never came in time."""
    missing = sum(piece.samples for piece in outcome.pieces if piece.audio is None)
    return missing / sum(piece.samples for piece in outcome.pieces)


def traffic(outcome: Outcome, packets: int) -> float:
    """Bytes both ways, requests included, as a multiple of every packet sent once."""
    return (outcome.forth_bytes + outcome.back_bytes) / (packets * outcome.packet_bytes)
