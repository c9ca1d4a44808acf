# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of streams, judged: what it says of a stream that repeats its player, and of one that hears nobody."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.streams import Songs, Stream, adherence, controls, figure, injection, transitions

HOP, RATE = 4800, 48_000


class Repeater:
    """Plays what it was played seven seconds before over hiss that is the busier the higher `density`; or hiss alone."""

    def __init__(self, *, deaf: bool, injected: bool = True) -> None:
        self.deaf = deaf
        self.spec = Spec(
            name="repeater", sample_rate=RATE, channels=2, hop=HOP, chunk_frames=1, anticipation_frames=(0, 1),
            stems=("drums",), controls=(), conditions=("injection",) if injected else (), context_frames=1, parameters=0,
            recipe="", weights_id="",
        )  # fmt: skip

    def init_state(self, seeds: Sequence[int]) -> Any:
        return np.zeros((2, 7 * RATE), np.float32), np.random.default_rng(seeds[0]), 0

    def step(self, mix: Audio, conditions: Conditions, state: Any, active: np.ndarray) -> tuple[Audio, Any]:
        past, rng, frame = state
        mode = conditions["injection"][0, 0, 0]
        density = float(conditions["density"][0, 0, 0])
        out = 0.003 * rng.normal(size=(1, 2, HOP)).astype(np.float32)
        if frame % (2 if density > 0.5 else 10) == 0:
            out[..., :200] *= 20
        if not self.deaf and mode != 0:
            out = out + past[None, :, :HOP]
        past = np.concatenate([past[:, HOP:], 0 * mix[0] if mode == 0 else mix[0]], axis=1)
        return out, (past, rng, frame + 1)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Songs:
    """Two songs of four tones and a beat of their own."""
    folder, paths = tmp_path_factory.mktemp("songs"), []
    time_s = np.arange(13 * RATE) / RATE
    for number, (tones, beat_s) in enumerate((((262, 330, 392, 523), 0.5), ((277, 370, 415, 554), 0.36))):
        sound = sum(np.sin(2 * np.pi * hz * time_s) for hz in tones) * np.exp(-8 * (time_s % beat_s))
        paths.append(Path(folder / f"{number}.wav"))
        soundfile.write(paths[-1], 0.1 * np.stack([sound, sound], axis=1), RATE)
    return Songs(concepts=[frozenset()] * 2, paths=paths, heard=[], rate=RATE)


def test_what_comes_back_of_a_player_is_told_from_what_does_not(songs: Songs) -> None:
    """Two streams that a judge could not tell apart would leave injection unjudged."""
    heard = {one.what: one for one in injection(Repeater(deaf=False), songs, 2, lambda: None)}
    deaf = {one.what: one for one in injection(Repeater(deaf=True), songs, 2, lambda: None)}
    for what in ("free: chroma, above no injection", "free: rhythm, above no injection"):
        assert heard[what].interval[0] > 0
        assert deaf[what].value == pytest.approx(0, abs=1e-6)


def test_too_few_songs_to_tell_styles_apart_are_said(songs: Songs) -> None:
    """Numpy's own words for an empty list said nothing of the data set."""
    one = replace(songs, concepts=[frozenset({"swing"}), frozenset({"swing"}), frozenset()])
    for part, many in ((adherence, 4.0), (transitions, 2)):
        for few, count in ((songs, 0), (one, 1)):
            with pytest.raises(LiveBandModelError, match=f"the data has {count} in"):
                part(Repeater(deaf=True), few, many, lambda: None)


def test_a_control_moves_its_figure(songs: Songs) -> None:
    found = controls(Repeater(deaf=True), 2, 4.0, lambda: None)
    rises = {one.what: one for one in found["density"]}
    assert rises["onsets a second"].interval[0] > 1
    assert all(one.value == 0 for one in found["brightness"])


def test_an_interval_is_of_the_trials_that_there_were() -> None:
    assert figure("x", [float("nan")]).trials == 0
    one = figure("x", [0.0, 1.0, float("nan")])
    assert (one.value, one.trials) == (0.5, 2)
    assert one.interval == (0.0, 1.0)


def test_a_model_that_takes_no_injection_is_no_stream() -> None:
    with pytest.raises(LiveBandModelError, match="no stream"):
        Stream(Repeater(deaf=True, injected=False), 0)
