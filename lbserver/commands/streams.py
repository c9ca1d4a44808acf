# SPDX-License-Identifier: GPL-3.0-or-later
"""The standard streams of a command: closed, full or unable to show a name, they never fail work that is done."""

import codecs
import contextlib
import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from typing import TextIO, cast

_NAMES = "liveband-names"
_SURROGATES = range(
    0xDC80, 0xDD00
)  # bytes of a name that are no text, as Python's surrogateescape keeps them


class Output(io.RawIOBase):
    """A descriptor that takes everything: what cannot be written is dropped, and the first reason kept in `fault`."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]  # (typeshed's Buffer)
        while self.fault is None:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.fault = error
        return len(data)


@contextlib.contextmanager
def lasting() -> Iterator[Output]:
    """Standard streams that never raise, until the end of the block; gives that of standard output.

    Descriptors 0 to 2 that are closed become /dev/null, so that no file of ours gets their number. Names whose bytes
    are no text are printed as those bytes; what the terminal's encoding lacks is escaped. Streams that somebody has
    replaced are left alone.
    """
    _fill_descriptors()
    codecs.register_error(_NAMES, _survive)
    before = sys.stdout, sys.stderr
    out, err = Output(1), Output(2)
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(out, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(err, sys.stderr, line_buffering=True)
    try:
        yield out
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def is_gone(fault: OSError) -> bool:
    """Whether the reader of a pipe has had enough, which is no fault of anybody."""
    return fault.errno == errno.EPIPE


def _text(raw: Output, old: TextIO | None, *, line_buffering: bool = False) -> io.TextIOWrapper:
    if old is not None:
        with contextlib.suppress(OSError, ValueError):
            old.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(cast(io.RawIOBase, raw)),
        encoding=getattr(old, "encoding", None) or "utf-8",
        errors=_NAMES,
        line_buffering=line_buffering or raw.isatty(),
        write_through=bool(getattr(old, "write_through", False)),
    )


def _fill_descriptors() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (it lasts as long as the program)


def _survive(error: UnicodeError) -> tuple[str | bytes, int]:
    """An error handler of codecs: bytes of names as they were, anything else escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    kept = b""
    for character in error.object[error.start : error.end]:
        code = ord(character)
        kept += (
            bytes([code - 0xDC00]) if code in _SURROGATES else character.encode("ascii", "backslashreplace")
        )
    return kept, error.end
