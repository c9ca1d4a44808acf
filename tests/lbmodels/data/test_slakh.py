# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader, on our own folders and on bare Slakh2100 ones."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.data.errors import DataError
from lbmodels.data.slakh import find_tracks, read_track
from lbmodels.data.stats import chord_family, data_stats, draw_stats

TINY = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"


def test_reads_our_own_track_with_its_truth() -> None:
    track = read_track(find_tracks(TINY, "test")[0])
    assert {s.stem_class for s in track.stems} >= {"drums", "bass", "piano", "guitar"}
    assert track.sample_rate == 48000
    assert track.beat_in_bar[0] == 1
    assert np.all(np.diff(track.beats_s) > 0)
    assert set(track.downbeats_s) <= set(track.beats_s)
    assert track.chords[0].start_s == 0.0
    assert all(a.end_s == b.start_s for a, b in zip(track.chords[:-1], track.chords[1:], strict=True))
    assert track.key is not None


def test_stems_sum_to_the_mix() -> None:
    for split in ("train", "test"):
        track = read_track(find_tracks(TINY, split)[0])
        total = np.sum([soundfile.read(str(s.path))[0] for s in track.stems], axis=0)
        mix = soundfile.read(str(track.mix_path))[0]
        assert np.abs(total - mix).max() < 1e-3  # 16-bit rounding of every stem


def test_reads_a_slakh_folder_that_lacks_our_extras(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "Track00007"
    (folder / "stems").mkdir(parents=True)
    soundfile.write(folder / "mix.flac", np.zeros(4410), 44100)
    for stem in ("S00", "S02"):
        soundfile.write(folder / "stems" / f"{stem}.flac", np.zeros(4410), 44100)
    (folder / "metadata.yaml").write_text(
        "UUID: 1a\nstems:\n"
        "  S00: {inst_class: Guitar, is_drum: false, program_num: 29, audio_rendered: true}\n"
        "  S01: {inst_class: Piano, is_drum: false, program_num: 0, audio_rendered: false}\n"
        "  S02: {inst_class: Drums, is_drum: true, program_num: 128, audio_rendered: true}\n"
    )
    track = read_track(find_tracks(tmp_path, "train")[0])
    assert [(s.id, s.stem_class) for s in track.stems] == [("S00", "guitar"), ("S02", "drums")]
    assert (track.sample_rate, track.key, track.chords, len(track.beats_s)) == (44100, None, (), 0)
    assert track.duration_s == pytest.approx(0.1)
    assert data_stats(tmp_path)[0].class_tracks["guitar"] == 1


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda t: (t / "metadata.yaml").write_text("{["), "cannot be read as YAML"),
        (lambda t: (t / "metadata.yaml").write_text("[" * 100_000), "nested more than 16 deep"),
        (lambda t: (t / "metadata.yaml").write_text("a: 2026-99-99"), "cannot be read as YAML"),
        (
            lambda t: (t / "metadata.yaml").write_text("!!python/object/apply:os.system [exit]"),
            "cannot be read",
        ),
        (lambda t: (t / "metadata.yaml").write_text("# " + "x" * 2**20), "larger than 1048576 characters"),
        (lambda t: (t / "metadata.yaml").write_text("hello"), "not a Slakh metadata file"),
        (lambda t: (t / "mix.flac").write_text("hello"), "not an audio file"),
        (lambda t: (t / "mix.flac").unlink(), "no mix.flac"),
        (lambda t: (t / "beats.txt").write_text("0.5\t1\n0.4\t2\n"), "beat times must rise"),
        (lambda t: (t / "beats.txt").write_text("0.5\n"), "expected 2 columns"),
        (lambda t: (t / "chords.txt").write_text("0\t1\tH:foo\n"), "not Harte syntax"),
        (lambda t: shutil.rmtree(t) or t.mkdir(), "no metadata.yaml"),
    ],
)
def test_damaged_tracks_are_named_in_one_line(tmp_path: Path, break_it, message: str) -> None:
    folder = tmp_path / "Track00001"
    shutil.copytree(find_tracks(TINY, "test")[0], folder)
    break_it(folder)
    with pytest.raises(DataError, match=message) as error:
        read_track(folder)
    assert "\n" not in str(error.value)


def test_missing_split_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no 'train' split"):
        find_tracks(tmp_path, "train")
    with pytest.raises(DataError, match="no data set in"):
        data_stats(tmp_path)


def test_statistics_count_and_draw(tmp_path: Path) -> None:
    stats = data_stats(TINY)
    assert [s.split for s in stats] == ["train", "test"]
    assert all(s.tracks == 1 and s.class_tracks["drums"] == 1 and 0 < s.hours < 0.01 for s in stats)
    assert sum(stats[0].chord_hours.values()) == pytest.approx(stats[0].hours, rel=0.02)
    draw_stats(stats, tmp_path / "stats.png")
    assert (tmp_path / "stats.png").stat().st_size > 10_000


def test_splits_hear_no_common_font() -> None:
    train, test = data_stats(TINY)
    assert set(test.sound_fonts) == {"TimGM6mb.sf2"}
    assert "TimGM6mb.sf2" not in train.sound_fonts


@pytest.mark.parametrize(
    ("label", "family"),
    [
        ("N", "N"),
        ("C", "maj"),
        ("C:min7/b3", "min7"),
        ("C:13", "7"),
        ("C:sus4(b7)", "sus"),
        ("C:hdim7", "dim"),
    ],
)
def test_chord_families(label: str, family: str) -> None:
    assert chord_family(label) == family
