# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell around a model: the same live and offline, alone and in a batch, and after a snapshot."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import WIDTHS, Conditions
from lbserver.engine import calibrate
from lbserver.engine.budget import Budget
from lbserver.engine.lane import grid_of
from lbserver.engine.shell import Shell
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.errors import LiveBandError
from lbserver.music.conditions import HostKnowledge, SteadyBeat, condition_source
from lbserver.protocol.controls import INDEX, MODES, SILENCES
from lbserver.testing import accompanists, stage

RATE_HZ, FRAME = 48000, 1920


def playing(seconds: float, seed: int = 0) -> Audio:
    return (0.1 * np.random.default_rng(seed).standard_normal((2, round(seconds * RATE_HZ)))).astype(
        np.float32
    )


def with_a_stop(seed: int = 0) -> Audio:
    return np.concatenate(
        [playing(3, seed), np.zeros((2, 3 * RATE_HZ), np.float32), playing(1, seed)], axis=1
    )


def conditions(rows: int, **told: float) -> Conditions:
    known = {"variation": 1.0, "rests": 1.0, "time_feel": 1.0} | told
    return {name: np.full((rows, 1, 1), value, np.float32) for name, value in known.items()}


def stepped(band: Shell, mix: Audio, state: Any, frames: range) -> tuple[Audio, Any]:
    """mix [B, C, T] -> stems [B, C, T] of some frames, and the state after them."""
    parts = []
    for frame in frames:
        here = slice(frame * FRAME, (frame + 1) * FRAME)
        active = np.ones(len(mix), np.bool_)
        stem, state = band.step(np.ascontiguousarray(mix[..., here]), conditions(len(mix)), state, active)
        parts.append(stem)
    return np.concatenate(parts, axis=-1), state


def test_rows_rest_each_for_itself_and_a_snapshot_goes_on_to_the_bit() -> None:
    """One player's silence must not silence the neighbour's band; a worker that is lost must not wake one that rests."""
    band, mixes = Shell(accompanists.noise()), np.stack([with_a_stop(), np.tile(playing(1, 2), 7)])
    frames = mixes.shape[-1] // FRAME
    both, _ = stepped(band, mixes, band.init_state([5, 6]), range(frames))
    for row, seed in enumerate((5, 6)):
        alone, _ = stepped(band, mixes[row : row + 1], band.init_state([seed]), range(frames))
        assert np.array_equal(both[row], alone[0])
    assert not both[0][:, 5 * RATE_HZ : 6 * RATE_HZ].any()
    for cut in (80, 120):  # it plays, it rests
        begun, state = stepped(band, mixes, band.init_state([5, 6]), range(cut))
        state = band.restore(band.compact(band.snapshot(state)))
        halves = band.join([band.row(state, 0), band.row(state, 1)])
        rest, _ = stepped(band, mixes, halves, range(cut, frames))
        assert np.array_equal(np.concatenate([begun, rest], axis=-1), both)


def test_memories_of_a_time_before_the_shell_are_taken_and_damaged_ones_are_not() -> None:
    """What users kept would be lost with an update."""
    band, inside = Shell(accompanists.noise()), accompanists.noise()
    kept = band.restore(inside.snapshot(inside.init_state([3, 4])))
    assert kept.model.seeds.tolist() == [3, 4]
    whole = band.snapshot(kept)
    for damaged in (b"", whole[:-40], whole[:30] + b"x" * 40 + whole[70:]):
        with pytest.raises(LiveBandError):
            band.restore(damaged)


@pytest.mark.parametrize(
    ("field_name", "value"),
    [("presence", 1.5), ("gain", 1e6), ("level", -1.0), ("frames", np.inf), ("factor", 3.0), ("factor", np.nan),
     ("odd_beat", 0.5), ("odd_bar", np.nan), ("beat", 7.0), ("bar", np.inf)],
)  # fmt: skip
def test_what_the_shell_can_never_have_known_is_refused(field_name: str, value: float) -> None:
    """Catches a project's file that turns a stem up a million times or plays at three times the tempo."""
    band = Shell(accompanists.noise())
    state = band.init_state([1])
    part = "rests" if field_name in state.rests._fields else "feel"
    half = getattr(state, part)._replace(**{field_name: np.array([value])})
    with pytest.raises(LiveBandError, match="damaged"):
        band.restore(band.snapshot(state._replace(**{part: half})))


def test_the_shell_remembers_as_many_sessions_as_the_model() -> None:
    """Catches rows of the shell that belong to nobody: they would be a neighbour's, or end the worker."""
    band = Shell(accompanists.noise())
    one, two = band.init_state([1]), band.init_state([1, 2])
    for odd in (one._replace(model=two.model), two._replace(model=one.model)):
        with pytest.raises(LiveBandError, match="the shell remembers"):
            band.restore(band.snapshot(odd))


def driven(mix: Audio, block: int, **controls: float) -> Audio:
    config = SessionConfig(host_rate_hz=RATE_HZ, stems=("drums",), anticipation_frames=1, controls=controls)
    known = HostKnowledge(beat=SteadyBeat(bpm=120.0, first_beat_s=0.0))
    band = accompanists.click()
    driver = StreamDriver(band, config, condition_source(known, grid_of(band.spec, RATE_HZ)))
    parts = [driver.push(mix[:, at : at + block]).audio[0] for at in range(0, mix.shape[-1], block)]
    return np.concatenate([*parts, driver.flush().audio[0]], axis=-1)


def clicks(stem: Audio) -> NDArray[np.float64]:
    """Seconds at which pings begin."""
    loud = np.abs(stem[0]) > 0.05
    starts = np.flatnonzero(loud & ~np.concatenate([[False], loud[:-1]]))
    return starts[np.diff(starts, prepend=-RATE_HZ) > RATE_HZ // 20] / RATE_HZ


def test_a_bounce_plays_on_unless_told_to_rest_on_the_grid_that_was_kept() -> None:
    """Back from a rest the band must come in on the beat, whatever the blocks."""
    mix = with_a_stop()
    on, rest = driven(mix, 4096), driven(mix, 4096, when_silent=1.0)
    assert np.array_equal(rest, driven(mix, 777, when_silent=1.0))
    heard_on, heard_rest = clicks(on), clicks(rest)
    assert np.abs(heard_on * 2 - np.round(heard_on * 2)).max() < 0.01
    assert np.count_nonzero((heard_on > 3) & (heard_on < 6)) >= 5
    assert not ((heard_rest > 4.05) & (heard_rest < 6)).any()
    assert np.abs(heard_rest * 2 - np.round(heard_rest * 2)).max() < 0.01
    assert (heard_rest > 6).any()


def test_half_and_double_time_for_a_model_that_knows_nothing_of_them() -> None:
    """A switch inside one model would be missing in every other."""
    mix = playing(6)
    assert np.diff(clicks(driven(mix, 4096)))[3:] == pytest.approx(0.5, abs=0.01)
    assert np.diff(clicks(driven(mix, 4096, time_feel=0.0)))[2:] == pytest.approx(1.0, abs=0.01)
    assert np.diff(clicks(driven(mix, 4096, time_feel=2.0)))[3:] == pytest.approx(0.25, abs=0.01)


@dataclass(frozen=True, kw_only=True)
class Ear(accompanists.SmallAccompanist):
    """Hears 150 bpm by itself, whatever is played, and notes what it is told."""

    told: list[dict[str, float]] = field(default_factory=list)

    def heard_beat(self, state: accompanists.State) -> NDArray[np.float64]:
        beats = (state.steps + 1) * 0.1
        return np.stack(
            [beats % 1, beats / 4 % 1, np.full(len(beats), 150.0), np.full(len(beats), 4.0)], axis=1
        )[:, None]

    def step(
        self, mix: Audio, conditions: Conditions, state: accompanists.State, active: NDArray[np.bool_]
    ) -> tuple[Audio, accompanists.State]:
        self.told.append(
            {name: float(conditions[name][0, 0, 0]) for name in ("beat_phase", "tempo", "tempo_scale")}
        )
        return super().step(mix, conditions, state, active)


def test_a_beat_that_the_model_hears_itself_is_retold_to_it() -> None:
    """Half time that works with a host's tempo only is none for who plays without one."""
    ear = Ear(spec=accompanists.noise().spec, play=accompanists.noise().play)
    band, state = Shell(ear), Shell(ear).init_state([1])
    mix = playing(8)[None]
    for frame in range(160):
        known = conditions(1, time_feel=1.0 if frame < 50 else 0.5)
        piece = np.ascontiguousarray(mix[..., frame * FRAME : (frame + 1) * FRAME])
        _, state = band.step(piece, known, state, np.array([True]))
    assert all(np.isnan(one["beat_phase"]) and one["tempo_scale"] == 1 for one in ear.told[:50])
    after = ear.told[95:]
    assert all(np.isnan(one["tempo"]) and one["tempo_scale"] == 0.5 for one in after)
    turns = np.unwrap(2 * np.pi * np.array([one["beat_phase"] for one in after])) / (2 * np.pi)
    assert np.diff(turns) == pytest.approx(0.05, abs=1e-6)


def test_what_is_measured_is_what_plays() -> None:
    """Catches a promised latency without what the shell costs: frames would be late from the first."""
    small = accompanists.noise(hop=480)
    for measured in (calibrate.warm, calibrate.measure):
        ear = Ear(spec=small.spec, play=small.play)
        measured(ear)
        assert {one["tempo_scale"] for one in ear.told} == {1.0}  # which nobody but the shell tells


@pytest.mark.parametrize(("silent", "plays"), [("auto", True), ("rest", False)])
def test_a_stream_plays_by_itself_on_stage_too(silent: str, plays: bool) -> None:
    """Catches a band that plays whether anybody does or not, and was silenced two beats after the player stopped."""
    band, player = accompanists.noise(conditions=tuple(WIDTHS)), stage.noise(1)
    host = stage.front_end(
        "a",
        stage.Seat(blocks=(256,)),
        band.spec,
        Budget(compute_s=0.012, margin_s=0.004),
        lambda at, n: player(at, n) * np.float32(at < RATE_HZ),
    )
    controls = [*host.setup.controls]
    controls[INDEX["mode"]], controls[INDEX["when_silent"]] = MODES.index("live"), SILENCES.index(silent)
    host.setup = replace(host.setup, controls=tuple(controls))
    worker = VirtualWorker(band, lambda _rows, _now_s: 0.004)
    worker.serve(host)
    run([host], [worker], until_s=5.0)
    assert host.audio[:, 4 * RATE_HZ :].any() == plays
    host.close()
