# SPDX-License-Identifier: GPL-3.0-or-later
"""The look-ahead model that ships beside the default plays all of its stems, in stereo, from one listener's mix."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.contract.stems import STEMS
from lbmodels.weights.manifest import available
from lbserver.cli import main

pytestmark = pytest.mark.weights


def test_four_stems_at_once_are_four_parts(
    tmp_path: Path, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One latent memory for all stems of a listener, as the published server has, plays one part four times."""
    assert [card.default for card in available() if card.name == "lookahead-tiny"] == [False]
    song, rate_hz = soundfile.read(repository / "lbserver/assets/demo_song.flac", stop=5 * 48_000)
    soundfile.write(tmp_path / "song.wav", song, rate_hz)
    words = [
        "bounce",
        str(tmp_path / "song.wav"),
        "-o",
        str(tmp_path / "out.wav"),
        "--model",
        "lookahead-tiny",
    ]
    for stem in STEMS:
        words += ["--stem", stem]
    assert main([*words, "--anticipation", "640", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    played = {
        file["name"]: soundfile.read(file["path"])[0][2 * rate_hz :]
        for file in files
        if file["name"] in STEMS
    }
    assert set(played) == set(STEMS)
    for stem, audio in played.items():
        assert audio.shape[1] == 2
        assert np.isfinite(audio).all()
        others = [other for name, other in played.items() if name != stem]
        assert all(not np.allclose(audio, other, atol=1e-3) for other in others)
    assert sum(audio.std() > 0.001 for audio in played.values()) >= 3
    assert any(np.abs(audio[:, 0] - audio[:, 1]).max() > 1e-3 for audio in played.values())
