# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband top`: reads a server's sessions over its socket and shows them on any terminal."""

import argparse
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lbserver.client.connection import Connection, connect
from lbserver.client.errors import RefusedError, ServerGoneError
from lbserver.commands.top import Rises, Snapshot, add_parser, look, render
from lbserver.errors import LiveBandError
from lbserver.host.rundir import ServerInfo, open_run_directory
from lbserver.protocol.status import STATUS
from lbserver.protocol.wire import Framer, frame

NAN = float("nan")
PLAYING: dict[str, float | int | str] = {
    "state": "playing",
    "reason": "",
    "latency_samples": 0,
    "anticipation_samples": 1920.0,
    "latency_ms": 0.0,
    "anticipation_ms": 40.0,
    "recency_gap_ms": 40.0,
    "headroom_ms": 21.0,
    "round_trip_ms": 9.0,
    "measured_latency_samples": 0,
    "queue_age_ms": 0.0,
    "step_ms": 8.0,
    "rtf": 5.1,
    "frames": 1000,
    "late_frames": 0,
    "skipped_frames": 0,
    "missing_samples": 0,
    "ladder": "on_time",
    "position": 96000,
    "epoch": 1,
    "tempo": NAN,
    "beat": NAN,
    "chord": "",
    "section": "",
    "heard_tempo": 117.4,
    "heard_beat": 2.5,
    "heard_chord": "Am7",
    "quality": "fast",
    "style": "",
}
WELCOME = {"type": "welcome", "major": 1, "minor": 0, "server": "liveband 0.1.0", "model": "tiny", "pid": 7}

Answer = Callable[[dict[str, Any]], list[Any]]


@contextmanager
def server(monkeypatch: pytest.MonkeyPatch, path: Path, answer: Answer) -> Iterator[ServerInfo]:
    """A socket in a run directory that answers each message with what `answer` says; bytes go out as they are."""
    monkeypatch.setenv("LIVEBAND_RUN", str(path / "run"))

    def talk(line: socket.socket) -> None:
        with line:
            framer = Framer()
            while data := line.recv(65536):
                for message in framer.feed(data):
                    replies = answer(message)
                    for reply in replies:
                        answers = {"id": message["id"]} if reply is replies[-1] else {}
                        line.sendall(reply if isinstance(reply, bytes) else frame(reply | answers))
                    if not replies:
                        return

    def accept() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(line,), daemon=True).start()

    with open_run_directory() as run, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(run.socket_path))
        listener.listen()
        info = ServerInfo(
            pid=os.getpid(), major=1, minor=0, socket=str(run.socket_path), osc_port=9460, started=1.0
        )
        run.publish(info)
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield info
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def sessions(**named: dict[str, Any]) -> Answer:
    def answer(message: dict[str, Any]) -> list[Any]:
        if message["type"] == "hello":
            return [WELCOME]
        return [{"type": "closed", "session": "x", "reason": ""}, {"type": "session_list", "sessions": named}]

    return answer


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["top", *arguments])
    return int(parsed.run(parsed))


def screen(width: int = 140, rises: Rises | None = None, **named: dict[str, Any]) -> str:
    info = ServerInfo(pid=42, major=1, minor=0, socket="s", osc_port=9460, started=1000.0)
    snapshot = Snapshot(server=info, name="liveband", model="tiny", sessions=named, taken=1000.0 + 3723)
    console = Console(width=width, file=StringIO(), force_terminal=rises is not None)
    console.print(render(snapshot, rises))
    file = console.file
    assert isinstance(file, StringIO)
    return file.getvalue()


def test_models_with_their_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a server that grows without saying which model it is; a model of another machine has no memory here."""
    told = {
        "tiny": {"workers": 2, "sessions": 5, "resident_bytes": 312_400_000},
        "far\x1b[2J": {"workers": 1, "sessions": 1, "later": "?"},
        "odd": 7,
    }

    def answer(message: dict[str, Any]) -> list[Any]:
        listed = {"type": "session_list", "sessions": {}, "models": told}
        return [WELCOME if message["type"] == "hello" else listed]

    with server(monkeypatch, tmp_path, answer):
        assert run("--once") == run("--json") == 0
    shown, _, printed = capsys.readouterr().out.partition("{")
    assert "tiny: 2 workers, 5 sessions, 312 MB" in shown
    assert "1 worker, 1 session\n" in shown
    assert "\x1b[2J" not in shown
    assert json.loads("{" + printed)["models"]["tiny"] == told["tiny"]


def test_json_is_one_snapshot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server(monkeypatch, tmp_path, sessions(guitar=PLAYING)) as info:
        assert run("--json") == 0
    printed = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(word))
    assert printed["server"]["pid"] == info.pid
    assert printed["server"]["model"] == "tiny"
    assert printed["sessions"]["guitar"]["headroom_ms"] == 21.0
    assert printed["sessions"]["guitar"]["tempo"] is None
    assert set(printed["sessions"]["guitar"]) == {status.name for status in STATUS}


def test_what_the_band_hears_itself_is_shown_beside_what_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a screen that shows the host's tempo alone: whether the band follows by ear cannot be seen then."""
    monkeypatch.setenv("COLUMNS", "300")
    with server(
        monkeypatch, tmp_path, sessions(guitar=PLAYING, bass=PLAYING | {"tempo": 90.0, "section": "Bridge"})
    ):
        assert run("--once") == 0
    out = capsys.readouterr().out
    for word in ("hears", "117.4", "Am7", "90.0", "Bridge"):
        assert word in out


def test_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    with server(monkeypatch, tmp_path, sessions(guitar=PLAYING)):
        assert run("--once") == 0
    out = capsys.readouterr().out
    assert "guitar" in out
    assert "playing" in out
    assert "1 session" in out


def test_no_server_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "run"))
    for arguments in (("--json",), ("--once",), ()):
        with pytest.raises(LiveBandError, match="liveband serve"):
            run(*arguments)
    with pytest.raises(LiveBandError, match="--interval 0 is out of range"):
        run("--interval", "0")


def test_server_that_leaves_or_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def leaves(message: dict[str, Any]) -> list[Any]:
        return [WELCOME] if message["type"] == "hello" else []

    def refuses(message: dict[str, Any]) -> list[Any]:
        return [{"type": "error", "code": "version", "text": "another major version"}]

    with (
        server(monkeypatch, tmp_path, leaves),
        closing(connect("test")) as line,
        pytest.raises(ServerGoneError, match="has gone"),
    ):
        look(line)
    with (
        server(monkeypatch, tmp_path, refuses),
        pytest.raises(RefusedError, match="another major version"),
    ):
        connect("test")


@pytest.mark.parametrize(
    "reply",
    [
        b"\xff" * 8,
        b"\x01\x00\x00\x00\xc1",
        {"type": "session_list"},
        {"type": "session_list", "sessions": [1]},
    ],
)
def test_answer_that_makes_no_sense_is_an_error_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reply: Any
) -> None:
    def answer(message: dict[str, Any]) -> list[Any]:
        return [WELCOME] if message["type"] == "hello" else [reply]

    with (
        server(monkeypatch, tmp_path, answer),
        closing(connect("test")) as line,
        pytest.raises(LiveBandError),
    ):
        look(line)


def test_dead_socket_is_a_server_that_is_gone(tmp_path: Path) -> None:
    info = ServerInfo(pid=42, major=1, minor=0, socket=str(tmp_path / "none"))
    with pytest.raises(ServerGoneError, match="pid 42"):
        Connection(info, "test")


def test_screen_tells_latency_trouble_and_why() -> None:
    late = PLAYING | {
        "state": "late",
        "ladder": "skip",
        "headroom_ms": -7.0,
        "late_frames": 12,
        "reason": "the machine is too slow",
        "latency_ms": 32.0,
    }
    text = screen(guitar=PLAYING, voice=late)
    assert "up 1:02:03" in text
    assert "OSC 9460" in text
    assert "2 sessions, 1 in trouble" in text
    assert "voice: the machine is too slow" in text
    (row,) = [line for line in text.splitlines() if line.lstrip().startswith("voice ")]
    for cell in ("late", "32", "-7", "12", "skip"):
        assert cell in row


def test_headroom_bar_is_the_share_of_the_slack() -> None:
    for left, cells in ((40.0, 10), (20.0, 5), (4.0, 1), (0.0, 0), (-5.0, 0), (500.0, 10)):
        assert screen(a=PLAYING | {"headroom_ms": left}).count("█") == cells


def test_unknown_is_a_dash() -> None:
    row = screen(a={"state": "opening", "headroom_ms": NAN, "rtf": NAN, "tempo": NAN})
    assert "nan" not in row.lower()
    assert "–" in row


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 250])
def test_narrow_terminal_loses_columns_not_figures(width: int) -> None:
    """Cells cut to an ellipsis show a wrong number: 1… for 12."""
    named = {f"session{n}": PLAYING | {"stem": "guitar", "mode": "aligned", "tempo": 97.5} for n in range(3)}
    text = screen(width, **named)
    table = [line for line in text.splitlines() if "session" in line or "frames" in line]
    assert all(len(line) <= width for line in text.splitlines())
    if width >= 60:
        assert "…" not in "".join(table)
        assert all("playing" in line for line in table if "session0" in line)
    assert ("97.5" in text) is (width >= 132)


def test_count_that_rises_stands_out_for_a_while() -> None:
    rises = Rises()
    assert not rises.is_fresh("a", "late_frames", 3, 0.0)  # whatever was before we looked
    assert rises.is_fresh("a", "late_frames", 4, 1.0)
    assert rises.is_fresh("a", "late_frames", 4, 5.0)
    assert not rises.is_fresh("a", "late_frames", 4, 6.5)
    assert not rises.is_fresh("a", "late_frames", 0, 7.0)  # opened anew


def test_names_and_reasons_cannot_drive_the_terminal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session is named by its client; nor may [red] in it be taken for a style."""
    evil = "\x1b[2J\x07[bold]"
    with server(
        monkeypatch, tmp_path, sessions(**{evil: PLAYING | {"reason": evil, "state": evil, "stem": evil}})
    ):
        assert run("--once") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "[bold]" in out


def test_no_session_says_how_to_begin() -> None:
    assert "plug-in" in screen()
