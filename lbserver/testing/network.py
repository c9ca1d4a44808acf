# SPDX-License-Identifier: GPL-3.0-or-later
"""A network between two peers on a clock that the caller turns: seeded loss, bursts, duplicates, delay and jitter.

`UdpRelay` is the same between two sockets, on the wall's clock.
"""

import heapq
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Network:
    """One direction. Each packet takes `delay_ms` plus up to `jitter_ms`, so packets overtake each other.

    loss is independent per packet. With `burst_packets` > 1 losses come in bursts of that mean length instead (a
    Gilbert-Elliott channel that loses everything while it is bad).
    """

    delay_ms: float = 10.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    burst_packets: float = 1.0


class Relay(Generic[Item]):
    """Packets on their way. The same seed and the same calls give the same fate to every packet."""

    def __init__(self, network: Network, seed: int) -> None:
        self.network = network
        self.sent = 0
        self.lost = 0
        self.sent_bytes = 0
        self._random = np.random.default_rng(seed)
        self._draws: list[float] = []
        self._bad = False
        self._waiting: list[tuple[float, int, Item]] = []

    def send(self, item: Item, now_s: float) -> None:
        self.sent += 1
        self.sent_bytes += len(item) if isinstance(item, bytes) else 0
        if self._loses():
            self.lost += 1
            return
        for _ in range(2 if self._draw() < self.network.duplicate else 1):
            due_s = now_s + (self.network.delay_ms + self._draw() * self.network.jitter_ms) / 1000
            heapq.heappush(self._waiting, (due_s, self.sent, item))

    def arrived(self, now_s: float) -> list[Item]:
        """What arrives up to now, in the order of arrival."""
        items = []
        while self._waiting and self._waiting[0][0] <= now_s:
            items.append(heapq.heappop(self._waiting)[2])
        return items

    @property
    def next_s(self) -> float:
        """When the next packet arrives; infinity if none is on its way."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def _loses(self) -> bool:
        network = self.network
        if network.burst_packets <= 1:
            return self._draw() < network.loss
        leave = 1 / network.burst_packets
        enter = leave * network.loss / (1 - network.loss)
        self._bad = self._draw() >= leave if self._bad else self._draw() < enter
        return self._bad

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._random.random(4096).tolist()
        return self._draws.pop()


class UdpRelay:
    """Two directions between a client and a server of UDP on this machine: what comes to a front goes on to its `to`, late or never.

    `fronts` are two ports, of the way forth and of the way back; `to` is set by whoever knows where these lead.
    """

    def __init__(self, network: Network, seed: int) -> None:
        self.ways: tuple[Relay[bytes], Relay[bytes]] = (Relay(network, seed), Relay(network, seed + 1))
        self.to: list[int] = [0, 0]
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            each.bind(("127.0.0.1", 0))
        self.fronts = tuple(int(each.getsockname()[1]) for each in self._sockets)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            wait = min(way.next_s for way in self.ways) - time.monotonic()
            ready, _, _ = select.select(self._sockets, [], [], min(0.05, max(0.0, wait)))
            now = time.monotonic()
            for each, way, to in zip(self._sockets, self.ways, self.to, strict=True):
                if each in ready:
                    way.send(each.recv(1 << 16), now)
                for data in way.arrived(now):
                    each.sendto(data, ("127.0.0.1", to))

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
