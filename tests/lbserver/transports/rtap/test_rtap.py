# SPDX-License-Identifier: GPL-3.0-or-later
"""The Max system's protocol: a client written from its description alone plays whole conversations over UDP."""

import asyncio
import contextlib
import queue
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lbserver.errors import LiveBandError
from lbserver.host import callers
from lbserver.testing import accompanists
from lbserver.testing.network import Network, Relay
from lbserver.transports.rtap import packets
from lbserver.transports.rtap.batches import WINDOW_SAMPLES, Batches, Cursor, Recording
from lbserver.transports.rtap.server import RtapConfig, rtap_server

RATE, WINDOW = 44_100, 264_600
FRAME = 1764  # of the accompanists here: 1920 samples at 48 kHz, on the client's clock
STEMS = ("bass", "drums", "guitar", "piano")
Samples = NDArray[np.float32]


def osc(address: str, *arguments: object, floats: Samples | None = None) -> bytes:
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


class Client:
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
        for index, data in enumerate(self.chunks(mix)):
            if index not in lost:
                self.socket.sendto(data, self.server)
            if index % 4 == 3:  # a burst would overflow the buffer of a socket that is read late
                time.sleep(0.001)
        return self.batch

    def receive(self) -> tuple[str, tuple[Any, ...]]:
        """The next message; stem chunks are kept, and written when the last of them is there."""
        data = self._arrived.get(timeout=60.0)
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

    def until(self, wanted: str, value: object = None) -> tuple[Any, ...]:
        while True:
            address, values = self.receive()
            if address == wanted and (value is None or values[0] == value):
                return values

    def play(self, mix: Samples, steps: int) -> None:
        """Steps one after the other, each answered."""
        for _ in range(steps):
            self.step(mix)
            self.until("/server_predicted")


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    """Starts a server for a client in a thread of its own, and ends it."""
    ends: list[Callable[[], None]] = []

    def start(client: Client, load: Callable[[], Any] = accompanists.copy, **config: Any) -> Any:
        ready, loop, box = threading.Event(), asyncio.new_event_loop(), {}

        async def run() -> None:
            done = asyncio.Event()
            box["stop"] = lambda: loop.call_soon_threadsafe(done.set)
            async with rtap_server(RtapConfig(port=0, reply_port=client.port, **config), load) as server:
                box["server"] = server
                ready.set()
                await done.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
        thread.start()
        assert ready.wait(60)
        client.server = ("127.0.0.1", box["server"].address[1])

        def end() -> None:
            box["stop"]()
            thread.join(30)
            loop.close()
            client.socket.close()

        ends.append(end)
        return box["server"]

    yield start
    for end in ends:
        end()


def music(seconds: float, seed: int = 1) -> Samples:
    """Noise below the resampler's corner, so that what comes back can be compared sample by sample."""
    noise = np.random.default_rng(seed).standard_normal(int(seconds * RATE)).astype(np.float32)
    smooth = np.convolve(noise, np.hanning(33) / 16, mode="same")
    return (0.1 * smooth / smooth.std()).astype(np.float32)


def copied(mix: Samples, ahead: float) -> Samples:
    """What an accompanist that copies frames gives: the mix, 1 + A frames later."""
    delay = round((1 + ahead) * FRAME)
    return np.concatenate([np.zeros(delay, np.float32), mix])[: len(mix)]


def anticipation(client: Client) -> int:
    """Frames that must be written ahead: what lies between the cursor and the end of what is asked for, and the delay of
    both resamplers, which is less than a frame.
    """
    exact = (client.ahead + 1) * int(WINDOW * client.ratio) / FRAME
    return int(exact) + 1


def check(client: Client, mix: Samples, stem: str, begin: int, end: int) -> None:
    wanted = copied(mix, anticipation(client))[begin:end]
    found = client.buffers[stem][begin:end]
    assert np.abs(wanted).max() > 0.1
    assert np.abs(found - wanted).max() < 2e-3


def test_a_whole_conversation(serve: Callable[..., Any]) -> None:
    """Audio a few samples off, or a hole where two batches meet, is what users of the published server hear."""
    client, mix = Client(), music(66)
    serve(client)
    assert client.until("/ready") == (True,)
    floats = np.linspace(-1, 1, 3000, dtype=np.float32)
    client.send("/packet_test", 3000, floats=floats)
    echoed = client.until("/packet_test_response")
    assert echoed[0] == 3000
    assert np.array_equal(np.array(echoed[1:], np.float32), floats)
    for address, value in (
        ("/update_package_size", 5120),
        ("/update_r", 0.25),
        ("/update_fade", 0.02),
        ("/w", 1.0),
    ):
        client.send(address, value)
    client.send("/predict_instruments", 1, 0, 0, 1)
    client.send("/load_model")
    client.until("/ready")
    client.play(mix, 40)  # 60 s
    assert client.cursor == 60 * RATE
    for stem in ("bass", "piano"):
        assert [batch for batch, _ in client.written[stem]] == list(range(1, 41))
        check(client, mix, stem, 4 * RATE, client.targets[40][1])
    assert not client.written["drums"]


@pytest.mark.parametrize(("ratio", "ahead"), [(0.125, 1), (0.25, 0), (0.0625, 1), (0.25, -1)])
def test_every_window_is_placed_to_the_sample(serve: Callable[..., Any], ratio: float, ahead: int) -> None:
    client, mix = Client(ratio=ratio, ahead=ahead), music(14)
    serve(client)
    client.send("/update_r", ratio)
    client.send("/w", float(ahead))
    client.play(mix, int(12 / 6 / ratio))
    begin = client.targets[1][1] + 4 * RATE
    check(client, mix, "bass", begin, client.targets[client.batch][1])


def test_r_and_w_change_while_it_plays(serve: Callable[..., Any]) -> None:
    """The step at which r changes must be the step from which positions go on by the new r, at both ends."""
    client, mix = Client(), music(60)
    serve(client)
    rng = random.Random(3)
    for _ in range(10):
        client.ratio, client.ahead = rng.choice([(0.25, 1), (0.125, 1), (0.125, 0), (0.25, 0), (0.0625, 1)])
        client.send("/update_r", client.ratio)
        client.send("/w", float(client.ahead))
        first = client.cursor
        client.play(mix, 3)
        begin, end = client.targets[client.batch]
        if first > 4 * RATE:
            check(client, mix, "bass", begin, end)


def test_a_lost_chunk_leaves_a_hole_and_no_silence(serve: Callable[..., Any]) -> None:
    """The watchdog: a batch that waits for a chunk that never comes stops the music."""
    client, mix = Client(), music(16)
    server = serve(client)
    client.play(mix, 3)
    client.step(mix, lost=(4,))
    client.until("/server_predicted")
    client.play(mix, 3)
    assert server.counts.partial == 1
    hole = slice(3 * 66150 + 4 * 5120, 3 * 66150 + 5 * 5120)
    holed = mix.copy()
    holed[hole] = 0.0
    begin, end = 5 * RATE, client.targets[client.batch][1]
    found, wanted = client.buffers["bass"][begin:end], copied(holed, anticipation(client))[begin:end]
    near = np.zeros(len(wanted), bool)  # the resampler rings at the hole's edges
    for edge in (hole.start, hole.stop):
        at = edge + round((1 + anticipation(client)) * FRAME) - begin
        near[max(0, at - 200) : at + 200] = True
    assert np.abs(found - wanted)[~near].max() < 2e-3


def test_a_batch_that_comes_too_early_is_dropped_and_said(serve: Callable[..., Any]) -> None:
    """Its mix is heard all the same: the next answer knows of it, and lies where it belongs."""
    gate, slow = threading.Event(), accompanists.copy()
    gate.set()

    def load() -> Any:
        play = slow.play

        def waiting(*arguments: Any) -> Any:
            assert gate.wait(30)
            return play(*arguments)

        return accompanists.SmallAccompanist(spec=slow.spec, play=waiting)

    client, mix = Client(), music(20)
    server = serve(client, load)
    client.play(mix, 2)
    gate.clear()
    held = client.step(mix)
    early = client.step(mix)
    assert client.until("/batch_dropped") == (early,)
    gate.set()
    client.until("/server_predicted")
    client.play(mix, 3)
    assert [batch for batch, _ in client.written["bass"]] == [1, 2, held, 5, 6, 7]
    assert server.counts.dropped == 1
    check(client, mix, "bass", client.targets[5][0] + 882, client.targets[7][1])


class Paced(accompanists.SmallAccompanist):
    """Is told how long its steps take."""

    def keep_pace(self, took_s: float, budget_s: float) -> str:
        assert 0 < took_s < 60
        assert budget_s == pytest.approx(1.5)
        return "draft"


def test_a_model_is_told_how_long_it_takes(serve: Callable[..., Any]) -> None:
    """A tier that the machine cannot afford drops every second batch for as long as it is kept."""
    client, mix, plain = Client(), music(6), accompanists.copy()
    server = serve(client, lambda: Paced(spec=plain.spec, play=plain.play))
    client.play(mix, 1)
    assert server.tier == "draft"


def test_a_batch_lost_whole_moves_nothing(serve: Callable[..., Any]) -> None:
    client, mix = Client(), music(16)
    serve(client)
    client.play(mix, 3)
    client.chunks(mix)
    client.play(mix, 4)
    begin, end = client.targets[client.batch]
    check(client, mix, "bass", begin, end)


def test_reset_forgets_what_was_heard(serve: Callable[..., Any]) -> None:
    """A client that begins anew counts from 1 again, and must not hear its last take."""
    client, mix = Client(), music(12)
    serve(client)
    client.play(mix, 4)
    client.send("/reset", 1)
    again = music(12, seed=9)
    client.cursor = client.batch = 0
    client.targets.clear()
    client._parts.clear()
    for buffer in client.buffers.values():
        buffer[:] = 0.0
    client.play(again, 4)
    check(client, again, "bass", 4 * RATE, client.targets[4][1])
    assert not client.buffers["bass"][: 2 * 66150].any()


def test_through_a_network_that_loses_and_shuffles(serve: Callable[..., Any]) -> None:
    """2 % loss and 20 ms of jitter: holes, and nothing out of place."""
    client, mix = Client(), music(34)
    client.package = 1280
    server = serve(client)
    client.send("/update_package_size", 5120)
    relay: Relay[bytes] = Relay(Network(delay_ms=10, jitter_ms=20, loss=0.02), seed=4)
    now = 0.0
    for _ in range(20):
        for data in client.chunks(mix):
            relay.send(data, now)
            now += 0.001
        while relay.next_s < float("inf"):
            now = relay.next_s
            for data in relay.arrived(now):
                client.socket.sendto(data, client.server)
                time.sleep(0.0003)
        client.until("/server_predicted")
    assert relay.lost > 5
    assert server.counts.played == 20
    assert server.counts.partial > 3
    begin, end = 6 * RATE, client.targets[20][1]
    found, wanted = client.buffers["bass"][begin:end], copied(mix, anticipation(client))[begin:end]
    off = np.abs(found - wanted) > 2e-3
    lost = relay.lost * (client.package + 400)
    assert 0 < off.sum() < lost


def test_nonsense_changes_nothing(serve: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    """Bytes of strangers, impossible settings: said in the log, and the music goes on."""
    client, mix = Client(), music(12)
    serve(client)
    client.play(mix, 2)
    rng = random.Random(2)
    for data in (b"", b"x", b"/context\0\0\0\0", b"#bundle\0" + bytes(8), rng.randbytes(900)):
        client.socket.sendto(data, client.server)
    for address, value in (("/update_r", 2.0), ("/update_r", float("nan")), ("/w", 3.0), ("/update_fade", -1.0),
                           ("/update_package_size", 9), ("/nothing", 1)):  # fmt: skip
        client.send(address, value)
    client.send("/context", 3, -5, 1, floats=np.zeros(10, np.float32))
    client.send("/context", 3, 0, 1 << 30, floats=np.zeros(10, np.float32))
    client.send("/context", 3, 0, 1)
    for number in (3e9, -3e9):  # no answer could bear it
        client.socket.sendto(
            b"/context\0\0\0\0,diif\0\0\0" + struct.pack(">diif", number, 0, 1, 0.5), client.server
        )
    client.send("/update_r", 0.5)  # with w = 1 it is more than a window holds: r stays as it is
    client.play(mix, 2)
    check(client, mix, "bass", 4 * RATE, client.targets[4][1])
    assert not [record for record in caplog.records if record.exc_info or record.name == "asyncio"]


def test_who_is_heard(serve: Callable[..., Any]) -> None:
    """A named peer alone, or this user's programs on this machine: nobody learns of the rest by an answer."""
    client = Client()
    server = serve(client)
    client.until("/ready")
    assert not server._is_heard(("192.0.2.7", 5000))
    with pytest.raises(LiveBandError, match="no address"):
        asyncio.run(enter(RtapConfig(port=0, peer="not a name")))
    with pytest.raises(LiveBandError, match="--rtap-ports"):
        asyncio.run(enter(RtapConfig(port=server.address[1])))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.1.1", "127.0.0.2", socket.gethostname()])
def test_a_peer_that_is_this_machine_is_this_user_all_the_same(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    """By any name but 127.0.0.1 it let all users of the machine in, and answered whoever had the port."""
    client = Client()
    server = serve(client, peer=peer)
    client.send("/packet_test", 1, floats=np.zeros(1, np.float32))
    client.until("/packet_test_response")
    assert server._is_heard(("127.0.0.1", client.port))
    monkeypatch.setattr(callers, "sent_datagram", lambda port: False)  # another user's
    for host in ("127.0.0.1", "127.0.0.2", *server._peers):
        assert not server._is_heard((host, client.port))
    assert server._is_heard(("192.0.2.7", client.port)) is False
    server._send(packets.write_true("/ready"))
    monkeypatch.undo()
    client.send("/packet_test", 2, floats=np.zeros(2, np.float32))
    assert client.receive()[1][0] == 2


async def enter(config: RtapConfig) -> None:
    async with rtap_server(config, accompanists.copy):
        pass


def test_chunks_make_batches_whatever_their_order() -> None:
    batches, one = Batches(), np.ones(4, np.float32)
    assert batches.add(1, 4, 2, one, 0.0) == []
    (done,) = batches.add(1, 0, 2, one, 0.1)
    assert (done.number, done.samples, done.missing) == (1, 8, 0)
    assert batches.add(1, 0, 2, one, 0.2) == [], "late chunks of a batch that is done"
    assert batches.add(2, 0, 3, one, 1.0) == []
    assert batches.add(2, 4, 3, one, 1.1) == []
    assert batches.deadline_s == pytest.approx(1.6)
    assert batches.give_up(1.5) is None
    overtaken, whole = batches.add(3, 0, 1, one, 1.2)
    assert (overtaken.number, overtaken.missing, whole.number) == (2, 1, 3)
    assert batches.add(2, 8, 3, one, 1.3) == []
    assert batches.late_chunks == 2
    batches.reset()
    assert len(batches.add(1, 0, 1, one, 2.0)) == 1


def test_chunks_that_overlap_hold_no_more_than_a_window() -> None:
    """4096 chunks of one batch, each at a place of its own, held 245 MiB."""
    batches, most = Batches(), np.ones(16_000, np.float32)
    room = WINDOW_SAMPLES // len(most)
    for start in range(room):
        batches.add(1, start, 4096, most, 0.0)
    for start in (room, room + 1):
        with pytest.raises(LiveBandError, match="overlap"):
            batches.add(1, start, 4096, most, 0.0)
    batches.add(1, 0, 4096, most, 0.0)  # the same once more
    batch = batches.give_up()
    assert batch is not None
    assert batch.held == room * len(most)
    assert batch.over(np.full(batch.samples, 5.0, np.float32)).tolist() == [1.0] * (room - 1 + len(most))


def test_many_chunks_are_one_write(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk moved the whole recording: a batch of thousands stopped all that the server does."""
    client, mix, put, puts = Client(ratio=0.0625), music(4), Recording.put, []

    def counted(self: Recording, start: int, floats: Samples) -> None:
        puts.append(threading.current_thread())
        put(self, start, floats)

    server = serve(client)
    client.send("/update_r", client.ratio)
    client.package = 256
    monkeypatch.setattr(Recording, "put", counted)
    client.step(mix)
    client.until("/server_predicted")
    assert server.counts.partial == 0
    assert len(puts) < 5


def test_resets_without_end_leave_no_work(serve: Callable[..., Any]) -> None:
    """Each one was a job for the thread that plays: they piled up behind a prediction."""
    gate, entered = threading.Event(), threading.Event()
    client, mix = Client(), music(4)
    server = serve(client, lambda: held(gate, entered))
    client.step(mix)
    assert entered.wait(60)
    for _ in range(50):
        client.send("/reset", 1)
    client.send("/packet_test", 1, floats=mix[:1])
    client.until("/packet_test_response")
    assert server._worker._work_queue.qsize() == 0
    gate.set()


def test_the_end_waits_for_no_prediction() -> None:
    """Ctrl-C waited until a whole step was played, of which nobody was to hear anything."""
    gate, entered, mix, steps = threading.Event(), threading.Event(), music(4), []

    async def run() -> None:
        async with rtap_server(RtapConfig(port=0), lambda: held(gate, entered, steps)) as server:
            client = Client()
            client.server = ("127.0.0.1", server.address[1])
            client.step(mix)
            assert await asyncio.to_thread(entered.wait, 60)
        gate.set()
        await asyncio.to_thread(server._worker.shutdown)
        client.socket.close()

    asyncio.run(run())
    assert len(steps) == 1


def held(gate: threading.Event, entered: threading.Event, steps: list[int] | None = None) -> Any:
    """An accompanist whose first chunk waits at a gate; the chunks that it plays are counted."""
    plain = accompanists.copy()

    def play(*arguments: Any) -> Any:
        entered.set()
        assert gate.wait(60)
        if steps is not None:
            steps.append(1)
        return plain.play(*arguments)

    return accompanists.SmallAccompanist(spec=plain.spec, play=play)


def test_a_longer_batch_is_the_whole_context() -> None:
    """A client that sends 6 s each time: only the last step of it is new."""
    cursor, batches = Cursor(), Batches()
    (batch,) = batches.add(1, 0, 1, np.ones(400, np.float32), 0.0)
    assert (cursor.advance(batch, 100), cursor.position) == (0, 400)
    (batch,) = batches.add(2, 0, 1, np.ones(400, np.float32), 1.0)
    assert (cursor.advance(batch, 100), cursor.position) == (100, 500)
    (batch,) = batches.add(5, 0, 1, np.ones(100, np.float32), 2.0)
    assert (cursor.advance(batch, 100), cursor.position) == (700, 800)


def test_a_recording_is_by_position() -> None:
    recording = Recording(10)
    recording.put(0, np.arange(1, 5, dtype=np.float32))
    recording.put(6, np.full(2, 9, np.float32))
    assert recording.get(-2, 9).tolist() == [0, 0, 1, 2, 3, 4, 0, 0, 9, 9, 0]
    recording.put(4, np.full(2, 5, np.float32))
    recording.put(16, np.full(4, 7, np.float32))
    assert recording.get(4, 20).tolist() == [0] * 12 + [7] * 4
    recording.put(0, np.ones(3, np.float32))
    assert recording.end == 20
    recording.put(100, np.ones(30, np.float32))
    assert recording.get(118, 131).tolist() == [0, 0] + [1] * 10 + [0]


def test_messages_are_read_as_they_were_written() -> None:
    floats = np.linspace(-1, 1, 5120, dtype=np.float32)
    read = packets.read(packets.write("/bass", 7, 0, 14, floats=floats))
    assert (read.address, read.leading) == ("/bass", (7, 0, 14))
    assert np.array_equal(read.floats, floats)
    assert packets.read(packets.write_true("/ready")).leading == (1.0,)
    for bad in (
        b"",
        b"/a",
        b"/a\0\0,s\0\0abc\0",
        b"/a\0\0,ff\0" + bytes(4),
        b"/a\0\0iii\0",
        b"a\0\0\0,\0\0\0",
    ):
        with pytest.raises(LiveBandError):
            packets.read(bad)


@pytest.mark.slow
def test_sixty_seconds_by_the_wall_clock(serve: Callable[..., Any]) -> None:
    """Two ratios and look-aheads changed ten times in a live minute: no gap, no repeat within a setting."""
    client, mix = Client(ratio=0.0625), music(70)
    serve(client)
    client.send("/update_r", 0.0625)
    begun = time.monotonic()
    settings = [(0.0625, 1), (0.125, 1), (0.125, 0), (0.25, 1), (0.0625, 0)] * 2
    for ratio, ahead in settings:
        client.ratio, client.ahead = ratio, ahead
        client.send("/update_r", ratio)
        client.send("/w", float(ahead))
        first = client.cursor
        while client.cursor < first + 6 * RATE:
            due = (client.cursor + int(WINDOW * ratio)) / RATE
            time.sleep(max(0.0, begun + due - time.monotonic()))
            client.step(mix)
            client.until("/server_predicted")
        begin, end = client.targets[client.batch]
        if first:
            check(client, mix, "bass", begin - int(WINDOW * ratio), end)
    assert [batch for batch, _ in client.written["bass"]] == list(range(1, client.batch + 1))
