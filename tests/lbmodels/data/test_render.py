# SPDX-License-Identifier: GPL-3.0-or-later
"""The renderer: same seed same sound, resumable, truth where the sound is, splits apart."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.data.errors import DataError
from lbmodels.data.render import RenderOptions, make_song, plan_stems, render_split, render_track
from lbmodels.data.slakh import find_tracks, read_track
from lbmodels.data.song import CORE_PARTS
from lbmodels.data.styles import STYLES
from lbmodels.data.synth import FONTS, available_fonts, cards_for, find_font

pytestmark = pytest.mark.render

SHORT = {"min_s": 4.0, "max_s": 5.0}


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> RenderOptions:
    return RenderOptions(out=tmp_path_factory.mktemp("data"), split="test", seed=5, **SHORT)


@pytest.fixture(scope="module")
def folder(options: RenderOptions) -> Path:
    return render_track(options, 1)


def content(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_one_seed_gives_one_track_bit_for_bit(options, folder, tmp_path) -> None:
    # Another track in between: nothing of the synth's state may pass from one to the next.
    render_track(replace(options, out=tmp_path / "b", seed=6), 1)
    again = render_track(replace(options, out=tmp_path / "a"), 1)
    assert content(again) == content(folder)
    other = tmp_path / "b" / "test" / "Track00001"
    assert content(other)["mix.flac"] != content(folder)["mix.flac"]


def test_a_half_written_track_is_made_anew(options, folder, tmp_path) -> None:
    here = replace(options, out=tmp_path)
    half = tmp_path / "test" / ".Track00001.999999999.part"
    (half / "stems").mkdir(parents=True)
    broken = tmp_path / "test" / "Track00001"
    broken.mkdir()  # no metadata.yaml: not whole
    assert render_split(here, 1, show_progress=False).made == 1
    assert not half.exists()
    assert content(broken) == content(folder)
    assert render_split(here, 1, show_progress=False).skipped == 1


def test_a_full_disk_leaves_no_track(options, tmp_path, monkeypatch) -> None:
    def full(*_args, **_kwargs) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", full)
    with pytest.raises(DataError, match="No space left on device"):
        render_track(replace(options, out=tmp_path), 1)
    assert not list((tmp_path / "test").iterdir())


def test_two_processes_write_the_same(options, folder, tmp_path) -> None:
    render_split(replace(options, out=tmp_path), 2, jobs=2, show_progress=False)
    assert content(find_tracks(tmp_path, "test")[0]) == content(folder)


def onset_s(audio: np.ndarray, around_s: float) -> float:
    """Time of the steepest rise of the level within 30 ms of a time."""
    rate = 48000
    power = np.convolve(np.square(audio), np.ones(48) / 48)[:-47:12]
    rise = np.diff(np.log(power + 1e-8), prepend=np.log(1e-8))
    first = max(0, round((around_s - 0.03) * rate / 12))
    return (first + int(np.argmax(rise[first : first + round(0.06 * rate / 12)]))) * 12 / rate


def test_beats_lie_on_the_drums(tmp_path) -> None:
    offsets = []
    for seed in range(40, 60):
        options = RenderOptions(out=tmp_path, split="test", seed=seed, **SHORT)
        song, _ = make_song(options, 1)
        if (
            song.style.name not in ("rock", "disco", "house", "country")
            or "drums" not in song.bars[0].playing
        ):
            continue
        track = read_track(render_track(replace(options, out=tmp_path / str(seed)), 1))
        drums = track.stems_of("drums")
        if not drums:
            continue
        audio = soundfile.read(str(drums[0].path))[0].mean(axis=1)
        sounding = [
            b for b in track.downbeats_s if np.abs(audio[round(b * 48000) :][:4800]).max(initial=0) > 0.02
        ]
        offsets += [onset_s(audio, b) - b for b in sounding]
        if len(offsets) >= 6:
            break
    assert len(offsets) >= 4
    assert abs(float(np.median(offsets))) < 0.005


def test_chords_lie_under_the_piano_and_guitar() -> None:
    """Notes of the comping parts are tones of the chord that the truth states at their time."""
    for seed in range(8):
        options = RenderOptions(out=Path("unused"), split="test", seed=seed, **SHORT)
        song, parts = make_song(options, 1)
        rows = song.chord_rows()
        plans = plan_stems(song, parts, ["TimGM6mb.sf2"], np.random.default_rng(0))
        for plan in (p for p in plans if p.part in ("piano", "guitar", "pad")):
            hits = []
            for note in plan.notes:
                value = next(c for a, b, c in rows if a <= note.start_s + 0.02 < b or b == rows[-1][1])
                early = next(
                    c for a, b, c in rows if a <= max(0.0, note.start_s - 0.02) < b or b == rows[-1][1]
                )
                tones = {*value.tones, value.bass, *early.tones, early.bass}
                # a power chord adds the plain fifth
                hits.append(note.pitch % 12 in tones | {(value.root + 7) % 12})
            assert np.mean(hits) > 0.97, (seed, plan.part)


def test_most_songs_have_most_of_the_band() -> None:
    options = RenderOptions(out=Path("unused"), split="train", seed=0)
    bands = [make_song(options, i)[1] for i in range(150)]
    for part in CORE_PARTS:
        assert 0.75 < np.mean([part in band for band in bands]) < 0.97


def test_splits_share_neither_song_nor_font() -> None:
    songs = {
        split: {
            (s.title, tuple(c.label for _, _, c in s.chord_rows()))
            for s in (
                make_song(RenderOptions(out=Path("unused"), split=split, seed=3), i)[0] for i in range(1, 25)
            )
        }
        for split in ("train", "validation", "test")
    }
    assert not songs["train"] & songs["test"]
    assert not songs["train"] & songs["validation"]
    assert not songs["validation"] & songs["test"]
    assert cards_for("train") == cards_for("validation")
    assert not {c.file for c in cards_for("train")} & {c.file for c in cards_for("test")}


def test_all_keys_and_many_metres_occur() -> None:
    options = RenderOptions(out=Path("unused"), split="train", seed=1)
    songs = [make_song(options, i)[0] for i in range(300)]
    assert {s.key for s in songs} == set(range(24))
    assert {s.style.name for s in songs} == {s.name for s in STYLES}
    assert 60 <= min(s.tempo_bpm for s in songs) < 70
    assert 175 < max(s.tempo_bpm for s in songs) <= 190


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
def test_figures_fill_their_bars(style) -> None:
    steps = style.beats_per_bar * style.steps_per_beat
    figures = [line for groove in style.grooves for line in groove.values()]
    figures += (
        [f for f in style.bass if f != "W"] + [f for pair in style.piano for f in pair] + list(style.guitar)
    )
    assert {len(f) for f in figures} == {steps}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "foo"}, "unknown split 'foo'; accepted: train, validation, test"),
        ({"min_s": 9.0, "max_s": 8.0}, "lengths must satisfy"),
        ({"chart_share": 2.0}, "share of charts"),
        ({"charts": Path("nowhere")}, "no such folder of charts"),
        ({"out": Path("/dev/null/x")}, "cannot write into"),
    ],
)
def test_bad_options_are_refused_in_one_line(options, change, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        render_split(replace(options, **change), 1, show_progress=False)
    assert "\n" not in str(error.value)


def test_a_missing_font_names_its_package(monkeypatch) -> None:
    monkeypatch.setattr("lbmodels.data.synth.SEARCH_DIRS", ())
    with pytest.raises(DataError, match="apt-get install timgm6mb-soundfont"):
        available_fonts("test")


def test_fonts_are_found_in_a_named_folder_first(tmp_path) -> None:
    (tmp_path / FONTS[0].file).write_bytes(b"")
    assert find_font(FONTS[0], [tmp_path]) == tmp_path / FONTS[0].file


def test_a_file_that_is_no_font_is_refused(options, tmp_path) -> None:
    (tmp_path / "TimGM6mb.sf2").write_text("not a font")
    with pytest.raises(DataError, match="not a sound font"):
        render_track(replace(options, out=tmp_path, soundfont_dirs=(tmp_path,)), 1)
