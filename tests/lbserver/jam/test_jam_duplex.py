# SPDX-License-Identifier: GPL-3.0-or-later
"""The audio callback of `liveband jam`, driven by a sound card and a band of our own making, on a clock of our own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lbserver.engine.lane import grid_of
from lbserver.engine.live import Setup
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.jam.duplex import DuplexPeer
from lbserver.music.room_beat import RoomBeat
from lbserver.protocol.controls import CONTROLS, SILENCES
from lbserver.ring import timeline
from lbserver.testing.accompanists import SmallAccompanist, click, copy

RATE_HZ = 48000
HOP = 1920


@dataclass
class Times:
    inputBufferAdcTime: float = 0.0  # noqa: N815 (PortAudio's names)
    outputBufferDacTime: float = 0.0  # noqa: N815
    currentTime: float = 0.0  # noqa: N815


@dataclass
class Flags:
    input_overflow: bool = False
    output_underflow: bool = False


class Card(VirtualHost):
    """A virtual sound card: where a host would exchange blocks with its port, the peer's callback is called."""

    def start(self, *, inputs: int = 2, outputs: int = 2, seated: bool = True) -> "Card":
        self.inputs, self.outputs, self.out = inputs, outputs, []
        self.peer = DuplexPeer(rate_hz=RATE_HZ, out_channels=outputs, clock=lambda: self.samples / RATE_HZ)
        self.flags, self.times = Flags(), Times()
        if seated:
            self.peer.seat(self.port)
        return self

    def call(self) -> float:
        size = self.blocks[self.calls % len(self.blocks)]
        indata = np.ascontiguousarray(self.source(self.samples, size)[: self.inputs].T)
        outdata = np.full((size, self.outputs), np.nan, np.float32)
        self.peer.callback(indata, outdata, size, self.times, self.flags)
        self.out.append(outdata.T)
        self.calls += 1
        self.samples += size
        return self.blocks[self.calls % len(self.blocks)] / RATE_HZ

    @property
    def audio(self) -> np.ndarray:
        return np.concatenate(self.out, axis=-1)


def setup(latency: int, ahead: int, block: int) -> Setup:
    grid = grid_of(copy().spec, RATE_HZ)
    timing = timeline.timing(
        grid,
        timeline.Mode.MANUAL,
        budget_samples=Fraction(latency) + timeline.anticipation_samples(grid, ahead),
        block_samples=1,
        anticipation_frames=ahead,
    )
    assert timing.latency_samples == latency
    plays_on = {"when_silent": float(SILENCES.index("play_on"))}  # rooms here are quiet but for an impulse
    controls = tuple(plays_on.get(control.name, control.default) for control in CONTROLS)
    return Setup(session="jam", timing=timing, block_samples=block, controls=controls)


@contextmanager
def card(
    source: Callable[[int, int], np.ndarray],
    *,
    latency: int = 0,
    ahead: int = 1,
    blocks: Sequence[int] = (256,),
    channels: int = 2,
) -> Iterator[Card]:
    made = Card(
        setup=setup(latency, ahead, max(blocks)),
        rate_hz=RATE_HZ,
        channels=channels,
        source=source,
        blocks=blocks,
    )
    try:
        yield made
    finally:
        made.close()


def play(
    made: Card, seconds: float, band: SmallAccompanist | None = None, cost_s: float = 0.001
) -> np.ndarray:
    worker = VirtualWorker(band or copy(), lambda _rows, _time: cost_s)
    worker.serve(made)
    run([made], [worker], until_s=seconds)
    return made.audio


def impulse(at: int, channels: int = 2) -> Callable[[int, int], np.ndarray]:
    def source(position: int, samples: int) -> np.ndarray:
        block = np.zeros((channels, samples), np.float32)
        if position <= at < position + samples:
            block[:, at - position] = 0.5
        return block

    return source


def set_mix(made: Card, mix: float) -> None:
    made.segment.store_float("mix", mix)


@pytest.mark.parametrize("blocks", [(64,), (256,), (441,), (1024,), (1, 100, 17, 512)])
@pytest.mark.parametrize(("latency", "ahead"), [(0, 2), (2400, 0), (333, 3)])
def test_band_comes_where_the_figures_say(blocks: Sequence[int], latency: int, ahead: int) -> None:
    """Law 1 at a sound card: an impulse comes back 1 + A frames and L samples later, to the sample."""
    with card(impulse(5000), latency=latency, ahead=ahead, blocks=blocks) as made:
        heard = play(made.start(), 0.6)
    assert np.flatnonzero(np.abs(heard[0]) > 0.1).tolist() == [5000 + (1 + ahead) * HOP + latency]
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("latency", [0, 2400])
def test_input_and_band_stay_together(latency: int) -> None:
    """Half and half: the input comes L late, as the band does, so what the musician plays stays in time with it."""
    with card(impulse(5000), latency=latency, ahead=2) as made:
        made.start()
        set_mix(made, 0.5)
        heard = play(made, 0.6)
    at = np.flatnonzero(np.abs(heard[0]) > 0.1)
    assert at.tolist() == [5000 + latency, 5000 + latency + 3 * HOP]
    assert heard[0, at] == pytest.approx(0.25, abs=1e-6)


def test_dry_only_is_the_input_bit_for_bit() -> None:
    noise = np.random.default_rng(1).standard_normal((2, RATE_HZ)).astype(np.float32)
    with card(lambda at, n: noise[:, at : at + n], latency=2400, ahead=0) as made:
        made.start()
        set_mix(made, 0.0)
        heard = play(made, 0.5)
    np.testing.assert_array_equal(heard[:, 2400:], noise[:, : heard.shape[-1] - 2400])
    assert not heard[:, :2400].any()


def test_mix_moves_without_a_click() -> None:
    """A jump of the mix on a steady input (a constant) must come out as a ramp of 20 ms, whatever the blocks are."""
    for blocks in ((64,), (256,), (4096,)):
        with card(lambda _at, n: np.ones((2, n), np.float32), latency=0, ahead=0, blocks=blocks) as made:
            made.start()
            set_mix(made, 0.0)
            play_silence = VirtualWorker(click(), lambda _rows, _time: 0.0)
            play_silence.serve(made)
            run([made], [play_silence], until_s=0.5, at=[(0.3, lambda made=made: set_mix(made, 1.0))])
        heard = made.audio[0]
        fall = np.diff(heard[100:])
        assert heard[100] == 1.0
        assert heard[-1] == 0.0
        assert np.abs(fall).max() <= 1.01 / 960
        assert np.count_nonzero(fall) == 960


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (1, 2), (2, 1), (2, 2), (1, 4)])
def test_any_channels(inputs: int, outputs: int) -> None:
    with card(impulse(3000, 2), channels=2, latency=0, ahead=1) as made:
        heard = play(made.start(inputs=inputs, outputs=outputs), 0.4)
    assert heard.shape[0] == outputs
    assert all(np.flatnonzero(np.abs(row) > 0.1).tolist() == [3000 + 2 * HOP] for row in heard)


def test_without_a_port_the_input_is_heard() -> None:
    with card(impulse(1000)) as made:
        made.start(seated=False)
        heard = play(made, 0.1)
    assert np.flatnonzero(heard[0]).tolist() == [1000]


def test_server_that_is_gone_and_back() -> None:
    """Unseated, the input alone, not a click and not a burst; seated on another port, the band again."""

    def constant(_at: int, samples: int) -> np.ndarray:
        return np.full((2, samples), 0.25, np.float32)

    with card(constant, latency=0, ahead=2) as made, card(constant, latency=480, ahead=2) as back:
        made.start()
        worker = VirtualWorker(copy(), lambda _rows, _time: 0.0)
        worker.serve(made)
        another = VirtualWorker(copy(), lambda _rows, _time: 0.0)
        another.serve(back)
        run(
            [made],
            [worker, another],
            until_s=1.5,
            at=[(0.5, lambda: made.peer.seat(None)), (1.0, lambda: made.peer.seat(back.port))],
        )
        heard = made.audio[0]
    assert np.isfinite(heard).all()
    assert heard[int(0.9 * RATE_HZ)] == 0.25
    assert heard[int(1.03 * RATE_HZ)] == 0.0  # the band has not heard a frame yet
    assert heard[-1] == 0.25  # the band, which copies
    assert np.abs(heard).max() <= 0.2501
    for seconds in (0.5, 1.0):
        around = heard[int((seconds - 0.05) * RATE_HZ) : int((seconds + 0.05) * RATE_HZ)]
        assert np.abs(np.diff(around)).max() < 0.002


def test_what_a_card_loses_is_counted() -> None:
    with card(impulse(0)) as made:
        made.start()
        made.flags.input_overflow = True
        made.call()
        made.flags.output_underflow = True
        made.call()
        made.flags.input_overflow = made.flags.output_underflow = False
        made.call()
        figures = made.peer.figures()
    assert (figures.blocks, figures.samples) == (3, 768)
    assert (figures.input_overflows, figures.output_underflows, figures.xruns) == (2, 1, 2)


def test_slow_callbacks_are_counted() -> None:
    ticks = iter([0.0, 0.001, 1.0, 1.004, 2.0, 2.02])  # 1, 4 and 20 ms for blocks of 5.33 ms
    peer = DuplexPeer(rate_hz=RATE_HZ, out_channels=2, clock=lambda: next(ticks))
    for _ in range(3):
        peer.callback(np.zeros((256, 2), np.float32), np.zeros((256, 2), np.float32), 256, Times(), Flags())
    figures = peer.figures()
    assert figures.slow_blocks == 1
    assert figures.longest_ms == pytest.approx(20.0)
    assert figures.load == pytest.approx(0.025 / (768 / RATE_HZ))


def test_fault_is_silence_and_a_count_not_the_end_of_the_stream() -> None:
    with card(impulse(0)) as made:
        made.start()
        made.segment.close()
        outdata = np.full((256, 2), np.nan, np.float32)
        made.peer.callback(np.ones((256, 2), np.float32), outdata, 256, Times(), Flags())
        figures = made.peer.figures()
    assert not outdata.any()
    assert figures.faults == 1
    assert figures.last_fault


def test_levels_are_peaks_since_the_last_look() -> None:
    with card(impulse(1000), latency=0, ahead=0) as made:
        play(made.start(), 0.2)
        figures, later = made.peer.figures(), made.peer.figures()
    assert figures.peak_in_db == pytest.approx(-6.02, abs=0.01)
    assert figures.peak_band_db == pytest.approx(-6.02, abs=0.01)
    assert later.peak_in_db == -120.0


def test_band_hears_the_beat_where_the_room_hears_it() -> None:
    """Clicks of the band fall on the beats of the room when they leave the loudspeaker: after the card's own delay."""
    output_delay_s = 0.010
    beat = RoomBeat(bpm=120.0, at_s=0.25, quarters=0.0)
    for latency, ahead in ((0, 2), (2400, 0)):
        with card(impulse(0), latency=latency, ahead=ahead) as made:
            made.start()
            made.times = Times(outputBufferDacTime=output_delay_s)
            made.peer.follow(beat)
            heard = play(made, 4.0, band=click())
        starts = np.flatnonzero((np.abs(heard[0]) > 0.05) & (np.arange(heard.shape[-1]) > RATE_HZ))
        first = [at for at in starts if not np.abs(heard[0, max(0, at - 4000) : at]).max() > 0.05]
        assert len(first) >= 5
        for at in first:
            # A click begins a few samples before it is above the threshold.
            from_beat = (at / RATE_HZ + output_delay_s - 0.25) % 0.5
            assert min(from_beat, 0.5 - from_beat) < 0.0005


def test_beat_is_told_again_when_it_changes_and_every_second() -> None:
    told: list[tuple[float, ...]] = []
    with card(impulse(0), latency=0, ahead=0) as made:
        made.start()
        tell = made.port.tell

        def listen(kind: str, values: tuple[float, ...], **rest: Any) -> None:
            assert kind == "transport"
            told.append(values)
            tell(kind, values, **rest)

        made.port.tell = listen  # type: ignore[method-assign]
        worker = VirtualWorker(copy(), lambda _rows, _time: 0.0)
        worker.serve(made)
        follow = made.peer.follow
        at = [
            (2.0, lambda: follow(RoomBeat(bpm=100.0, at_s=1.9))),
            (4.5, lambda: follow(RoomBeat(bpm=120.0, at_s=4.5))),
            (5.2, lambda: follow(None)),
        ]
        run([made], [worker], until_s=8.0, at=at)
    assert [values[0] for values in told] == pytest.approx([100.0, 100.0, 100.0, 120.0, np.nan], nan_ok=True)
    quarters = [values[1] for values in told[:3]]
    assert np.diff(quarters) == pytest.approx([100 / 60] * 2, abs=0.02)
    assert [values[2] for values in told[:3]] == [0.0, 0.0, 0.0]
