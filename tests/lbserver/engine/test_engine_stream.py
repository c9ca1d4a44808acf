# SPDX-License-Identifier: GPL-3.0-or-later
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import WIDTHS
from lbmodels.contract.spec import Control
from lbserver.engine.lane import grid_of
from lbserver.engine.stream import SessionConfig, StreamDriver, stem_seed
from lbserver.errors import LiveBandError
from lbserver.music.conditions import HostKnowledge, SteadyBeat, condition_source
from lbserver.ring import timeline
from lbserver.testing import accompanists
from lbserver.testing.grids import grid


def drive(accompanist: Accompanist, mix: np.ndarray, chunk: int = 4096, **config: Any) -> np.ndarray:
    """All the accompaniment of a mix [C, T], pushed in chunks; checks positions on the way."""
    values: dict[str, Any] = {"host_rate_hz": 48000, "stems": ("drums", "bass"), "anticipation_frames": 1}
    driver = StreamDriver(accompanist, SessionConfig(**(values | config)))
    parts, position = [], 0
    for at in range(0, mix.shape[-1], chunk):
        placed = driver.push(mix[:, at : at + chunk])
        assert placed.position == position
        position += placed.audio.shape[-1]
        assert position <= driver.pushed
        parts.append(placed.audio)
    placed = driver.flush()
    assert placed.position == position
    return np.concatenate([*parts, placed.audio], axis=-1)


def noise(samples: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(5).standard_normal((2, samples))).astype(np.float32)


@pytest.mark.parametrize(
    ("host_hz", "ahead", "place"), grid([44100, 48000, 96000, 22050], [0, 1, 5], [0, 1000, 31337])
)
def test_law_1_the_copied_impulse_lands_where_the_figures_say(host_hz: int, ahead: int, place: int) -> None:
    """A copied frame sounds one frame plus A*H (plus L, 0 here) later, to the sample, at every rate."""
    mix = np.zeros((2, host_hz), np.float32)
    mix[:, place % (host_hz // 2)] = 0.5
    copy = accompanists.copy()
    out = drive(copy, mix, host_rate_hz=host_hz, anticipation_frames=ahead)
    grid = grid_of(copy.spec, host_hz)
    timing = timeline.timing(grid, timeline.Mode.BOUNCE, anticipation_frames=ahead)
    offset = timing.anticipation_samples + timing.latency_samples + timeline.frame_start(grid, 1)
    assert out.shape == (2, 2, host_hz)
    for stem in out:
        for channel in stem:
            assert int(np.argmax(np.abs(channel))) == place % (host_hz // 2) + offset
    if host_hz == 48000:
        np.testing.assert_array_equal(out[0][:, int(offset) :], mix[:, : -int(offset)])


@pytest.mark.parametrize("host_hz", [44100, 48000, 96000])
def test_law_3_chunk_sizes_change_no_bit(host_hz: int) -> None:
    mix = noise(host_hz // 3 + 17)
    whole = drive(accompanists.copy(), mix, mix.shape[-1], host_rate_hz=host_hz)
    assert whole.shape == (2, 2, mix.shape[-1])
    assert whole.any()
    for chunk in (1, 64, 480, 4096):
        np.testing.assert_array_equal(drive(accompanists.copy(), mix, chunk, host_rate_hz=host_hz), whole)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 5000), max_size=12),
    st.sampled_from([8000, 44100, 44101, 48000]),
    st.integers(0, 4),
    st.integers(1, 3),
)
def test_any_blocks_any_rate_any_chunk_give_the_length_of_the_input(
    blocks: list[int], host_hz: int, ahead: int, frames: int
) -> None:
    mix = noise(sum(blocks))
    config = SessionConfig(host_rate_hz=host_hz, stems=("bass",), anticipation_frames=ahead)
    driver = StreamDriver(accompanists.counter(chunk_frames=frames, hop=480), config)
    parts, at = [], 0
    for block in blocks:
        parts.append(driver.push(mix[:, at : at + block]).audio)
        at += block
    out = np.concatenate([*parts, driver.flush().audio], axis=-1)
    assert out.shape == (1, 2, at)
    assert np.isfinite(out).all()


def test_law_2_what_comes_later_changes_no_bit_before() -> None:
    """Output frame m hears mix before (m-A)*H and nothing after."""
    mix, other = noise(20 * 1920), noise(20 * 1920)
    cut = 7 * 1920
    other[:, cut:] = 0.9
    for ahead in (0, 2):
        a = drive(accompanists.copy(), mix, anticipation_frames=ahead)
        b = drive(accompanists.copy(), other, anticipation_frames=ahead)
        same_until = (7 + 1 + ahead) * 1920
        np.testing.assert_array_equal(a[..., :same_until], b[..., :same_until])
        assert (a[..., same_until:] != b[..., same_until:]).any()


def test_frames_come_in_order_each_once() -> None:
    out = drive(accompanists.counter(), noise(10 * 1920), 333, anticipation_frames=2)
    frames = out[0, 0].reshape(10, 1920) * 4096
    np.testing.assert_array_equal(frames, np.repeat([[0, 0, 0, 1, 2, 3, 4, 5, 6, 7]], 1920, axis=0).T)


def test_the_accompanist_is_told_of_the_frame_it_plays() -> None:
    """Conditions belong to the output frame, not to the mix frame that was heard."""
    told = []

    def spy(_spec: Any, mix: Any, conditions: Any, state: Any) -> Any:
        told.append({name: np.array(value) for name, value in conditions.items()})
        return mix, state.tail

    listener = accompanists.SmallAccompanist(spec=accompanists.copy().spec, play=spy)
    driver = StreamDriver(
        listener,
        SessionConfig(host_rate_hz=48000, stems=("piano", "bass"), anticipation_frames=3, variation=0.5),
        lambda frame: {"beat_phase": frame / 100, "chord": np.arange(12, dtype=np.float32)},
    )
    driver.push(noise(2 * 1920))
    assert [float(t["beat_phase"][0, 0, 0]) for t in told] == pytest.approx([0.04, 0.05])
    first = told[0]
    assert set(first) == set(WIDTHS)
    assert all(value.dtype == np.float32 for value in first.values())
    np.testing.assert_array_equal(first["stem"][:, 0, 0], [2, 1])
    np.testing.assert_array_equal(first["anticipation"][:, 0, 0], [3, 3])
    np.testing.assert_array_equal(first["variation"][:, 0, 0], [0.5, 0.5])
    assert first["chord"].shape == (2, 1, 12)
    assert np.isnan(first["key"]).all()


def test_controls_of_the_model_reach_it_and_others_are_refused() -> None:
    told = []

    def spy(_spec: Any, mix: Any, conditions: Any, state: Any) -> Any:
        told.append({name: np.array(value) for name, value in conditions.items()})
        return mix, state.tail

    plain = accompanists.copy().spec
    density = Control(name="density", unit="", minimum=0.0, maximum=1.0, default=0.5, description="")
    listener = accompanists.SmallAccompanist(
        spec=dataclasses.replace(plain, controls=(*plain.controls, density)), play=spy
    )

    def config(**controls: float) -> SessionConfig:
        return SessionConfig(host_rate_hz=48000, stems=("bass",), anticipation_frames=0, controls=controls)

    StreamDriver(listener, config(density=0.8)).push(noise(1920))
    np.testing.assert_array_equal(told[0]["density"][:, 0, 0], np.array([0.8], np.float32))
    assert np.isnan(told[0]["brightness"]).all()
    for wrong in ({"brightness": 0.8}, {"density": 1.5}):
        with pytest.raises(LiveBandError, match=r"no control 'brightness'|out of range: 0 to 1"):
            StreamDriver(listener, config(**wrong))


@pytest.mark.parametrize("bpm", [97.3, 120.0, 181.0])
@pytest.mark.parametrize("ahead", [0, 1, 7])
def test_clicks_fall_on_the_beats(bpm: float, ahead: int) -> None:
    """From the host's tempo to the sample: the whole way from conditions to audio, at every anticipation."""
    click = accompanists.click()
    known = HostKnowledge(beat=SteadyBeat(bpm=bpm, first_beat_s=0.123))
    driver = StreamDriver(
        click,
        SessionConfig(host_rate_hz=48000, stems=("drums",), anticipation_frames=ahead),
        condition_source(known, grid_of(click.spec, 48000)),
    )
    mix = np.zeros((2, 8 * 48000), np.float32)
    out = np.concatenate([driver.push(mix).audio, driver.flush().audio], axis=-1)[0, 0]
    sounding = np.flatnonzero(np.abs(out) > 1e-4)
    starts = sounding[np.diff(sounding, prepend=-(10**6)) > 4000]
    beats = (0.123 + np.arange(100) * 60 / bpm) * 48000
    beats = beats[(beats >= (ahead + 1) * 1920) & (beats < len(out) - 10)]
    assert len(starts) == len(beats)
    # The ping's own first sample is a zero, and is not counted as sounding.
    assert np.abs(starts - 1 - beats).max() <= 1.0


def test_law_5_and_seeds_a_stem_plays_the_same_alone_or_with_others() -> None:
    mix = noise(8 * 1920)
    together = drive(accompanists.noise(), mix, stems=("drums", "bass", "piano"), seed=4)
    alone = drive(accompanists.noise(), mix, stems=("bass",), seed=4)
    np.testing.assert_array_equal(together[1], alone[0])
    np.testing.assert_array_equal(alone, drive(accompanists.noise(), mix, stems=("bass",), seed=4))
    assert (alone != drive(accompanists.noise(), mix, stems=("bass",), seed=5)).any()
    assert stem_seed(4, "bass") != stem_seed(4, "drums")
    assert 0 <= stem_seed(4, "bass") < 2**31


def test_what_is_refused() -> None:
    mix = noise(10)
    with pytest.raises(
        LiveBandError, match="unknown stem 'kazoo': test:copy plays drums, bass, piano, guitar"
    ):
        drive(accompanists.copy(), mix, stems=("kazoo",))
    with pytest.raises(LiveBandError, match="no stem"):
        drive(accompanists.copy(), mix, stems=())
    with pytest.raises(LiveBandError, match="twice"):
        drive(accompanists.copy(), mix, stems=("bass", "bass"))
    with pytest.raises(LiveBandError, match="26 frames is out of range"):
        drive(accompanists.copy(), mix, anticipation_frames=26)

    def broken(_spec: Any, mix: Any, _conditions: Any, state: Any) -> Any:
        return mix * np.float32(np.nan), state.tail

    bad = accompanists.SmallAccompanist(spec=accompanists.copy().spec, play=broken)
    with pytest.raises(LiveBandError, match=r"not numbers at 0\.080 s"):
        drive(bad, noise(4000))
