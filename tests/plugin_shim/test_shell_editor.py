# SPDX-License-Identifier: GPL-3.0-or-later
"""The plug-in's window in every state, its keys, its saved state and `Start the band`, in a host of a few lines.

That host is `liveband_shots`, built beside the plug-in; it draws without a display, but for the keyboard's focus.
"""

import contextlib
import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lbserver.client.connection import connected
from lbserver.engine.backends import style_vector
from lbserver.files import saved_state
from lbserver.host.rundir import find_server
from lbserver.session.knowledge import chord_label

_START_S = 120.0
_WORDS = {
    "no_server": ("no server", "Nobody is playing yet", "press Start"),
    "starting": ("connecting", "The band is coming", "seconds"),
    "connecting": ("connecting", "The band takes its place", ""),
    "refused": ("refused", "The band cannot play here", "update the older"),
    "listening": ("listening", "Listening", "comes in soon"),
    "playing": ("playing", "Playing", "Test band (copy) · bass"),
    "late": ("late", "", ""),
    "lost": ("lost", "The band is gone", "waiting for it to come back"),
    "manual": ("playing", "Playing", "Test band (copy) · drums"),
}


def _until(window: Any, wanted: Callable[[str], bool], what: str, *, piece_s: float = 0.2) -> str:
    """Play until the window says what is wanted, in pieces of this length."""
    deadline = time.monotonic() + _START_S
    while True:
        said: str = window.tell("words")
        if wanted(said):
            return said
        assert time.monotonic() < deadline, f"no {what} within {_START_S:g} s: {said}"
        window.tell(f"play {piece_s}")


def _says(light: str, words: str, detail: str) -> Callable[[str], bool]:
    """Whether a status is of this kind."""

    def says(said: str) -> bool:
        found = said.split(" | ")
        return len(found) == 3 and found[0] == light and words in found[1] and detail in found[2]

    return says


def _all_reached(window: Any, _said: str) -> bool:
    """Whether the tab key reaches everything that can be changed."""
    return len(window.tell("tab").split(" | ")) == int(window.tell("controls"))


@pytest.mark.slow
def test_every_state(shots: Path, pictures: Any, tmp_path: Path) -> None:
    """Each state says what it is, in words that fit, looks its own way, and is reached with the tab key."""
    seen: dict[str, NDArray[np.uint8]] = {}
    for name, window in pictures.each_state(shots, "test:copy", seconds=2.0):
        light, words, detail = _WORDS[name]
        piece_s = pictures.PIECE_S if name == "listening" else 0.2  # a step that it has heard, and it plays
        _until(window, _says(light, words, detail), name, piece_s=piece_s)
        for family in ("DejaVu Sans", "default"):
            window.tell(f"family {family}")
            assert window.tell("clipped") == "", (name, family)
        window.tell(f"shot 1 {tmp_path / name}.png")
        assert window.tell("nameless") == "0", name
        _until(window, functools.partial(_all_reached, window), f"tab order in {name}")
        with Image.open(tmp_path / f"{name}.png") as image:
            seen[name] = np.asarray(image.convert("RGB"))
    assert set(seen) == set(pictures.STATES)
    for name, picture in seen.items():
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100, f"{name} is blank"
        header = picture[:60, 160:650]
        for other in seen:
            same = other == name or _WORDS[other][:2] == _WORDS[name][:2]
            assert same or (header != seen[other][:60, 160:650]).any(), f"{name} looks like {other}"


def test_keys(shots: Path, pictures: Any, run: Path) -> None:
    """Every kind of control does what its keys say."""
    with pictures.Window(shots, run) as window:
        assert float(window.tell("value variation")) == 1.0
        window.tell("stroke cursor_up Variation")
        assert float(window.tell("value variation")) == pytest.approx(1.02)
        window.tell("stroke page_down Variation")
        window.tell("stroke home Variation")
        assert float(window.tell("value variation")) == pytest.approx(1.0)
        window.tell("stroke return Drums")
        window.tell("stroke return My sound")
        window.tell("stroke return Manual")
        window.tell("play 0.2")
        assert [float(window.tell(f"value {name}")) for name in ("stem", "when_lost", "mode")] == [0, 1, 3]
        assert "Ahead" in window.tell("tab").split(" | ")
        window.tell("stroke cursor_right Ahead")
        assert float(window.tell("value anticipation")) > 40.0
        window.tell("press Live")
        window.tell("play 0.2")
        assert "Ahead" not in window.tell("tab").split(" | "), "nothing to choose there"


def test_focus_is_seen(shots: Path, pictures: Any, run: Path, tmp_path: Path, display: None) -> None:
    """In a real window: what has the keyboard looks different, whatever it is."""
    seen: list[NDArray[np.uint8]] = []
    with pictures.Window(shots, run) as window:
        window.tell("window")
        window.tell("play 0.5")
        names = window.tell("tab").split(" | ")
        for name in names:
            _retry(window, f"focus {name}")
            path = tmp_path / f"{len(seen)}.png"
            window.tell(f"shot 1 {path}")
            with Image.open(path) as image:
                picture = np.array(image.convert("RGB"))
            picture[174:322, 728:824] = 0  # the meters move by themselves
            seen.append(picture)
    for first, second, name in zip(seen, seen[1:], names[1:], strict=False):
        assert (first != second).any(axis=2).sum() > 40, f"{name} looks as without the keyboard"


def _retry(window: Any, line: str) -> None:
    """Until it is done: an X server takes its time."""
    for _ in range(50):
        with contextlib.suppress(SystemExit):
            window.tell(line)
            return
        window.tell("play 0.05")
    pytest.fail(f"{line!r} was never done")


@pytest.mark.slow
@pytest.mark.weights
def test_a_performer_s_gestures_and_what_the_band_hears_are_in_the_window(
    shots: Path, pictures: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heard tempo that nobody shows; a button that moves another parameter, or none; taps that the band never gets."""
    monkeypatch.setenv("LIVEBAND_RUN", str(run))
    with pictures.server(run, "tiny"), pictures.Window(shots, run) as window:
        _until(
            window,
            lambda said: window.tell("heard").startswith("hears "),
            "tempo, beat or chord",
            piece_s=0.5,
        )
        assert window.tell("clipped") == ""
        for name in ("Tacet", "Mute", "Bar"):
            window.tell(f"press {name}")
        for name in ("Fade", "Intensity"):
            window.tell(f"stroke page_up {name}")
        window.tell("play 0.1")
        assert [float(window.tell(f"value {name}")) for name in ("tacet", "mute", "quantise")] == [1, 1, 2]
        assert float(window.tell("value fade")) > 2.0
        assert float(window.tell("value intensity")) > 0.5
        assert "Next section" not in window.tell("tab").split(" | "), "no chart, no section"
        with connected("test") as line:
            (before,) = line.ask("session_list", "sessions")["sessions"].values()
            assert np.isnan(before["tempo"])
            for _ in range(4):
                window.tell("press Tap")
                window.tell("play 0.5")
            (after,) = line.ask("session_list", "sessions")["sessions"].values()
        # Only that taps came, and as what: how steady they are is this machine's affair.
        assert 20.0 < after["tempo"] < 400.0
        window.tell("chart | Am | [B] F |")
        window.tell("words")  # which looks anew
        assert "Next section" in window.tell("tab").split(" | ")


def test_chords_have_the_server_s_names(shots: Path, pictures: Any, run: Path) -> None:
    """Another table of kinds, another choice between two that fit, a bass that is a semitone off."""
    numbers = np.random.default_rng(5).integers(-3, 4096 * 13 + 3, 200).tolist()
    with pictures.Window(shots, run) as window:
        assert [window.tell(f"chord {number}") for number in numbers] == [*map(chord_label, numbers)]


def test_tab_order_follows_the_eye(shots: Path, pictures: Any, run: Path) -> None:
    with pictures.Window(shots, run) as window:
        names = window.tell("tab").split(" | ")
    order = [
        "Start the band",
        "Drums",
        "Silence",
        "Live",
        "Variation",
        "Mix",
        "Seed",
        "Roll",
        "Tacet",
        "Now",
        "Chords",
        "Key",
    ]
    assert [name for name in names if name in order] == order


def test_resize_keeps_the_ratio(shots: Path, pictures: Any, run: Path) -> None:
    """However a corner is dragged, from 75 to 300 %."""
    with pictures.Window(shots, run) as window:
        width, height = map(int, window.tell("size 840 546").split())
        for wish in ((1200, 546), (2000, 2000), (100, 100), (9000, 9000), (840, 700)):
            wide, high = map(int, window.tell(f"size {wish[0]} {wish[1]}").split())
            assert wide / high == pytest.approx(width / height, rel=0.01)
            assert 0.74 * width <= wide <= 3.01 * width
            assert window.tell("clipped") == ""


_KEPT = ("stem", "gain", "seed", "mode", "anticipation", "when_lost", "density", "bpm", "beats_per_bar")


def test_a_style_that_is_typed_changes_what_plays(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that reaches nobody, or is forgotten with the project; a word that is guessed."""
    monkeypatch.setenv("LIVEBAND_RUN", str(run))
    with pictures.server(run, "test:style"), pictures.Window(shots, run) as window:
        assert "Style" in window.tell("tab").split(" | ")
        _until(window, _says("playing", "Playing", ""), "playing")
        for line in ("upright bass", "bright, synth pad *2 | drums"):
            window.tell(f"style {line}")
            window.tell(f"save {tmp_path / line[:5]}")
            assert _held(window, tmp_path) == style_vector(line)[0]
        window.tell(f"load {tmp_path / 'uprig'}")
        assert _held(window, tmp_path) == style_vector("upright bass")[0]
        window.tell("style theremin")
        _until(window, lambda said: "unknown: theremin" in said, "refusal")


def _held(window: Any, folder: Path) -> float:
    """What plays, as soon as it stands still."""
    for _ in range(100):
        window.tell(f"record {folder / 'heard.f32'}")
        window.tell("play 0.5")
        heard = np.fromfile(folder / "heard.f32", np.float32)[2::3][-4800:]
        if heard.any() and (heard == heard[0]).all():
            return float(heard[0])
    pytest.fail("it never stood still")


def _values(window: Any) -> list[str]:
    return [window.tell(f"value {name}") for name in _KEPT]


def test_state_comes_back_whole(shots: Path, pictures: Any, run: Path, tmp_path: Path) -> None:
    """Before any audio, all of it, every seed exactly."""
    path = tmp_path / "state"
    seeds = [16777215, 16777214, 8388609, 999999, 1]
    with pictures.Window(shots, run) as first, pictures.Window(shots, run) as second:
        for line in (
            "set stem 3",
            "set gain -7.25",
            "set mode 1",
            "set anticipation 123.4",
            "set when_lost 1",
        ):
            first.tell(line)
        for line in (
            "set density 0.3",
            "set bpm 97.3",
            "set beats_per_bar 3",
            "key Bb major",
            "style bass *2 | dark",
        ):
            first.tell(line)
        first.tell("chart | Bb | Eb |")
        for seed in seeds:
            first.tell(f"set seed {seed}")
            first.tell(f"save {path}")
            second.tell(f"load {path}")
            assert float(second.tell("value seed")) == seed
            assert _values(second) == _values(first)
        assert b"bass *2 | dark" in path.read_bytes()
        again = tmp_path / "again"
        second.tell(f"save {again}")
        assert again.read_bytes() == path.read_bytes()
    assert path.stat().st_size < saved_state.MOST_PLUGIN_BYTES


def test_bad_state_is_refused(shots: Path, pictures: Any, run: Path, tmp_path: Path) -> None:
    """Nothing, noise, a piece or a flipped bit: no value changes, and the window says why."""
    path = tmp_path / "state"
    chance = np.random.default_rng(7)
    with pictures.Window(shots, run) as window:
        window.tell(f"save {path}")
        whole = path.read_bytes()
        window.tell("set gain -7.25")
        window.tell("set stem 3")
        before = _values(window)
        flipped = bytearray(whole)
        flipped[len(flipped) // 2] ^= 4
        bad = [b"", bytes(flipped), whole[:-1], whole[: len(whole) // 2], whole[:10], whole + b"\0"]
        bad += [chance.bytes(2**20) for _ in range(3)]
        bad += [whole[:16] + chance.bytes(2**20 - 16), chance.bytes(2**20 + 1)]
        for bit in chance.integers(0, 8 * len(whole), 30):
            one = bytearray(whole)
            one[bit // 8] ^= 1 << bit % 8
            bad.append(bytes(one))
        for data in bad:
            path.write_bytes(data)
            window.tell(f"load {path}")
            assert _values(window) == before
            assert "saved state" in window.tell("words")
        path.write_bytes(whole)
        window.tell(f"load {path}")
        assert _values(window) != before
        assert "saved state" not in window.tell("words")


def test_moment_travels_with_the_project(shots: Path, pictures: Any, run: Path, tmp_path: Path) -> None:
    """What the band has in mind goes where the project goes, if it is small enough for it."""
    path = tmp_path / "state"
    moments = tmp_path / "xdg_data_home" / "liveband" / "moments"
    with pictures.server(run, "test:copy"):
        with pictures.Window(shots, run) as window:
            _until(window, lambda said: said.startswith("playing"), "band")
            window.tell("press Keep")
            _until(window, lambda _said: any(moments.glob("*.moment")), "moment")
            (kept,) = moments.glob("*.moment")
            data = kept.read_bytes()
            window.tell(f"save {path}")
        assert (
            saved_state.unpack(path.read_bytes(), limit_bytes=saved_state.MOST_PLUGIN_BYTES)["moment"] == data
        )
        kept.unlink()
        with pictures.Window(shots, run) as window:
            window.tell(f"load {path}")
            assert kept.read_bytes() == data
            assert kept.stat().st_mode & 0o077 == 0
            _until(window, lambda said: said.startswith("playing"), "band")
            window.tell("press Recall")
            window.tell("play 0.5")
            _until(window, lambda said: said.startswith("playing | Playing | Test band"), "band")
        # Another moment has the name by now: that one stays.
        kept.write_bytes(other := data[:-1] + bytes([data[-1] ^ 1]))
        with pictures.Window(shots, run) as window:
            window.tell(f"load {path}")
        assert kept.read_bytes() == other
        assert {one.read_bytes() for one in moments.glob("*.moment")} == {data, other}


def test_a_long_moment_stays_where_it_is(shots: Path, pictures: Any, run: Path, tmp_path: Path) -> None:
    """A state never grows beyond what hosts keep many times."""
    moments = tmp_path / "xdg_data_home" / "liveband" / "moments"
    moments.mkdir(parents=True)
    path = tmp_path / "state"
    with pictures.Window(shots, run) as window:
        window.tell(f"save {path}")
        sections = saved_state.unpack(path.read_bytes())
        assert set(sections) == {"controls", "notes"}
    noise = np.random.default_rng(1).bytes(2_000_000)
    sections["moment"] = saved_state.pack({"about": b"", "memory": noise[:500_000]})
    sections["notes"] = sections["notes"].replace(b"\xa6moment\xa0", b"\xa6moment\xa4mine")
    path.write_bytes(saved_state.pack(sections))
    with pictures.Window(shots, run) as window:
        window.tell(f"load {path}")
        assert (moments / "mine.moment").read_bytes() == sections["moment"]
        window.tell(f"save {path}")
        assert "moment" in saved_state.unpack(path.read_bytes())
        (moments / "mine.moment").write_bytes(saved_state.pack({"about": b"", "memory": noise}))
        window.tell(f"save {path}")
        assert path.stat().st_size < 10_000
        assert set(saved_state.unpack(path.read_bytes())) == {"controls", "notes"}
        # A lighter one goes instead, where there is one.
        light = {"about": b"", "memory": noise, "light": noise[:600_000]}
        (moments / "mine.moment").write_bytes(saved_state.pack(light))
        window.tell(f"save {path}")
        carried = saved_state.unpack(path.read_bytes(), limit_bytes=saved_state.MOST_PLUGIN_BYTES)["moment"]
        assert saved_state.unpack(carried) == {"about": b"", "memory": noise[:600_000]}


@pytest.mark.parametrize("choice", ["silence", "dry"])
def test_what_is_heard_when_the_band_is_lost(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, choice: str
) -> None:
    """Silence or one's own sound, by choice, from the next block on and without a click; never a mixture of both."""
    path = tmp_path / "recorded"
    with pictures.server(run, "test:copy") as group, pictures.Window(shots, run) as window:
        window.tell(f"set when_lost {int(choice == 'dry')}")
        _until(window, lambda said: said.startswith("playing"), "band")
        window.tell("play 1")
        window.tell(f"record {path}")
        window.tell("play 0.5")
        os.killpg(group, signal.SIGKILL)
        window.tell("play 1")
    heard, _side, out = np.fromfile(path, np.float32).reshape(-1, 3).T
    before, after = slice(0, 20000), slice(-24000, None)
    assert np.abs(out[before]).max() > 0.3, "the band plays"
    assert (out[before] != heard[before]).any(), "and it is not the dry signal"
    wanted = heard[after] if choice == "dry" else np.zeros(24000, np.float32)
    np.testing.assert_array_equal(out[after], wanted)
    # The copied strums have their own attacks; a click would be steeper than any of them.
    assert np.abs(np.diff(out)).max() <= 1.5 * np.abs(np.diff(heard)).max()


def test_nobody_there_is_heard_as_chosen(shots: Path, pictures: Any, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "recorded"
    with pictures.Window(shots, run) as window:
        for choice, dry in ((0, False), (1, True), (0, False)):
            window.tell(f"set when_lost {choice}")
            window.tell("play 0.1")
            window.tell(f"record {path}")
            window.tell("play 0.3")
            heard, _side, out = np.fromfile(path, np.float32).reshape(-1, 3).T
            np.testing.assert_array_equal(out, heard if dry else np.zeros_like(heard))


def _named_in_config(folder: Path, named: Path, mode: int) -> None:
    config = folder / "xdg_config_home" / "liveband"
    config.mkdir(parents=True, exist_ok=True)
    (config / "server.toml").write_text(f'program = "{named}"\n')
    (config / "server.toml").chmod(mode)


def test_two_press_start_one_band_comes(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is found by the user's own file; two plug-ins that start it at once share one server."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("HOME", str(tmp_path))
    starter = pictures.starter(tmp_path, "test:copy")
    _named_in_config(tmp_path, starter, 0o600)
    with pictures.Window(shots, run) as first, pictures.Window(shots, run) as second:
        try:
            for window in (first, second):
                window.tell("press Start the band")
            for window in (first, second):
                _until(window, lambda said: said.startswith("playing"), "band")
        finally:
            if (found := find_server(run)) is not None:
                os.kill(found.pid, signal.SIGTERM)
    assert found is not None


@pytest.mark.parametrize("spoilt", ["file", "program", "absent"])
def test_a_program_others_could_have_put_there_is_not_started(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    if Path("/usr/local/bin/liveband").exists():
        pytest.skip("/usr/local/bin has a liveband")
    trace = tmp_path / "started"
    starter = tmp_path / "liveband"
    starter.write_text(f"#!/bin/sh\n/usr/bin/touch {trace}\n")
    starter.chmod(0o757 if spoilt == "program" else 0o755)
    if spoilt != "absent":
        _named_in_config(tmp_path, starter, 0o606 if spoilt == "file" else 0o600)
    with pictures.Window(shots, run) as window:
        window.tell("play 0.3")
        window.tell("press Start the band")
        _until(window, lambda said: "liveband was not found" in said, "reason")
    assert not trace.exists()


def test_a_start_that_fails_says_why(
    shots: Path, pictures: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "liveband"
    failing.write_text(f'#!/bin/sh\nexec {sys.executable} -m lbserver "$@" --model nobody-knows-it\n')
    failing.chmod(0o755)
    monkeypatch.setenv("LIVEBAND_COMMAND", str(failing))
    with pictures.Window(shots, run) as window:
        window.tell("play 0.3")
        window.tell("press Start the band")
        said = _until(window, lambda said: "could not be started" in said, "reason")
    assert "nobody-knows-it" in said
