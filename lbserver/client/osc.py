# SPDX-License-Identifier: GPL-3.0-or-later
"""The client for OSC, for scripts and patches: handshake, signatures, control, and audio out and back. Blocking, one thread.

with OscClient(("127.0.0.1", 9460)) as client:
    client.enter()
    stream = client.open("guitar", stem="bass", rate_hz=48000, channels=2)
    stream.send(block)                      # [C, T], in real time
    for piece in stream.receive(0.01): ...  # stem pieces by position
"""

import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Self

from lbmodels.contract.accompanist import Audio
from lbserver.client.errors import RefusedError, ServerGoneError
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.osc import MAX_PACKET_BYTES
from lbserver.transports.osc.addresses import Call, compose, understand
from lbserver.transports.osc.audio import Packetizer, decode, signed32
from lbserver.transports.osc.doorway import SIGNATURE_BYTES, sign
from lbserver.transports.osc.packet import Argument, Message, bundles, parse, timed_messages, write
from lbserver.transports.osc.stream import JitterBuffer, JitterConfig, Piece

_STEM, _RESEND = "/lb/<session>/stem", "/lb/<session>/resend"


class OscClient:
    """A socket to one server. `heard` collects what came and was not asked for: (call, message)."""

    def __init__(self, address: tuple[str, int], *, token: bytes = b"", timeout_s: float = 5.0) -> None:
        self.heard: deque[tuple[Call, Message]] = deque(maxlen=4096)
        self.timeout_s = timeout_s
        self._unread: deque[Call] = deque(maxlen=4096)
        self.streams: dict[str, OscStream] = {}
        self._token, self._cookie, self._counter = token, "", time.monotonic_ns() // 1000
        info = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
        self.socket = socket.socket(info[0], socket.SOCK_DGRAM)
        self.socket.connect(info[4])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, *messages: Message) -> None:
        """One message, or several as a bundle."""
        signed = [self._signed(one) for one in messages]
        packets = [write(signed[0])] if len(signed) == 1 else bundles(signed, largest_bytes=MAX_PACKET_BYTES)
        for packet in packets:
            self.socket.send(packet)

    def call(self, pattern: str, *arguments: Argument, **names: str) -> None:
        """A call of the address table, its arguments as the table has them."""
        self.send(compose(pattern, *arguments, **names))

    def enter(self) -> None:
        """Hello, welcome, cookie, ping, pong. Raises ClientError: no answer, or another version."""
        self._cookie = ""
        self.call("/lb/hello", MAJOR, MINOR, "liveband")
        cookie = str(self.expect("/lb/welcome").arguments["cookie"])
        self.call("/lb/cookie", cookie)
        self._cookie = cookie
        self.call("/lb/ping", 1)
        self.expect("/lb/pong")

    def stay(self) -> None:
        """Return the cookie again; once in less than 30 s where no audio is sent."""
        cookie, self._cookie = self._cookie, ""
        self.call("/lb/cookie", cookie)
        self._cookie = cookie

    def open(
        self, session: str, *, stem: str, rate_hz: int, channels: int, block_samples: int = 128, mode: str = "live",
        anticipation_ms: float | None = None, sample_format: str = "f32", redundancy: int = 1,
        jitter: JitterConfig | None = None,
    ) -> "OscStream":  # fmt: skip
        """Open a session. Raises RefusedError with the server's reason."""
        wish = (session, stem, rate_hz, channels, block_samples, mode)
        self.call("/lb/open", *wish, *(() if anticipation_ms is None else (float(anticipation_ms),)))
        opened = self.expect("/lb/<session>/opened").arguments
        stream = OscStream(
            self,
            session,
            Packetizer(
                address=f"/lb/{session}/audio",
                stream=int(opened["stream"]),
                channels=channels,
                sample_format=sample_format,
                redundancy=redundancy,
                largest_bytes=MAX_PACKET_BYTES - (SIGNATURE_BYTES + 8 if self._token else 0),
            ),
            JitterBuffer(rate_hz=rate_hz, config=jitter),
        )
        stream.latency_samples = int(opened["latency_samples"])
        stream.anticipation_samples = float(opened["anticipation_samples"])
        stream.stem_channels = min(2, channels)
        self.streams[session] = stream
        return stream

    def receive(self, timeout_s: float = 0.0) -> list[tuple[Call, Message]]:
        """What came within a time, audio handled; returns as soon as something did."""
        self.socket.settimeout(timeout_s or 1e-6)
        calls: list[tuple[Call, Message]] = []
        while True:
            try:
                data = self.socket.recv(1 << 16)
            except (TimeoutError, BlockingIOError):
                return calls
            except ConnectionError:
                raise ServerGoneError("no server listens there") from None
            for _, one in timed_messages(parse(data)):
                call = understand(one, "out")
                stream = self.streams.get(call.names.get("session", ""))
                if stream is None or not stream.take(call, one):
                    calls.append((call, one))
                    self.heard.append((call, one))
            self.socket.settimeout(1e-6)

    def expect(self, pattern: str, good: Callable[[Call], bool] = lambda _: True) -> Call:
        """The next message of a pattern. Raises RefusedError for an error that comes before it, ServerGoneError for silence."""
        deadline_s = time.monotonic() + self.timeout_s
        while True:
            while self._unread:
                call = self._unread.popleft()
                if call.pattern == pattern and good(call):
                    return call
                if call.pattern == "/lb/error":
                    told = dict[str, Any](call.arguments)
                    raise RefusedError(str(told["code"]), "{code}: {text}".format_map(told))
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                break
            self._unread.extend(call for call, _ in self.receive(left_s))
        raise ServerGoneError(f"no {pattern} from the server within {self.timeout_s:g} s")

    def _signed(self, one: Message) -> Message:
        if not self._token:
            return one
        self._counter += 1
        handshake = one.address in ("/lb/hello", "/lb/cookie")
        return sign(one, self._token, self._counter, "" if handshake else self._cookie)

    def transmit(self, datagrams: list[bytes]) -> None:
        """Audio on its way, signed if need be."""
        for datagram in datagrams:
            if self._token:
                one = parse(datagram)
                assert isinstance(one, Message)
                datagram = write(self._signed(one))
            self.socket.send(datagram)


class OscStream:
    """One session's audio: mix out, stem back by position."""

    latency_samples = 0
    anticipation_samples = 0.0
    stem_channels = 1

    def __init__(self, client: OscClient, session: str, mix: Packetizer, stem: JitterBuffer) -> None:
        self.session, self.buffer = session, stem
        self._client, self._mix = client, mix

    @property
    def position(self) -> int:
        """Samples sent."""
        return self._mix.position

    def send(self, block: Audio) -> None:
        """The next mix samples [C, T]."""
        self._client.transmit(self._mix.push(block))

    def receive(self, timeout_s: float = 0.0) -> list[Piece]:
        """Stem that came, by position; asks again for what is missing."""
        self._client.receive(timeout_s)
        now_s = time.monotonic()
        for first, last in self.buffer.requests(now_s):
            stream = self._mix.stream
            self._client.call(_RESEND, stream, signed32(first), signed32(last), session=self.session)
        return self.buffer.take(now_s)

    def take(self, call: Call, one: Message) -> bool:
        """A stem packet, or a request for mix packets; False for anything else."""
        if call.pattern not in (_STEM, _RESEND):
            return False
        if call.arguments["stream"] == self._mix.stream:
            now_s = time.monotonic()
            if call.pattern == _STEM:
                self.buffer.push(decode(one, self.stem_channels), now_s)
            else:
                arguments: dict[str, Any] = dict(call.arguments)
                wanted = (arguments["first"] & 0xFFFFFFFF, arguments["last"] & 0xFFFFFFFF)
                self._client.transmit(self._mix.again(*wanted, now_s))
        return True
