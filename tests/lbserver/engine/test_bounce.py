# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from lbserver.engine.bounce import BounceReport, BounceRequest, bounce, plan_anticipation_frames, plan_outputs
from lbserver.errors import LiveBandError
from lbserver.testing import accompanists

SOURCES = {
    "44100 mono": (44100, 1),
    "48000 stereo": (48000, 2),
    "96000 stereo": (96000, 2),
    "22050 six": (22050, 6),
}


def make_source(folder: Path, rate_hz: int, channels: int, seconds: float = 0.8) -> Path:
    """Noise with a length that is no multiple of anything."""
    path = folder / "source.wav"
    samples = int(rate_hz * seconds) + 13
    audio = 0.1 * np.random.default_rng(7).standard_normal((samples, channels))
    soundfile.write(path, audio.astype(np.float32), rate_hz, subtype="FLOAT")
    return path


def run(
    source: Path, out: Path, model: accompanists.SmallAccompanist | None = None, **values: Any
) -> BounceReport:
    stems = values.pop("stems", ("bass",))
    outputs = values.pop("outputs", {stems[0]: out})
    request = BounceRequest(source=source, stems=stems, outputs=outputs, **values)
    return bounce(request, model or accompanists.noise())


@pytest.mark.parametrize("kind", SOURCES)
def test_length_rate_and_bits_do_not_depend_on_how_it_is_fed(tmp_path: Path, kind: str) -> None:
    rate_hz, channels = SOURCES[kind]
    source = make_source(tmp_path, rate_hz, channels)
    samples = soundfile.info(source).frames
    results = []
    for chunk in (1, 64, 480, 4096, samples):
        report = run(source, tmp_path / f"{chunk}.wav", accompanists.copy(), feed_samples=chunk)
        assert (report.samples, report.rate_hz, report.source_channels) == (samples, rate_hz, channels)
        results.append((tmp_path / f"{chunk}.wav").read_bytes())
    assert all(result == results[0] for result in results)
    audio, found_hz = soundfile.read(tmp_path / "1.wav")
    assert found_hz == rate_hz
    assert audio.shape == (samples, 2)
    assert np.isfinite(audio).all()
    assert audio.any()


def test_one_seed_is_one_take(tmp_path: Path) -> None:
    source = make_source(tmp_path, 44100, 1)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(source, tmp_path / f"{name}.wav", seed=seed)
    a, b, c = ((tmp_path / f"{name}.wav").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_blend_is_the_input_and_the_stems_in_time(tmp_path: Path) -> None:
    """At 96 kHz too, where the accompaniment comes late out of the resampler and the input must wait for it."""
    for rate_hz in (48000, 96000):
        source = make_source(tmp_path, rate_hz, 2)
        outputs = {name: tmp_path / f"{name}.wav" for name in ("bass", "drums", "mix")}
        report = run(source, tmp_path, stems=("bass", "drums"), outputs=outputs, gain_db=-6.0)
        parts = [soundfile.read(path, dtype="float32")[0] for path in (source, *outputs.values())]
        np.testing.assert_allclose(parts[3], parts[0] + parts[1] + parts[2], atol=1e-6)
        assert [file.name for file in report.files] == ["bass", "drums", "mix"]
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "bass.wav",
            "drums.wav",
            "mix.wav",
            "source.wav",
        ]


def test_a_blend_that_would_clip_is_turned_down(tmp_path: Path) -> None:
    source = make_source(tmp_path, 48000, 2)
    audio, _ = soundfile.read(source)
    soundfile.write(source, 3 * audio, 48000, subtype="FLOAT")
    report = run(source, tmp_path, accompanists.copy(), stems=("bass",), outputs={"mix": tmp_path / "m.flac"})
    mix = report.files[0]
    assert mix.peak_dbfs == pytest.approx(-1.0, abs=0.01)
    assert mix.lowered_db > 1.0
    assert mix.clipped_samples == 0


def test_one_sample_gives_one_sample(tmp_path: Path) -> None:
    source = tmp_path / "one.wav"
    soundfile.write(source, np.array([[0.5]]), 44100)
    report = run(source, tmp_path / "o.wav")
    assert report.samples == 1
    assert soundfile.info(tmp_path / "o.wav").frames == 1


def test_nothing_appears_when_the_input_goes_bad_in_the_middle(tmp_path: Path) -> None:
    source = make_source(tmp_path, 48000, 2, seconds=3.0)
    audio, _ = soundfile.read(source)
    audio[100_000, 0] = np.inf
    soundfile.write(source, audio, 48000, subtype="FLOAT")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(LiveBandError, match=r"2\.083333 s"):
        run(source, out, outputs={"bass": out / "b.wav", "mix": out / "m.wav"})
    assert not list(out.iterdir())


def test_the_input_is_never_replaced(tmp_path: Path) -> None:
    source = make_source(tmp_path, 48000, 2)
    before = source.read_bytes()
    with pytest.raises(LiveBandError, match="would replace the input"):
        run(source, source)
    assert source.read_bytes() == before


def test_names_of_the_files(tmp_path: Path) -> None:
    source, wav = tmp_path / "song.mp3", tmp_path / "o.wav"
    assert plan_outputs(source, wav, ("bass",), mix=False, mix_only=False) == {"bass": wav}
    assert plan_outputs(source, wav, ("bass",), mix=False, mix_only=True) == {"mix": wav}
    assert plan_outputs(source, wav, ("bass",), mix=True, mix_only=False) == {
        "bass": tmp_path / "o_bass.wav",
        "mix": tmp_path / "o_mix.wav",
    }
    in_folder = {"bass": tmp_path / "song_bass.wav", "drums": tmp_path / "song_drums.wav"}
    assert plan_outputs(source, tmp_path, ("bass", "drums"), mix=False, mix_only=False) == in_folder


@pytest.mark.parametrize(("wish", "frames"), [(None, 1), (0.0, 0), (50.0, 1), (100.0, 3), (1000.0, 25)])
def test_anticipation_is_rounded_to_frames(wish: float | None, frames: int) -> None:
    assert plan_anticipation_frames(accompanists.copy().spec, wish) == frames


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"anticipation_ms": 1100.0}, "1100 ms is out of range: test:noise takes 0 to 1000 ms"),
        ({"anticipation_ms": -1.0}, "out of range"),
        ({"anticipation_ms": float("nan")}, "out of range"),
        ({"variation": -0.1}, "variation of -0.1 is out of range"),
        ({"controls": {"variation": 2.5}}, "variation 2.5 is out of range: 0 to 2"),
        ({"controls": {"density": 0.8}}, "has no control 'density'; it has variation"),
        ({"gain_db": 99.0}, "gain of 99 is out of range: -60 to 24 dB"),
        ({"feed_samples": 0}, "a chunk of 0 is out of range: 1 to 1048576 samples"),
        ({"stems": ("kazoo",)}, "unknown stem 'kazoo'"),
    ],
)
def test_what_is_refused(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    source = make_source(tmp_path, 48000, 1, seconds=0.01)
    with pytest.raises(LiveBandError, match=says):
        run(source, tmp_path / "o.wav", **values)
    assert [p.name for p in tmp_path.iterdir()] == ["source.wav"]


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """What makes a 4-hour file possible: a recording of 60 s needs no more than one of 20 s."""
    peaks = []
    for seconds in (20, 60):
        source = tmp_path / f"{seconds}.wav"
        soundfile.write(source, 0.1 * np.random.default_rng(1).standard_normal(8000 * seconds), 8000)
        outputs = {name: tmp_path / f"{seconds}_{name}.wav" for name in ("bass", "mix")}
        tracemalloc.start()
        run(source, tmp_path, accompanists.silence(), outputs=outputs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_silent_channels_are_left_out(tmp_path: Path) -> None:
    """Four channels, two of them silent, were averaged: 9 LU quieter, and the pair in front no longer a pair."""
    pair = 0.1 * np.random.default_rng(2).standard_normal((48000, 2))
    wide = np.zeros((48000, 4))
    wide[:, :2] = pair
    soundfile.write(tmp_path / "pair.wav", pair, 48000, subtype="FLOAT")
    soundfile.write(tmp_path / "wide.wav", wide, 48000, subtype="FLOAT")
    takes = {name: run(tmp_path / f"{name}.wav", tmp_path / f"{name}_out.wav") for name in ("pair", "wide")}
    assert takes["wide"].source_loudness_lufs == takes["pair"].source_loudness_lufs
    assert (tmp_path / "wide_out.wav").read_bytes() == (tmp_path / "pair_out.wav").read_bytes()


def test_a_recording_that_ends_before_its_header_said_gives_nothing(tmp_path: Path) -> None:
    """A cut file gave a short stem, under its final name."""
    source = make_source(tmp_path, 48000, 1, seconds=0.5)
    source.write_bytes(source.read_bytes()[:-4000])
    with pytest.raises(LiveBandError, match=r"promises 0.500 s, it holds 0.4\d\d s"):
        run(source, tmp_path / "o.wav")
    assert list(tmp_path.iterdir()) == [source]
