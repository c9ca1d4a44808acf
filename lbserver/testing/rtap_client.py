# SPDX-License-Identifier: GPL-3.0-or-later
"""The Max system's protocol from its other end: a client written from its description alone."""

import contextlib
import queue
import socket
import struct
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE, WINDOW = 44_100, 264_600
FRAME = 1764
"""Of the accompanists here, on the client's clock: 1920 samples at 48 kHz."""
STEMS = ("bass", "drums", "guitar", "piano")
Samples = NDArray[np.float32]


def osc(address: str, *arguments: object, floats: Samples | None = None) -> bytes:
    """A message as the patch sends it."""

    def padded(text: str) -> bytes:
        data = text.encode() + b"\0"
        return data + bytes(-len(data) % 4)

    tags, body = ",", b""
    for value in arguments:
        if isinstance(value, bool):
            tags += "T" if value else "F"
        elif isinstance(value, int):
            tags, body = tags + "i", body + struct.pack(">i", value)
        elif isinstance(value, float):
            tags, body = tags + "f", body + struct.pack(">f", value)
    if floats is not None:
        tags += "f" * len(floats)
        body += floats.astype(">f4").tobytes()
    return padded(address) + padded(tags) + body


class RtapClient:
    """Sends its mix by steps, puts what comes back where its batch says: that is all the patch does."""

    def __init__(self, *, ratio: float = 0.25, ahead: int = 1, fade: float = 0.02) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("127.0.0.1", 0))
        self._arrived: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.server = ("127.0.0.1", 0)
        self.ratio, self.ahead, self.fade, self.package = ratio, ahead, fade, 5120
        self.cursor, self.batch = 0, 0
        self.targets: dict[int, tuple[int, int]] = {}
        self.buffers: dict[str, Samples] = {stem: np.zeros(90 * RATE, np.float32) for stem in STEMS}
        self.written: dict[str, list[tuple[int, int]]] = {stem: [] for stem in STEMS}
        self._parts: dict[tuple[str, int], dict[int, Samples]] = {}

    def _read(self) -> None:
        """A socket that is read late loses what does not fit its buffer."""
        with contextlib.suppress(OSError):
            while True:
                self._arrived.put(self.socket.recv(1 << 16))

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    def send(self, address: str, *arguments: object, floats: Samples | None = None) -> None:
        self.socket.sendto(osc(address, *arguments, floats=floats), self.server)

    def chunks(self, mix: Samples) -> list[bytes]:
        """The next step of a mix as datagrams, and where its answer belongs."""
        step = int(WINDOW * self.ratio)
        self.batch += 1
        part = mix[self.cursor : self.cursor + step]
        self.cursor += step
        begin = self.cursor + self.ahead * step
        self.targets[self.batch] = (begin - int(self.fade * RATE), begin + step)
        starts = range(0, step, self.package)
        return [
            osc("/context", self.batch, start, len(starts), floats=part[start : start + self.package])
            for start in starts
        ]

    def step(self, mix: Samples, *, lost: tuple[int, ...] = ()) -> int:
        """Send the next step of a mix, but for chunks that are lost; its batch."""
        for index, data in enumerate(self.chunks(mix)):
            if index not in lost:
                self.socket.sendto(data, self.server)
            if index % 4 == 3:  # a burst would overflow the buffer of a socket that is read late
                time.sleep(0.001)
        return self.batch

    def receive(self, timeout_s: float = 60.0) -> tuple[str, tuple[Any, ...]]:
        """The next message; stem chunks are kept, and written when the last of them is there. Raises queue.Empty: none came."""
        data = self._arrived.get(timeout=timeout_s)
        address = data[: data.index(b"\0")].decode()
        at = (len(address) // 4 + 1) * 4
        tags = data[at : data.index(b"\0", at)].decode()
        at += (len(tags) // 4 + 1) * 4
        values: list[Any] = []
        for tag in tags[1:].rstrip("f"):
            if tag in "TF":
                values.append(tag == "T")
            else:
                values.append(struct.unpack_from(">i", data, at)[0])
                at += 4
        floats = np.frombuffer(data, ">f4", offset=at).astype(np.float32)
        stem = address[1:]
        if stem in self.buffers:
            batch, index, total = values[:3]
            parts = self._parts.setdefault((stem, batch), {})
            parts[index] = floats
            if len(parts) == total:
                audio = np.concatenate([parts[i] for i in range(total)])
                begin, end = self.targets[batch]
                assert len(audio) == end - begin, "r T and the fade before it"
                low = max(0, -begin)
                self.buffers[stem][begin + low : end] = audio[low:]
                self.written[stem].append((batch, end))
            return address, (batch, index, total)
        return address, (*values, *floats.tolist())

    def drain(self, quiet_s: float = 0.5) -> list[tuple[str, tuple[Any, ...]]]:
        """All that comes until nothing does for so long."""
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self.receive(quiet_s))
        return found

    def begin_anew(self) -> None:
        """Numbers from 1 again, nothing written: a client after its /reset."""
        self.cursor = self.batch = 0
        self.targets.clear()
        self._parts.clear()
        for stem in STEMS:
            self.buffers[stem][:] = 0.0
            self.written[stem].clear()

    @property
    def anticipation(self) -> int:
        """Frames that must be written ahead: what lies between the cursor and the end of what is asked for, and the delay of
        both resamplers, which is less than a frame.
        """
        return int((self.ahead + 1) * int(WINDOW * self.ratio) / FRAME) + 1

    def until(self, wanted: str, value: object = None) -> tuple[Any, ...]:
        """The values of the next message of an address, with this first value if there is one."""
        while True:
            address, values = self.receive()
            if address == wanted and (value is None or values[0] == value):
                return values

    def play(self, mix: Samples, steps: int) -> None:
        """Steps one after the other, each answered."""
        for _ in range(steps):
            self.step(mix)
            self.until("/server_predicted")


def copied(mix: Samples, ahead: int) -> Samples:
    """What an accompanist that copies frames gives `ahead` frames ahead: the mix, 1 + A frames later."""
    delay = (1 + ahead) * FRAME
    return np.concatenate([np.zeros(delay, np.float32), mix])[: len(mix)]


def music(seconds: float, seed: int = 1) -> Samples:
    """Noise below the resampler's corner, so that what comes back can be compared sample by sample."""
    noise = np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype(np.float32)
    smooth = np.convolve(noise, np.hanning(33) / 16, mode="same")
    return (0.1 * smooth / smooth.std()).astype(np.float32)
