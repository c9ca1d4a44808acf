# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from lbserver import cli
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.messages import MESSAGES
from lbserver.protocol.ranges import RANGES, refusal


def parsed(*arguments: str) -> object:
    return cli.build_parser().parse_args(arguments)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        parsed(*arguments)
    assert stopped.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("liveband: error: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("--first-beat", "-1e-3", -0.001),
        ("--first-beat", "-.5", -0.5),
        ("--gain", "-6E0", -6.0),
        ("--first-beat", "-2", -2.0),
    ],
)
def test_a_negative_number_is_a_value(option: str, text: str, value: float) -> None:
    """`--first-beat -1e-3` was taken for an option of its own."""
    told = vars(parsed("bounce", "a.wav", "-o", "b.wav", option, text, "--bpm", "90"))
    assert value in (told["first_beat_s"], told["gain"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--variation", "4"), "--variation: 4 is out of range: 0 to 2"),
        (("--anticipation", "1e9"), "1000000000 is out of range: 0 to 1000 ms"),
        (("--seed", "-1"), "--seed: -1 is out of range: 0 to 2147483647"),
        (("--bpm", "-inf"), "'-inf' is not a finite number"),
        (("--beats-per-bar", "17"), "17 is out of range: 1 to 16"),
        (("--first-beat", "1"), "--first-beat does nothing without --bpm"),
        (
            ("--bpm", "140", "--beats-per-bar", "7"),
            "--beats-per-bar does nothing without --first-beat or --chords",
        ),
        (("--mix", "--mix-only"), "not allowed with"),
        (("--vst3", "."), "--vst3 does nothing without --through"),
        (("-o", ""), "an empty text is no name"),
        (("-o", "-"), "nothing is written to standard output"),
        (("--chords", ""), "an empty text is no name"),
    ],
)
def test_what_cannot_be_or_does_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    """These were taken in silence, dropped in silence, or refused with half a range."""
    assert says in refused(capsys, "bounce", "a.wav", "-o", "b.wav", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--seed", "2147483648"),
        ("data", "pool", "--out", "p", "--codec", "c", "--jobs", "99999999999"),
        ("data", "stats", "d", "--sound", "-1"),
        ("serve", "--sessions", "0"),
        ("bounce", "a.wav", "-o", "b.wav", "--chunk", "0"),
        ("data", "render", "--out", "d", "--seed", "-3"),
        ("evaluate", "--seed", "-1"),
        ("jam", "--gain", "25"),
        ("jam", "--mix", "-0.1"),
        ("jam", "--bpm", "500"),
        ("serve", "--clients", "folder"),
        ("serve", "--upstream", "tcp://a:1", "--workers", "2"),
        ("top", "--once", "--interval", "1"),
        ("doctor", "--quick", "--again"),
        ("plugin", "install", "--from", ""),
        ("models", "average", "a", "--out", ""),
    ],
)
def test_every_command_has_the_same_door(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """A check in one command does not help its neighbours."""
    refused(capsys, *arguments)


def test_a_trailing_slash_means_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o band.2024/` was taken for a file with the ending .2024; `song.wav/` for the file."""
    told = vars(parsed("bounce", "a.wav", "-o", "band.2024/"))
    assert told["output"] == (Path("band.2024"), True)
    (tmp_path / "song.wav").touch()
    assert "names a folder" in refused(capsys, "bounce", f"{tmp_path}/song.wav/", "-o", "b.wav")


def test_the_protocol_has_the_ranges_of_the_table() -> None:
    """The command line took a variation of 4, the protocol one of 2."""
    assert all(control.name in RANGES for control in CONTROLS if control.kind in ("float", "int"))
    parts = {part.name: part for message in MESSAGES for part in message.parts if message.direction == "in"}
    for name, of in {
        "anticipation_ms": "anticipation",
        "seed": "seed",
        "beats_per_bar": "beats_per_bar",
    }.items():
        assert (parts[name].minimum, parts[name].maximum) == (RANGES[of].minimum, RANGES[of].maximum)


def test_a_refusal_names_the_whole_range() -> None:
    """The seed's range was printed as 2.14748e+09."""
    assert refusal("seed", 1e10) == "10000000000 is out of range: 0 to 2147483647"
    assert refusal("seed", 0.5) == "0.5 must be a whole number: 0 to 2147483647"
    assert refusal("gain", float("nan")) == "nan is out of range: -60 to 24 dB"
    assert refusal("gain", -60) == ""
