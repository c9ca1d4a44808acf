# SPDX-License-Identifier: GPL-3.0-or-later
"""The gallery from end to end on a small data set, and the files that it promises."""

import re

import numpy as np
import pytest
import soundfile

from lbmodels.evaluate import players
from lbmodels.evaluate.commands import main
from lbmodels.evaluate.gallery import chord_name, write_ogg
from lbmodels.evaluate.pictures import BANDS, HIGH_HZ, LOW_HZ, spectrogram_db


@pytest.fixture
def played(accompanist, monkeypatch):
    monkeypatch.setattr(players, "open_player", lambda name, runtime, device: accompanist)


@pytest.fixture
def gallery(played, dataset, tmp_path):
    arguments = ["evaluate", "--data", str(dataset), "--stems", "bass", "--gallery", "1", "--seed", "3"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def test_every_file_of_the_page_is_there_small_and_what_it_is_called(gallery):
    page = (gallery / "README.md").read_text()
    named = set(re.findall(r"\]\(([^)]+)\)", page))
    assert named == {path.name for path in gallery.iterdir()} - {"README.md"}
    assert len(named) == 8
    for name in named:
        limit = 150_000 if name.endswith(".png") else 100_000
        assert (gallery / name).stat().st_size < limit, name
    assert "nobody picked them" in page
    # With the mix is the mix plus the stem alone; told nothing, the click player is silent.
    heard = {}
    for key in ("mix", "truth", "truth-solo", "none", "none-solo", "all-solo"):
        audio, rate = soundfile.read(gallery / f"bass-1-{key}.ogg")
        assert rate == 48000
        assert 10 <= len(audio) / rate <= 15
        heard[key] = audio[:, 0]
    level = {key: float(np.sqrt(np.mean(audio**2))) for key, audio in heard.items()}
    assert level["none-solo"] < 1e-3 < 0.01 < level["all-solo"]
    assert np.corrcoef(heard["none"], heard["mix"])[0, 1] > 0.97
    assert np.corrcoef(heard["truth"], heard["mix"] + heard["truth-solo"])[0, 1] > 0.97


def test_a_tone_stands_at_its_frequency_and_time():
    t = np.arange(4 * 48000) / 48000
    audio = np.where(t < 2, 0, 0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)[None]
    level = spectrogram_db(audio, 48000, columns=100)
    centres = np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1)[:-1]
    assert abs(centres[level[:, 75].argmax()] / 440 - 1) < 0.06
    assert level[:, 75].max() == pytest.approx(20 * np.log10(0.5), abs=1.5)
    assert level[:, 25].max() < -100


@pytest.mark.parametrize(
    ("label", "name"),
    [("A:min7/b3", "Am7/b3"), ("Db:maj", "Db"), ("C:7", "C7"), ("F:1", "F"), ("N", "–"), ("B:hdim7", "Bø7")],
)
def test_chord_names(label, name):
    assert chord_name(label) == name


def test_noise_fits_by_a_lower_rate(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 4 * 48000)).astype(np.float32)
    sizes = []
    for most in (40_000, 20_000):
        write_ogg(tmp_path / "noise.ogg", noise, 48000, most_bytes=most)
        sizes.append((tmp_path / "noise.ogg").stat().st_size)
        assert sizes[-1] < most
    assert sizes[1] < sizes[0]


@pytest.mark.parametrize("extra", [["--gallery", "0", "--data", "x"], ["--gallery", "2"]])
def test_a_gallery_needs_data_and_a_number(extra, capsys, tmp_path):
    assert main(["evaluate", *extra, "--out", str(tmp_path)]) == 2
    assert "--gallery takes 1 to 20" in capsys.readouterr().err
