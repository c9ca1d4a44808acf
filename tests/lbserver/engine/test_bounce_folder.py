# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a folder is a recording, what its stems are called, and what need not be played again."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbserver.engine.bounce_folder import Settings, clashes, entry, known, look_into, plan, play
from lbserver.errors import LiveBandError
from lbserver.files.journal import open_journal
from lbserver.music.conditions import HostKnowledge
from lbserver.testing.accompanists import BY_NAME

NOISE = Settings(
    device="auto",
    model="test:noise",
    runtime="auto",
    weights_id=BY_NAME["test:noise"]().spec.weights_id,
    stems=("bass",),
)


def record(path: Path, peak: float = 0.1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(1).uniform(-peak, peak, (4800, 2)), 48000)


def run(songs: Path, out: Path, settings: Settings = NOISE) -> dict[str, str]:
    """What the command does, in this process: states by name."""
    out.mkdir(exist_ok=True)
    states = {}
    with open_journal(out / "bounce.jsonl") as journal:
        for item in plan(look_into(songs, out), out, settings, known(journal.entries(), settings)):
            outcome = play(settings, item)
            states[outcome.name] = outcome.state
            if outcome.state == "done":
                journal.add(entry(settings, outcome))
    return states


def test_what_is_there_is_skipped_until_anything_of_it_changes(tmp_path: Path) -> None:
    """Going by names or dates, a run keeps stems of an older recording, of another seed, or that somebody cut."""
    songs, out = tmp_path / "songs", tmp_path / "out"
    record(songs / "one.wav")
    record(songs / "live" / "two.ogg")

    def done(settings: Settings = NOISE) -> list[str]:
        return sorted(name for name, state in run(songs, out, settings).items() if state == "done")

    def stems() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in out.rglob("*.wav")}

    both = ["live/two.ogg", "one.wav"]
    assert done() == both
    first = stems()
    stat = (songs / "one.wav").stat()
    record(songs / "one.wav", peak=0.2)
    os.utime(songs / "one.wav", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert done() == ["one.wav"]
    with (out / "live/two_bass.wav").open("r+b") as file:
        file.truncate(200)
    with (out / "bounce.jsonl").open("ab") as file:
        file.write(b'[{}]\n{"name": 3}\n{"name": "one.wav", "fil')  # a power cut
    assert done() == ["live/two.ogg"]
    assert stems() == first  # what is heard changes nothing of this noise
    assert done(replace(NOISE, feed_samples=512)) == []  # nor does this of anything
    for other in (
        replace(NOISE, seed=1),
        replace(NOISE, gain_db=-6.0),
        replace(NOISE, knowledge=HostKnowledge(key=3)),
    ):
        assert done(other) == both
    assert done() == both


def test_what_a_folder_holds(tmp_path: Path) -> None:
    """Stems inside the folder would be played along to, a link in a circle never ends, a named pipe waits for ever."""
    songs, out = tmp_path / "songs", tmp_path / "songs" / "stems"
    for name in ("one.WAV", "one.flac", "stems/one_bass.wav", "a/b/take", ".hidden.wav", ".git/x.wav"):
        record(songs / name) if Path(name).suffix else None
    (songs / "a" / "b").mkdir(parents=True)
    record(tmp_path / "take.wav")
    (tmp_path / "take.wav").rename(songs / "a" / "b" / "take")
    (songs / "cover.png").write_bytes(b"\x89PNG")
    (songs / "README").write_text("text")
    (songs / "a" / "round").symlink_to(songs)
    (songs / "gone.wav").symlink_to(tmp_path / "nowhere")
    os.mkfifo(songs / "pipe.wav")
    found = look_into(songs, out)
    assert list(found.recordings) == ["a/b/take", "one.WAV", "one.flac"]
    assert found.others == 3
    assert found.closed == {"gone.wav": "there is no such file or folder"}
    items = {item.name: item for item in plan(found, out, replace(NOISE, mix=True), {})}
    assert items["a/b/take"].outputs == {
        "bass": out / "a/b/take_bass.wav",
        "mix": out / "a/b/take_mix.wav",
    }
    assert items["one.WAV"].outputs["bass"] == out / "one.WAV_bass.wav"
    assert not list(clashes(list(items.values())))


def test_no_stem_replaces_another_or_a_recording(tmp_path: Path) -> None:
    """An output folder that holds the songs: a stem of one may have the name of another."""
    songs = tmp_path / "songs"
    for name in ("songs/deep.wav", "deep_bass.wav", "fine.wav"):
        record(songs / name)
    items = plan(look_into(songs, tmp_path), tmp_path, NOISE, {})
    (clash,) = clashes(items)
    assert clash[0].name == "songs/deep.wav"
    assert "would replace the recording deep_bass.wav" in clash[1]


def test_no_other_name_of_a_file_hides_that_it_would_be_replaced(tmp_path: Path) -> None:
    """`OUT/..`, a link to a recording and linked folders let stems overwrite recordings, and each other."""
    songs, out = tmp_path / "in", tmp_path / "out"
    for name in ("in/a.wav", "a_bass.wav", "x/b.wav", "y/b.wav", "z/c.wav"):
        record(songs / name)
    (out / "x").mkdir(parents=True)
    (out / "y").symlink_to("x")
    (out / "z").mkdir()
    (out / "z" / "c_bass.wav").symlink_to(songs / "a_bass.wav")

    def clashing(out: Path) -> dict[str, str]:
        return {item.name: why for item, why in clashes(plan(look_into(songs, out), out, NOISE, {}))}

    (clash,) = clashing(songs / "..").items()
    assert clash[0] == "in/a.wav"
    assert "would replace the recording a_bass.wav" in clash[1]
    linked = clashing(out)
    assert sorted(linked) == ["x/b.wav", "y/b.wav", "z/c.wav"]
    assert "another stem would be written to" in linked["x/b.wav"]
    assert "would replace the recording a_bass.wav" in linked["z/c.wav"]


def test_a_journal_is_nobody_elses(tmp_path: Path) -> None:
    """Two runs at once would write one file's stems together; a link would have lines added to what it leads to."""
    path = tmp_path / "bounce.jsonl"
    with open_journal(path) as journal:
        journal.add({"name": "one"})
        with pytest.raises(LiveBandError, match="another liveband"), open_journal(path):
            pass
    linked = tmp_path / "linked"
    linked.symlink_to(path)
    with pytest.raises(LiveBandError, match="symbolic links"), open_journal(linked):
        pass
    os.link(path, tmp_path / "second")
    with pytest.raises(LiveBandError, match="no plain file of yours"), open_journal(path):
        pass
    assert path.read_text() == '{"name": "one"}\n'
