# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 1 over packets on a virtual clock: what is reported is what is measured, however the network behaves."""

from itertools import cycle

import numpy as np
import pytest

from lbserver.engine.budget import Budget, Wish, epoch_timing
from lbserver.engine.live import Setup
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.hub.hub import Opened
from lbserver.ring.segment import Segment, Shape, capacity_for, create
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage
from lbserver.testing.grids import grid
from lbserver.testing.network import Network, Relay
from lbserver.transports.osc.addresses import compose, understand
from lbserver.transports.osc.audio import Packetizer, decode, signed32
from lbserver.transports.osc.link import AudioLink
from lbserver.transports.osc.packet import parse, timed_messages, write
from lbserver.transports.osc.stream import JitterBuffer, JitterConfig

BUDGET = Budget(compute_s=0.006, margin_s=0.002)
COST_S = 0.005
TICK_S = 0.001
STREAM = 77


class Player:
    """A sender, a network each way, and the server's link: what `run` takes for a front end, on ticks of 1 ms."""

    start_s, rate_hz, blocks = 0.0, 1000, (1,)  # of the ticks
    skipped = 0  # samples left out by the sender

    def __init__(
        self,
        source: stage.Source,
        *,
        rate_hz: int = 48000,
        blocks: tuple[int, ...] = (128,),
        mode: Mode = Mode.LIVE,
        frames: int | None = None,
        network: Network | None = None,
        seed: int = 1,
        seconds: float = 1.6,
        ahead: bool = False,
    ) -> None:
        spec = accompanists.copy().spec
        wish = Wish(
            rate_hz=rate_hz,
            block_samples=max(blocks),
            mode=mode,
            anticipation_ms=None if frames is None else frames * spec.frame_ms,
        )
        timing = epoch_timing(spec, wish, BUDGET)
        self.setup = Setup(session="a", timing=timing, block_samples=max(blocks))
        capacity = capacity_for(rate_hz, max(blocks))
        descriptor = create(Shape(rate_hz=rate_hz, mix_channels=2, stem_channels=2, capacity=capacity))
        self.worker_segment = Segment(descriptor)
        opened = Opened(session="a", descriptor=descriptor, timing=timing, mode=mode.value, spec=spec)
        self.link = AudioLink(opened, stream=STREAM)
        self.reported = round(
            timing.anticipation_samples
            + timing.latency_samples
            + stage.hop_samples(accompanists.copy(), rate_hz)
        )
        self.mix = Packetizer(address="/lb/a/audio", stream=STREAM, channels=2, ahead=ahead)
        self.leads: list[int] = []  # samples by which stem packets come before their position is sent
        self.buffer = JitterBuffer(rate_hz=rate_hz, config=JitterConfig(base_ms=150.0))
        network = Network(delay_ms=1.0) if network is None else network
        self.forth: Relay[bytes] = Relay(network, seed)
        self.back: Relay[bytes] = Relay(network, seed + 1)
        self.heard = np.full((2, round(seconds * rate_hz)), np.nan, np.float32)
        self._source, self._rate_hz, self._sizes = source, rate_hz, cycle(blocks)
        self._size, self._now_s = next(self._sizes), 0.0

    def call(self) -> float:
        self._now_s = now_s = self._now_s + TICK_S
        # Paced by the sender's clock to the sample, sent on the tick.
        made = now_s * self._rate_hz + self.skipped
        while self.mix.position + self._size <= made and self.mix.position < self.heard.shape[-1]:
            for datagram in self.mix.push(self._source(self.mix.position, self._size)):
                self.forth.send(datagram, now_s)
            self._size = next(self._sizes)
        sent: list[bytes] = []
        for datagram in self.forth.arrived(now_s):
            for _, one in timed_messages(parse(datagram)):
                call = understand(one)
                if call.pattern.endswith("/audio"):
                    sent += self.link.push(decode(one, 2), now_s)
                else:
                    wanted = (call.arguments[name] & 0xFFFFFFFF for name in ("first", "last"))
                    sent += self.link.resend(*wanted, now_s)
        for datagram in sent + self.link.pump(now_s):
            self.back.send(datagram, now_s)
        for datagram in self.back.arrived(now_s):
            for _, one in timed_messages(parse(datagram)):
                call = understand(one, "out")
                if call.pattern.endswith("/stem"):
                    self.buffer.push(decode(one, 2), now_s)
                    self.leads.append(int(call.arguments["position"]) - self.mix.position)
                else:
                    wanted = (call.arguments[name] & 0xFFFFFFFF for name in ("first", "last"))
                    for again in self.mix.again(*wanted, now_s):
                        self.forth.send(again, now_s)
        for first, last in self.buffer.requests(now_s):
            request = compose("/lb/<session>/resend", STREAM, signed32(first), signed32(last), session="a")
            self.forth.send(write(request), now_s)
        for piece in self.buffer.take(now_s):
            if piece.audio is not None and piece.position + piece.samples <= self.heard.shape[-1]:
                self.heard[:, piece.position : piece.position + piece.samples] = piece.audio
        return TICK_S

    @property
    def port(self):
        return self.link._port

    def close(self) -> None:
        self.link.close()
        self.worker_segment.close()


def played(source: stage.Source, *, seconds: float = 1.6, **wish) -> Player:
    player = Player(source, seconds=seconds, **wish)
    worker = VirtualWorker(accompanists.copy(), lambda _rows, _now_s: COST_S)
    worker.serve(player)
    run([player], [worker], until_s=seconds + 0.3)
    return player


def check_law_1(rate_hz: int, blocks: tuple[int, ...], mode: Mode, frames: int | None, **wish) -> None:
    first, every = rate_hz // 7 + 1, rate_hz * 7 // 10 + 123
    player = played(
        stage.impulses(every, first), rate_hz=rate_hz, blocks=blocks, mode=mode, frames=frames, **wish
    )
    heard = np.nan_to_num(player.heard)
    written = range(first, heard.shape[-1] - player.reported - 256, every)
    offsets = stage.measured_offsets(heard, written, every)
    assert len(offsets) >= 2
    assert offsets == [player.reported] * len(offsets)
    assert (player.port.missing_samples, player.port.gaps) == (0, 0)
    player.close()


LIVE_MODES = tuple(case for case in stage.MODES if case[0] is not Mode.BOUNCE)
PACKETS = {name: blocks for name, blocks in stage.BLOCKS.items() if name != "1"}


def name_of(case: tuple[Mode, int | None]) -> str:
    return case[0].value if case[1] is None else f"{case[0].value}-A{case[1]}"


@pytest.mark.parametrize("case", LIVE_MODES, ids=name_of)
def test_law_1_in_every_mode(case: tuple[Mode, int | None]) -> None:
    check_law_1(48000, (128,), *case)


@pytest.mark.parametrize("blocks", PACKETS)
def test_law_1_with_every_block(blocks: str) -> None:
    check_law_1(44100, PACKETS[blocks], Mode.LIVE, None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate_hz", "blocks", "case"), grid(stage.RATES_HZ, list(PACKETS), LIVE_MODES), ids=str
)
def test_law_1_everywhere(rate_hz: int, blocks: str, case: tuple[Mode, int | None]) -> None:
    check_law_1(rate_hz, PACKETS[blocks], *case)


@pytest.mark.slow
def test_law_1_with_packets_of_one_sample() -> None:
    check_law_1(48000, (1,), Mode.LIVE, None)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.ALIGNED])
def test_a_rough_network_without_loss_changes_no_bit(mode: Mode) -> None:
    """Reordering, 10 % duplicates and 30 ms of jitter, both ways: the same bits as over a wire."""
    source = stage.noise(3)
    rough = played(source, mode=mode, network=Network(delay_ms=10.0, jitter_ms=30.0, duplicate=0.1))
    shift = rough.reported
    fade = 300  # samples of the fade in with which every epoch begins
    there = ~np.isnan(rough.heard[0])
    assert there[: rough.mix.position - 4096].all()
    np.testing.assert_array_equal(
        rough.heard[:, there][:, shift + fade :],
        source(0, int(there.sum()))[:, fade:-shift],
    )
    assert rough.port.missing_samples == 0
    assert rough.buffer.counts.lost == rough.link.buffer.counts.lost == 0
    rough.close()


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_a_stem_that_is_wanted_ahead_comes_ahead_in_its_place(loss: float) -> None:
    """A front end that writes into a buffer ahead of its playhead got each stem packet when it was too late for that."""
    source, frames, rate_hz = stage.noise(5), 10, 48000
    network = Network(delay_ms=5.0, loss=loss)
    ahead, punctual = (
        played(source, mode=Mode.MANUAL, frames=frames, network=network, seconds=3.0, ahead=wanted)
        for wanted in (True, False)
    )
    shift = ahead.reported
    mix = np.nan_to_num(source(0, ahead.heard.shape[-1]))
    came = np.flatnonzero(~np.isnan(ahead.heard[0]))
    came = came[came >= shift + 300]
    wrong = np.any(ahead.heard[:, came] != mix[:, came - shift], axis=0)
    lost = ahead.link.buffer.counts.lost * 128
    assert np.count_nonzero(wrong) <= lost + ahead.port.missing_samples + 1000 * ahead.port.gaps
    # It was written 400 ms ahead; the way there and back and a step of 5 ms and 40 ms take some of that.
    assert np.median(ahead.leads) > 0.3 * rate_hz
    assert max(punctual.leads) <= 0
    if not loss:
        assert (np.count_nonzero(wrong), ahead.port.missing_samples) == (0, 0)
        assert came.size > 2.9 * rate_hz - shift
    ahead.close()
    punctual.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_loss_both_ways_is_silent_where_it_stays_and_never_shifts(seed: int) -> None:
    """20 % loss: whatever is heard lies where it belongs."""
    source = stage.noise(4)
    lossy = played(source, seed=seed, network=Network(delay_ms=5.0, loss=0.2), seconds=4.0)
    shift = lossy.reported
    mix = np.nan_to_num(source(0, lossy.heard.shape[-1]))
    came = np.flatnonzero(~np.isnan(lossy.heard[0]))
    came = came[came >= shift + 300]
    assert came.size > 0.9 * (lossy.mix.position - shift)
    wrong = np.any(lossy.heard[:, came] != mix[:, came - shift], axis=0)
    # A mix packet that never came is silence in the copy, of its own length.
    lost = lossy.link.buffer.counts.lost * 128
    assert np.count_nonzero(wrong) <= lost + lossy.port.missing_samples + 1000 * lossy.port.gaps
    print(f"seed {seed}: {lossy.link.buffer.counts}, {lossy.buffer.counts}, wrong {np.count_nonzero(wrong)}")
    lossy.close()


def test_a_sender_that_leaves_ten_seconds_out_is_followed_in_place() -> None:
    """The band begins anew behind the hole, and its stem lies where the positions say."""
    source, jump = stage.noise(5), 480_000
    player = Player(source, seconds=2.0 + jump / 48000)
    worker = VirtualWorker(accompanists.copy(), lambda _rows, _now_s: COST_S)
    worker.serve(player)
    left_at: list[int] = []

    def leap() -> None:
        left_at.append(player.mix.position)
        player.mix.position += jump
        player.skipped = jump

    run([player], [worker], until_s=2.0, at=[(1.0, leap)])
    begin = left_at[0] + jump
    assert player.port.epoch == 2
    came = np.flatnonzero(~np.isnan(player.heard[0]))
    after = came[came >= begin + player.reported + 300]
    assert after.size > 24_000
    mix = source(0, player.heard.shape[-1])
    np.testing.assert_array_equal(player.heard[:, after], mix[:, after - player.reported])
    before = came[(came >= player.reported + 300) & (came < left_at[0] - 4096)]
    np.testing.assert_array_equal(player.heard[:, before], mix[:, before - player.reported])
    # Nothing of before the hole is heard behind it.
    silent = came[(came >= begin) & (came < begin + player.reported)]
    assert not player.heard[:, silent].any()
    player.close()


def test_what_the_hub_reports_is_what_a_listener_needs() -> None:
    """The deadline moves with the network, the reported figures do not."""
    calm, rough = (
        played(stage.noise(1), network=network, seconds=0.8)
        for network in (Network(delay_ms=1.0), Network(delay_ms=40.0, jitter_ms=20.0))
    )
    assert calm.reported == rough.reported
    calm.close()
    rough.close()
