# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband style`, and a style in a bounce."""

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbmodels.contract.conditions import HOST
from lbserver.cli import main
from lbserver.engine.backends import style_vector, style_words
from lbserver.hub.admission import HubError
from lbserver.hub.gestures import told_beside
from lbserver.protocol.styles import STYLE_WORDS
from lbserver.testing import accompanists


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal((24_000, 2)), 48_000)
    return path


def test_a_bounce_is_asked_for_a_style_in_words_and_sound(
    recording: Path, tmp_path: Path, capsys: Any
) -> None:
    """A prompt that does not reach the model, or a sound that is forgotten beside the words."""
    assert main(["style", str(recording)]) == 0
    word = capsys.readouterr().out.strip()
    command = [
        "bounce",
        str(recording),
        "-o",
        str(tmp_path / "x.wav"),
        "--model",
        "test:style",
        "--stem",
        "bass",
    ]
    assert main([*command, "--quiet", "--style", "upright bass *2", "--style-audio", str(recording)]) == 0
    played, _ = soundfile.read(tmp_path / "x.wav")
    assert played[-1, 0] == pytest.approx(style_vector(f"upright bass *2 | {word}")[0], abs=1e-6)
    assert abs(played[-1, 0]) > 1e-3
    for wrong, reason in (
        ("bass, theremin", "unknown: theremin"),
        ("bass *x", "weight"),
        ("", "empty"),
        ("sound:abc", "no sound"),
    ):
        assert main([*command, "--style", wrong]) == 2
        assert reason in capsys.readouterr().err
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(4800), 48_000)
    assert main([*command, "--style-audio", str(silent)]) == 2
    assert "silent" in capsys.readouterr().err


def test_a_style_comes_through_a_pipe(recording: Path, tmp_path: Path) -> None:
    """It was read again for each who asked: a pipe is empty then, and the bounce failed, or waited for ever."""
    pipe, out = tmp_path / "pipe.wav", tmp_path / "x.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(recording.read_bytes()), daemon=True)
    writer.start()
    command = ["bounce", str(recording), "-o", str(out), "--stem", "bass", "--quiet"]
    assert main([*command, "--model", "test:style", "--style-audio", str(pipe)]) == 0
    played, _ = soundfile.read(out)
    assert abs(played[-1, 0]) > 1e-3
    writer.join(60)


def test_the_words_that_are_suggested_are_known(capsys: Any) -> None:
    assert main(["style"]) == 0
    assert tuple(capsys.readouterr().out.strip().split(", ")) == style_words()
    for word in STYLE_WORDS:
        assert len(style_vector(word)) == 64


@pytest.mark.parametrize("told", [{"style": "bass"}, {"classes": "-drums"}, {"injection": "off"}])
def test_a_model_that_takes_no_such_thing_says_so(told: dict[str, Any]) -> None:
    """Silence about it would leave the player waiting for a change that never comes."""
    spec = replace(accompanists.copy().spec, conditions=HOST)
    (name,) = told
    with pytest.raises(HubError, match=f"was not trained with {name}") as caught:
        told_beside({"bpm": 120.0} | told, spec)
    assert caught.value.code == "unsupported"
    taking = replace(spec, conditions=(*HOST, name))
    assert told_beside(told, taking).keys() == ({"style_vector"} if name == "style" else set())
    assert told_beside({name: " "}, spec) == ({"style_vector": []} if name == "style" else {})
