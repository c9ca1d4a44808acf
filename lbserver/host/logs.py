# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs: lines for people on the terminal, JSON lines for machines, a log file to attach to a report.

Modules log through the standard library (`logging.getLogger(__name__)`); `extra=fields(session=..., ...)` adds
named values. What a client sends cannot break the log: text is escaped, arguments that are text are cut at 80
characters, and a cause that repeats is cut at ten lines a second, with the number of lines left out.
A thread does the writing, so that a slow disk never holds up the server.
"""

import logging
import queue
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from numbers import Real
from pathlib import Path
from typing import Any, TextIO

from lbserver.files.plain_json import to_json

LONGEST_CLIENT_TEXT = 80
LINES_PER_S = 10
_LONGEST_MESSAGE = 2000
_MOST_CAUSES = 256  # more than the program has; a cause made of client text shall not fill the memory
_MOST_WAITING = 10_000
_FIELDS = "lb_fields"
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, kw_only=True)
class LogConfig:
    """What is logged and where. `file` None: no log file. Kept are `file_bytes` of it, `older_files` times over."""

    level: str = "info"
    json_lines: bool = False
    file: Path | None = None
    file_bytes: int = 1 << 20
    older_files: int = 3


def shown(text: object, longest: int = LONGEST_CLIENT_TEXT) -> str:
    """Text from outside, fit for a log, a terminal or an error: one line, printable, cut with an ellipsis."""
    whole = str(text)
    clean = "".join(c if c.isprintable() else _escape(c) for c in whole[:longest])
    if len(whole) > longest or len(clean) > longest:
        clean = clean[: longest - 1] + "…"
    return clean


def fields(**values: Any) -> dict[str, Any]:
    """`extra=` of a log call: named values, which JSON lines keep apart and people see as name=value."""
    return {_FIELDS: {name: _fit(value) for name, value in values.items()}}


@contextmanager
def logging_to(config: LogConfig, stream: TextIO | None = None) -> Iterator[None]:
    """Log this way until the end of the block; `stream` defaults to stderr."""
    stream = sys.stderr if stream is None else stream
    screen = logging.StreamHandler(stream)
    screen.setFormatter(JsonLines() if config.json_lines else HumanLines(colour=stream.isatty()))
    handlers: list[logging.Handler] = [screen]
    if config.file is not None:
        file = _LogFile(
            config.file,
            maxBytes=config.file_bytes,
            backupCount=config.older_files,
            encoding="utf-8",
            delay=True,
            errors="backslashreplace",
        )
        file.setFormatter(JsonLines())
        handlers.append(file)
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_MOST_WAITING)
    entry = _Entry(waiting)
    listener = QueueListener(waiting, *handlers)
    root = logging.getLogger()
    level = root.level
    root.addHandler(entry)
    root.setLevel(config.level.upper())
    listener.start()
    try:
        yield
    finally:
        entry.tell_left_out()
        root.removeHandler(entry)
        root.setLevel(level)
        listener.stop()
        for handler in handlers:
            handler.close()


class HumanLines(logging.Formatter):
    """`12:03:04.123 warning  session refused  session=a peer=osc`."""

    _COLOURS: Mapping[str, str] = {"WARNING": "33", "ERROR": "31", "CRITICAL": "31", "DEBUG": "2"}

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        level = f"{record.levelname.lower():<7}"
        if self._colour and record.levelname in self._COLOURS:
            level = f"\x1b[{self._COLOURS[record.levelname]}m{level}\x1b[0m"
        line = f"{clock}.{int(record.msecs):03d} {level} {message_of(record)}"
        named = " ".join(f"{name}={value}" for name, value in _fields_of(record).items())
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        return "\n".join(
            part for part in ("  ".join(filter(None, (line, named))), _escape_lines(trace)) if part
        )


class JsonLines(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, text, and the named values."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": message_of(record),
            **{name: value for name, value in _fields_of(record).items() if name not in _RESERVED},
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return to_json(line)


_RESERVED = ("time", "level", "logger", "text", "trace")


def message_of(record: logging.LogRecord) -> str:
    """The message as one printable line; arguments that are text cut at 80 characters."""
    args = record.args
    if isinstance(args, Mapping):
        args = {name: _fit(value) for name, value in args.items()}
    elif args:
        args = tuple(_fit(value) for value in args)
    try:
        text = str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError):
        text = f"{record.msg} {args}"
    return shown(text, _LONGEST_MESSAGE)


class RateLimit:
    """At most `LINES_PER_S` lines a second for each cause, and how many were left out.

    The cause of a line is its template: `"refused %s"` is one cause, whatever was refused.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._causes: dict[tuple[str, str], _Cause] = {}

    def admit(self, name: str, template: str) -> bool:
        """Whether one more line of this cause may be written now."""
        key = (name, template)
        if key not in self._causes and len(self._causes) >= _MOST_CAUSES:
            key = ("", "")
        now = self._clock()
        cause = self._causes.setdefault(key, _Cause(begun=now))
        if now - cause.begun >= 1.0:
            cause.begun, cause.lines = now, 0
        cause.lines += 1
        if cause.lines <= LINES_PER_S:
            return True
        cause.left_out += 1
        return False

    def take_left_out(self, *, at_once: bool = False) -> list[tuple[str, str, int]]:
        """(logger, template, lines left out) of the causes whose second is over, or of all; counted anew."""
        now = self._clock()
        told = []
        for (name, template), cause in self._causes.items():
            if cause.left_out and (at_once or now - cause.begun >= 1.0):
                told.append((name, template, cause.left_out))
                cause.left_out = 0
        return told


@dataclass
class _Cause:
    begun: float
    lines: int = 0
    left_out: int = 0


class _Entry(QueueHandler):
    """Where a record enters: limited by cause, made text at once (its arguments may change), queued."""

    def __init__(self, waiting: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(waiting)
        self._limit = RateLimit()
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        admitted = self._limit.admit(record.name, str(record.msg))
        self.tell_left_out(at_once=False)
        if admitted:
            super().emit(record)

    def tell_left_out(self, *, at_once: bool = True) -> None:
        for name, template, count in self._limit.take_left_out(at_once=at_once):
            text = f"{count} more lines like this were left out: {shown(template)}"
            record = logging.LogRecord(name, logging.WARNING, "", 0, text, None, None)
            record.__dict__.update(fields(left_out=count))
            super().emit(record)

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record = logging.makeLogRecord(record.__dict__)
        record.msg, record.args = message_of(record), None
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self._lost += 1
            return
        if self._lost:
            lost, self._lost = self._lost, 0
            logging.getLogger(__name__).warning(
                "%d log lines were lost: the log could not be written in time", lost
            )


class _LogFile(RotatingFileHandler):
    """A log file that may fail: said once, on stderr, and the server goes on. One that was removed is made anew."""

    _told = False

    def emit(self, record: logging.LogRecord) -> None:
        stream = self.stream
        if stream is not None and not Path(self.baseFilename).exists():
            stream.close()
            self.stream = None
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 (logging's name)
        if not self._told:
            self._told = True
            error = sys.exc_info()[1]
            sys.stderr.write(f"liveband: the log file {self.baseFilename} cannot be written: {error}\n")


def _fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    found = getattr(record, _FIELDS, {})
    return found if isinstance(found, Mapping) else {}


def _fit(value: Any) -> Any:
    """An argument or field: numbers as they are, text cut short, anything else as text cut late."""
    if value is None or isinstance(value, Real):
        return value
    return shown(value, LONGEST_CLIENT_TEXT if isinstance(value, str | bytes) else _LONGEST_MESSAGE // 4)


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _escape_lines(text: str) -> str:
    return "\n".join("    " + shown(line, _LONGEST_MESSAGE) for line in text.splitlines())
