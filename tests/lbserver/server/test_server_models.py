# SPDX-License-Identifier: GPL-3.0-or-later
"""Several models in one server, one of them with steps that take seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lbserver.engine.calibrate import ROWS, Calibration, identity, keep
from lbserver.engine.stream import SessionConfig, StreamDriver
from lbserver.music.conditions import nothing_known
from lbserver.testing import accompanists
from lbserver.testing.servers import PLAYING


def truth(accompanist: Any, mix: np.ndarray, frames: int) -> np.ndarray:
    driver = StreamDriver(
        accompanist,
        SessionConfig(host_rate_hz=48000, stems=("bass",), anticipation_frames=frames),
        nothing_known,
    )
    return np.concatenate([driver.push(mix).audio, driver.flush().audio], axis=-1)[0]


def measured_before(folder: Path, accompanist: Any, step_s: float) -> None:
    """What a server finds that measured the model's steps when it ran last: to do so again takes half a minute."""
    steps_s = dict.fromkeys(ROWS, step_s)
    keep(
        Calibration(
            accompanist=identity(accompanist),
            frames=3,
            step_p50_s=steps_s,
            step_high_s=steps_s,
            wake_high_s=0.0,
        ),
        folder,
    )


def test_a_session_names_its_model_and_who_names_none_gets_the_first(serve: Callable[..., Any]) -> None:
    front_end = serve("--model", "test:copy", "--model", "test:silence").connect()
    front_end.open("a", offline=True)
    front_end.open("b", offline=True, model="test:silence")
    mix = np.full((2, 48000), 0.1, np.float32)
    assert np.abs(front_end.render("a", mix)).max() > 0.05
    assert not front_end.render("b", mix).any()
    sessions = front_end.ask("sessions")["sessions"]
    assert {name: one["model"] for name, one in sessions.items()} == {"a": "test:copy", "b": "test:silence"}
    refused = front_end.ask(
        "open", session="c", rate_hz=48000, channels=2, block_samples=256, mode="live", stem="bass", model="x"
    )
    assert refused["code"] == "unknown_model"
    assert "test:copy, test:silence" in refused["text"]


@pytest.mark.slow
def test_a_step_of_three_seconds_is_not_taken_for_hung_and_disturbs_nobody(
    serve: Callable[..., Any], cache: Path
) -> None:
    """Catches a worker that is killed for a long step, a ring that overruns meanwhile, and figures that forget the chunk."""
    measured_before(cache, accompanists.slow(), 3.0)
    server = serve("--model", "test:copy", "--model", "test:slow")
    front_end, other = server.connect(), server.connect()
    opened = front_end.open("slow", mode="bounce", offline=True, model="test:slow")
    chunk = 100 * 1920
    assert opened["recency_gap_ms"] == pytest.approx(
        (opened["anticipation_samples"] + opened["latency_samples"] + chunk - 1920) / 48
    )
    mix = (0.1 * np.random.default_rng(5).standard_normal((2, 3 * chunk))).astype(np.float32)
    other.open("quick", offline=True)
    heard = front_end.render("slow", mix, block=4096)
    latency, ahead = opened["latency_samples"], opened["anticipation_frames"]
    expected = truth(accompanists.copy(chunk_frames=100, anticipation_frames=(0, 100)), mix, ahead)
    np.testing.assert_array_equal(heard[:, latency:], expected[:, : heard.shape[-1] - latency])
    assert np.abs(other.render("quick", mix[:, :48000])).max() > 0.05
    status = front_end.ask("status", session="slow")["status"]
    assert status["state"] in PLAYING


def test_each_model_tells_its_memory(serve: Callable[..., Any]) -> None:
    """Catches memory of one model that is told as another's, or of a model that nobody has loaded."""
    server = serve("--model", "test:copy", "--model", "test:silence", "--workers", "2")
    front_end = server.connect()
    assert set(front_end.ask("sessions")["models"]) == {"test:copy"}
    for name in ("a", "b", "c"):
        front_end.open(name, offline=True, model="test:copy" if name == "a" else "test:silence")
    told = front_end.ask("sessions")["models"]
    assert {name: (one["workers"], one["sessions"]) for name, one in told.items()} == {
        "test:copy": (2, 1),
        "test:silence": (1, 2),
    }
    assert all(one["resident_bytes"] > 1e7 * one["workers"] for one in told.values())
