# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs: two faces of a line, floods cut short, and nothing a client sends can forge a line."""

import io
import json
import logging
from pathlib import Path

import pytest

from lbserver.host.logs import LINES_PER_S, LogConfig, RateLimit, fields, logging_to, message_of, shown

log = logging.getLogger("lbserver.test_logs")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_for_people() -> None:
    stream = io.StringIO()
    with logging_to(LogConfig(), stream):
        log.info("session %s opened at %d Hz", "a", 48000, extra=fields(peer="local", latency_samples=0))
        log.debug("not asked for")
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith("info    session a opened at 48000 Hz  peer=local latency_samples=0\n")


def test_colour_on_a_terminal_only() -> None:
    for stream, coloured in ((Terminal(), True), (io.StringIO(), False)):
        with logging_to(LogConfig(), stream):
            log.warning("careful")
        assert ("\x1b[33m" in stream.getvalue()) is coloured


def test_line_for_machines() -> None:
    stream = io.StringIO()
    with logging_to(LogConfig(json_lines=True, level="debug"), stream):
        log.debug("headroom %.1f ms", 3.25, extra=fields(session="a", late=3, level="forged"))
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "debug",
        "logger": "lbserver.test_logs",
        "text": "headroom 3.2 ms",
        "session": "a",
        "late": 3,
    }


def test_fault_is_logged_with_its_trace() -> None:
    for json_lines in (False, True):
        stream = io.StringIO()
        with logging_to(LogConfig(json_lines=json_lines), stream):
            try:
                raise KeyError("lost\x1b[2J")
            except KeyError:
                log.exception("a fault")
        assert "test_fault_is_logged_with_its_trace" in stream.getvalue()
        assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("json_lines", [False, True])
def test_client_text_cannot_forge_a_line_or_drive_the_terminal(json_lines: bool) -> None:
    """A session named with a newline and a time stamp, or with codes that clear the screen (T18)."""
    evil = "a\n12:00:00.000 error   all is lost\x1b[2J\r\x00\u2028\u202e" + "x" * 5000
    stream = Terminal()
    with logging_to(LogConfig(json_lines=json_lines), stream):
        log.info("refused %s", evil, extra=fields(session=evil))
        log.info("refused %(who)s", {"who": evil})
        log.info(evil)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert line.isprintable()
        assert "all is lost" in line
    assert len(lines[0]) < 400
    assert "x" * 81 not in lines[0] + lines[1]


def test_shown() -> None:
    assert shown("Drums 2") == "Drums 2"
    assert shown("tab\there") == "tab\\there"
    assert shown("ü") == "ü"
    assert shown("x" * 80) == "x" * 80
    assert shown("x" * 81) == "x" * 79 + "…"
    assert len(shown("\x00" * 80)) == 80
    assert shown("\ud800") == "\\ud800"


def test_wrong_arguments_are_logged_all_the_same() -> None:
    """A slip in a log call of an error path must not lose the line (the library prints a trace to stderr instead)."""
    record = logging.LogRecord("a", logging.INFO, "", 0, "%d frames", ("many",), None)
    assert "many" in message_of(record)


def test_flood_is_cut_by_cause_and_counted() -> None:
    stream = io.StringIO()
    with logging_to(LogConfig(json_lines=True), stream):
        for number in range(5000):
            log.warning("damaged packet from %s", f"client {number}")
        log.info("something else")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    packets = [line for line in lines if line["text"].startswith("damaged")]
    assert LINES_PER_S <= len(packets) <= 10 * LINES_PER_S  # the loop may take a few seconds
    assert len(packets) + sum(line.get("left_out", 0) for line in lines) == 5000
    assert [line for line in lines if line["text"] == "something else"]


def test_limit_by_the_clock() -> None:
    now = 0.0
    limit = RateLimit(clock=lambda: now)
    assert [limit.admit("a", "t") for _ in range(12)] == [True] * 10 + [False] * 2
    assert limit.admit("a", "another")
    assert limit.take_left_out() == []  # its second is not over
    now = 1.0
    assert limit.take_left_out() == [("a", "t", 2)]
    assert limit.take_left_out() == []
    assert limit.admit("a", "t")


def test_causes_made_of_client_text_do_not_fill_the_memory() -> None:
    limit = RateLimit(clock=lambda: 0.0)
    admitted = sum(limit.admit("a", f"from {number}") for number in range(100_000))
    assert admitted <= 256 + LINES_PER_S
    assert sum(count for *_, count in limit.take_left_out(at_once=True)) == 100_000 - admitted


def test_file_is_rotated_and_bounded(tmp_path: Path) -> None:
    file = tmp_path / "liveband.log"
    config = LogConfig(file=file, file_bytes=2000, older_files=2)
    with logging_to(config, io.StringIO()):
        for number in range(200):
            logging.getLogger(f"part{number}").info("line %d", number)
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["liveband.log", "liveband.log.1", "liveband.log.2"]
    assert all(path.stat().st_size <= 2000 for path in kept)
    assert json.loads(file.read_text().splitlines()[-1])["text"] == "line 199"


def test_file_that_cannot_be_written_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with logging_to(LogConfig(file=tmp_path / "missing" / "liveband.log"), stream):
        log.info("one")
        log.info("two")
    assert stream.getvalue().count("\n") == 2
    assert capsys.readouterr().err.count("cannot be written") == 1


def test_logging_is_as_before_afterwards() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with logging_to(LogConfig(level="debug"), io.StringIO()):
        assert len(root.handlers) == len(before[0]) + 1
    assert (list(root.handlers), root.level) == before
