# SPDX-License-Identifier: GPL-3.0-or-later
"""The same input live and offline gives the same bits: what was rehearsed is what is bounced."""

from typing import Any

import numpy as np
import pytest

from lbmodels.contract.accompanist import Accompanist
from lbserver.engine import backends
from lbserver.engine.backends import style_vector
from lbserver.engine.budget import Budget
from lbserver.engine.lane import grid_of
from lbserver.engine.live import LiveSession
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.engine.virtual import VirtualHost, VirtualWorker, run
from lbserver.music.conditions import HostKnowledge, SteadyBeat, condition_source
from lbserver.protocol.segment import TRANSPORT_FLAGS
from lbserver.ring.timeline import Mode
from lbserver.session.knowledge import conditions_of
from lbserver.testing import accompanists, stage
from lbserver.testing.grids import grid

BUDGET = Budget(compute_s=0.006, margin_s=0.002)
BLOCKS = ((64,), (441,), (1024,), stage.RANDOM_BLOCKS)


def live(
    accompanist: Accompanist, seat: stage.Seat, source: stage.Source, until_s: float, prepare: Any = None
) -> tuple[np.ndarray, LiveSession, VirtualHost]:
    """What a session on the virtual clock heard [C, T] at the positions it belongs to, L taken away."""
    host = stage.front_end("a", seat, accompanist.spec, BUDGET, source)
    worker = VirtualWorker(accompanist, lambda _rows, _now_s: 0.005)
    session = worker.serve(host)
    if prepare is not None:
        prepare(host, session)
    run([host], [worker], until_s=until_s)
    assert (session.late_frames, session.skipped_frames, host.port.missing_samples) == (0, 0, 0)
    return host.audio[:, session.setup.timing.latency_samples :], session, host


def offline(
    accompanist: Accompanist,
    session: LiveSession,
    source: stage.Source,
    samples: int,
    rate_hz: int,
    known: HostKnowledge | None = None,
) -> np.ndarray:
    """The offline driver's stem [C, T] with the live session's anticipation."""
    spec = accompanist.spec
    config = SessionConfig(
        host_rate_hz=rate_hz,
        stems=("bass",),
        anticipation_frames=session.setup.timing.anticipation_frames,
        seed=session.setup.seed,
    )
    conditions = condition_source(known or HostKnowledge(), grid_of(spec, rate_hz))
    driver = StreamDriver(accompanist, config, conditions)
    # Longer than is compared: an offline end is known, a live one is not.
    return np.concatenate([driver.push(source(0, samples + rate_hz)).audio, driver.flush().audio], axis=-1)[0]


@pytest.mark.parametrize(
    ("rate_hz", "blocks", "mode", "play"),
    grid(stage.RATES_HZ, BLOCKS, [Mode.LIVE, Mode.ALIGNED], [accompanists.copy, accompanists.noise]),
)
def test_live_equals_offline(rate_hz: int, blocks: tuple[int, ...], mode: Mode, play: Any) -> None:
    source = stage.noise(11)
    seat = stage.Seat(rate_hz=rate_hz, blocks=blocks, mode=mode, seed=4)
    heard, session, host = live(play(), seat, source, 1.0)
    expected = offline(play(), session, source, heard.shape[-1], rate_hz)
    assert np.abs(heard).max() > 0.05
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    host.close()


def test_a_take_begun_anew_is_a_take_from_the_start() -> None:
    """A seed that is set before the first frame is that of the first frame, not of the second."""
    source = stage.noise(11)

    def begin_anew(_host: VirtualHost, session: LiveSession) -> None:
        session.set_control("seed", 7.0)

    seat = stage.Seat(rate_hz=48000, blocks=(480,), seed=4)
    heard, session, host = live(accompanists.noise(), seat, source, 0.5, begin_anew)
    assert session.setup.seed == 7
    expected = offline(accompanists.noise(), session, source, heard.shape[-1], 48000)
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    host.close()


@pytest.mark.parametrize("rate_hz", [44100, 48000, 96000])
@pytest.mark.parametrize("bpm", [97.3, 120.0, 181.0])
def test_clicks_told_by_a_message_are_those_of_a_bounce(rate_hz: int, bpm: float) -> None:
    """Conditions of the same frame must be the same numbers live and offline, to the last bit."""
    source = stage.silence()
    known = HostKnowledge(beat=SteadyBeat(bpm=bpm, first_beat_s=0.123, beats_per_bar=3))

    def tell(_host: VirtualHost, session: LiveSession) -> None:
        session.know({"bpm": bpm, "first_beat_s": 0.123, "beats_per_bar": 3})

    seat = stage.Seat(rate_hz=rate_hz, blocks=(480,))
    heard, session, host = live(accompanists.click(), seat, source, 3.0, tell)
    expected = offline(accompanists.click(), session, source, heard.shape[-1], rate_hz, known)
    assert np.count_nonzero(np.abs(heard).max(axis=0) > 0.3) > 10
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    host.close()


def test_a_style_is_asked_for_live_as_in_a_bounce_and_glides_to_the_next() -> None:
    """A prompt that is not passed on to the model, acts on another frame than a bounce's, or jumps."""
    source = stage.silence()
    first, second = (style_vector(line) for line in ("upright bass, swing", "drums | bright *0.5"))

    def tell(_host: VirtualHost, session: LiveSession) -> None:
        session.know({"style": "upright bass, swing", "glide_s": 0.4})

    heard, session, host = live(accompanists.style(), stage.Seat(blocks=(480,)), source, 1.0, tell)
    known = HostKnowledge(style=tuple(first.tolist()))
    expected = offline(accompanists.style(), session, source, heard.shape[-1], 48000, known)
    assert np.abs(heard).max() == pytest.approx(abs(first[0]))
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    session.know({"style": "drums | bright *0.5"})
    told = [one["style"] for one in (session_conditions(session, at_s) for at_s in (1.0, 1.25, 9.0))]
    np.testing.assert_allclose([told[0][0], told[2][0]], [first[0], second[0]], atol=2e-2)
    np.testing.assert_array_equal(told[2], second)
    assert min(told[1] @ first, told[1] @ second) > first @ second + 0.05
    session.know({"style": ""})
    assert "style" not in session_conditions(session, 9.0)
    host.close()


def session_conditions(session: LiveSession, at_s: float) -> Any:
    """What it would tell a model of a frame that starts then."""
    return conditions_of(session.told, at_s * 48000, 48000)


@pytest.mark.parametrize("blocks", [(64,), (480,), (2048,)], ids=str)
def test_clicks_told_by_the_transport_are_those_of_a_bounce(blocks: tuple[int, ...]) -> None:
    """A DAW says where in the song it is with every block; from there the next beats are known ahead."""
    bpm, offset = 120.0, 0.25
    source = stage.silence()
    known = HostKnowledge(beat=SteadyBeat(bpm=bpm, first_beat_s=-offset * 60 / bpm))

    def tell(host: VirtualHost, _session: LiveSession) -> None:
        def told(position: int, samples: int) -> np.ndarray:
            quarters = position / 48000 * bpm / 60 + offset
            bar = quarters // 4 * 4
            host.port.tell("transport", (bpm, quarters, bar, 4, 4), flags=TRANSPORT_FLAGS["playing"])
            return source(position, samples)

        host.source = told

    heard, session, host = live(accompanists.click(), stage.Seat(blocks=blocks), source, 4.0, tell)
    expected = offline(accompanists.click(), session, source, heard.shape[-1], 48000, known)
    assert np.count_nonzero(np.abs(heard).max(axis=0) > 0.3) > 10
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    host.close()


@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_the_ring_s_own_bounce_is_that_of_the_file(rate_hz: int) -> None:
    """A DAW's offline render goes through the ring, `liveband bounce` does not: the same bits all the same."""
    noise = accompanists.noise()
    source = stage.noise(2)
    seat = stage.Seat(rate_hz=rate_hz, blocks=stage.RANDOM_BLOCKS, mode=Mode.BOUNCE, anticipation_frames=2)
    host = stage.front_end("a", seat, noise.spec, BUDGET, source)
    worker = VirtualWorker(noise, lambda _rows, _now_s: 0.0)
    session = worker.serve(host)
    stage.play_offline(host, worker, blocks=60)
    heard = host.audio[:, session.setup.timing.latency_samples :]
    expected = offline(accompanists.noise(), session, source, heard.shape[-1], rate_hz)
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    assert host.port.missing_samples == 0
    host.close()


@pytest.mark.weights
@pytest.mark.parametrize("rate_hz", [44100, 48000])
def test_live_equals_offline_with_the_default_model(rate_hz: int) -> None:
    """With real weights, real resampling, real beats: the session alone in its batch, as a worker plays it."""
    accompanist = backends.load(None)
    source = stage.noise(11)
    known = HostKnowledge(beat=SteadyBeat(bpm=104.0, first_beat_s=0.2))

    def tell(_host: VirtualHost, session: LiveSession) -> None:
        session.know({"bpm": 104.0, "first_beat_s": 0.2, "beats_per_bar": 4})

    seat = stage.Seat(rate_hz=rate_hz, blocks=(480,), seed=9)
    heard, session, host = live(accompanist, seat, source, 1.5, tell)
    expected = offline(accompanist, session, source, heard.shape[-1], rate_hz, known)
    assert np.abs(heard).max() > 1e-3
    np.testing.assert_array_equal(heard, expected[:, : heard.shape[-1]])
    host.close()
