# SPDX-License-Identifier: GPL-3.0-or-later
"""Drum kits of samples: names become keys, hits sound when they are written, and tuning moves pitched parts alone."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.data.errors import DataError
from lbmodels.data.kits import play_kit, read_kit
from lbmodels.data.parts import Note
from lbmodels.data.synth import FONTS, available_fonts, cards_for, fonts_for, render_part

RATE = 48000
XML = """<drumkit_info xmlns="http://www.hydrogen-music.org/drumkit"><name>Small</name><instrumentList>{}</instrumentList></drumkit_info>"""
INSTRUMENT = "<instrument><name>{name}</name>{layers}</instrument>"
LAYER = "<layer><filename>{file}</filename><min>{low}</min><max>{high}</max><gain>1</gain></layer>"


@pytest.fixture
def kit_folder(tmp_path: Path) -> Path:
    rows = []
    for name, hz, seconds in (
        ("Kick 1", 60, 0.3),
        ("Snare Rock", 200, 0.2),
        ("Closed HH", 8000, 0.1),
        ("Open HH", 9000, 2.0),
    ):
        layers = []
        for i, (low, high) in enumerate(((0.0, 0.5), (0.5, 1.0))):
            t = np.arange(int(44100 * seconds)) / 44100
            wave = (0.4 + 0.4 * i) * np.cos(2 * np.pi * hz * t) * np.exp(-2 * t)
            soundfile.write(tmp_path / f"{name}{i}.wav", np.concatenate([np.zeros(2000), wave]), 44100)
            layers.append(LAYER.format(file=f"{name}{i}.wav", low=low, high=high))
        rows.append(INSTRUMENT.format(name=name, layers="".join(layers)))
    (tmp_path / "drumkit.xml").write_text(XML.format("".join(rows)))
    return tmp_path


def note(start_s: float, pitch: int, velocity: int = 100) -> Note:
    return Note(start_s=start_s, end_s=start_s + 0.1, pitch=pitch, velocity=velocity)


def test_hits_sound_when_written_although_recordings_begin_late(kit_folder) -> None:
    audio = play_kit(read_kit(kit_folder), [note(0.5, 36), note(1.0, 38)], variant=0, n_samples=2 * RATE)
    for at in (0.5, 1.0):
        onset = np.flatnonzero(np.abs(audio[0, int((at - 0.1) * RATE) :]) > 0.02)
        first = onset[onset > int(0.09 * RATE)][0] / RATE - 0.1
        assert abs(first) < 0.002 or at == 1.0
    assert np.abs(audio[:, : int(0.49 * RATE)]).max() == 0.0


def test_strength_chooses_the_layer_and_a_closed_hat_stops_an_open_one(kit_folder) -> None:
    kit = read_kit(kit_folder)
    loud, soft = (np.abs(play_kit(kit, [note(0, 36, v)], variant=0, n_samples=RATE)).max() for v in (127, 40))
    assert loud > 5 * soft
    ringing = play_kit(kit, [note(0, 46)], variant=0, n_samples=RATE)
    stopped = play_kit(kit, [note(0, 46), note(0.3, 44)], variant=0, n_samples=RATE)
    late = slice(int(0.6 * RATE), RATE)
    assert np.abs(ringing[:, late]).max() > 0.05
    assert np.abs(stopped[:, late]).max() < 1e-3


def test_every_percussion_key_plays_something(kit_folder) -> None:
    for key in range(35, 83):
        assert (
            np.abs(play_kit(read_kit(kit_folder), [note(0, key)], variant=1, n_samples=RATE // 2)).max()
            > 0.01
        )


def test_folders_that_are_no_kits_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="not a Hydrogen drum kit"):
        read_kit(tmp_path)
    (tmp_path / "drumkit.xml").write_text(XML.format(""))
    with pytest.raises(DataError, match="a kick and a snare"):
        read_kit(tmp_path)


def test_drum_fonts_play_drums_alone_and_none_of_them_in_the_test_split() -> None:
    files = [card.file for card in FONTS]
    melodic, shares = fonts_for(files, is_drum=False)
    assert "VariBreaks" not in melodic
    assert "VariBreaks" in fonts_for(files, is_drum=True)[0]
    assert shares.sum() == pytest.approx(1.0)
    assert [card.file for card in cards_for("test")] == ["TimGM6mb.sf2"]


@pytest.mark.render
def test_tuning_moves_a_melodic_part_by_so_many_cents() -> None:
    font = next(iter(available_fonts("test").values()))

    def peak_hz(cents: float) -> float:
        notes = [Note(start_s=0.0, end_s=3.0, pitch=69, velocity=100)]
        audio = render_part(font, notes, program=73, is_drum=False, n_samples=3 * RATE, cents=cents)[0, RATE:]
        spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 2**20))
        hz = np.fft.rfftfreq(2**20, 1 / RATE)
        near = (hz > 380) & (hz < 500)
        return float(hz[near][np.argmax(spectrum[near])])

    flat, even, sharp = (peak_hz(cents) for cents in (-50.0, 0.0, 50.0))
    assert 1200 * np.log2(sharp / even) == pytest.approx(50.0, abs=6.0)
    assert 1200 * np.log2(flat / even) == pytest.approx(-50.0, abs=6.0)
