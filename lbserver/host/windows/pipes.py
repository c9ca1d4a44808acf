# SPDX-License-Identifier: GPL-3.0-or-later
"""The line to a front end on Windows: a named pipe of this machine, this user's alone. For a thread of its own: calls block."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from lbserver.errors import LiveBandError
from lbserver.host.windows.kernel import Handle, Overlapped, call, check, close, failure, last_error
from lbserver.host.windows.names import PIPES, is_name
from lbserver.host.windows.security import alone, is_trusted

_BOTH_WAYS, _OVERLAPPED, _FIRST = (
    3,
    0x40000000,
    0x80000,
)  # PIPE_ACCESS_DUPLEX, FILE_FLAG_OVERLAPPED, ..._FIRST_PIPE_INSTANCE
_NOT_FROM_ELSEWHERE, _ANY_NUMBER = 8, 255  # PIPE_REJECT_REMOTE_CLIENTS, PIPE_UNLIMITED_INSTANCES
_READ_WRITE, _EXISTING = 0xC0000000, 3  # GENERIC_READ | GENERIC_WRITE, OPEN_EXISTING
_MAY_ASK_WHO = 0x100000 | 0x10000  # SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION
_PENDING, _CONNECTED, _BROKEN, _NO_DATA = 997, 535, 109, 232  # ERROR_...
_TIMED_OUT = 258  # WAIT_TIMEOUT
_BUFFER_BYTES = 1 << 16


class Pipe:
    """One end of a line."""

    def __init__(self, handle: Handle, *, is_server: bool) -> None:
        self._handle = handle
        self._is_server = is_server

    def accept(self, timeout_s: float) -> bool:
        """Wait for a front end; False if none came. Raises OSError, LiveBandError: another user's was sent away."""
        try:
            came = self._finished("ConnectNamedPipe", (), timeout_s) is not None
        except OSError as error:
            if getattr(error, "winerror", None) != _CONNECTED:
                raise
            came = True
        if came:
            self.check_peer()
        return came

    def check_peer(self) -> None:
        """Raises LiveBandError when who is at the other end is another user, OSError when the system does not tell."""
        process = ctypes.c_uint32()
        ask = "GetNamedPipeClientProcessId" if self._is_server else "GetNamedPipeServerProcessId"
        check(call("kernel32", ask, self._handle, ctypes.byref(process)))
        if not is_trusted(process.value):
            if self._is_server:
                call("kernel32", "DisconnectNamedPipe", self._handle)
            raise LiveBandError("the other end of the pipe is another user's: it is not trusted")

    def receive(self, most_bytes: int, timeout_s: float) -> bytes | None:
        """What has come, empty at the line's end, None if nothing came in time. Raises OSError."""
        buffer = ctypes.create_string_buffer(most_bytes)
        try:
            count = self._finished("ReadFile", (buffer, most_bytes, None), timeout_s)
        except OSError as error:
            if getattr(error, "winerror", None) in (_BROKEN, _NO_DATA):
                return b""
            raise
        return None if count is None else buffer.raw[:count]

    def send(self, data: bytes, timeout_s: float) -> None:
        """All of it. Raises OSError; TimeoutError when the other end takes nothing."""
        while data:
            count = self._finished("WriteFile", (data, len(data), None), timeout_s)
            if count is None:
                raise TimeoutError
            data = data[count:]

    def close(self) -> None:
        """Hang up. Idempotent."""
        if self._handle:
            close(self._handle)
            self._handle = 0

    def _finished(self, function: str, arguments: tuple[object, ...], timeout_s: float) -> int | None:
        """Bytes moved, None if it did not end in time: then it was called off. Raises OSError."""
        moved = ctypes.c_uint32()
        with _event() as event:
            work = Overlapped(event=event)
            result = (self._handle, ctypes.byref(work), ctypes.byref(moved), 1)
            if not call("kernel32", function, self._handle, *arguments, ctypes.byref(work)):
                code = last_error()
                if code != _PENDING:
                    raise failure(code)
                late = call("kernel32", "WaitForSingleObject", event, int(1000 * timeout_s)) == _TIMED_OUT
                if late and call("kernel32", "CancelIoEx", self._handle, ctypes.byref(work)):
                    call("kernel32", "GetOverlappedResult", *result)
                    return None
            check(call("kernel32", "GetOverlappedResult", *result))
        return moved.value


def listen(name: str, *, first: bool) -> Pipe:
    """An end that waits for a front end; the first of a name has it alone. Raises OSError."""
    attributes = alone()
    try:
        mode = _BOTH_WAYS | _OVERLAPPED | (_FIRST if first else 0)
        handle = check(
            call(
                "kernel32",
                "CreateNamedPipeW",
                name,
                mode,
                _NOT_FROM_ELSEWHERE,
                _ANY_NUMBER,
                _BUFFER_BYTES,
                _BUFFER_BYTES,
                0,
                ctypes.byref(attributes),
            )
        )
    finally:
        call("kernel32", "LocalFree", attributes.descriptor)
    return Pipe(handle, is_server=True)


def connect(name: str) -> Pipe:
    """The line to a server. Raises OSError, LiveBandError: no pipe of ours, or another user's server."""
    if not is_name(name, PIPES):
        raise LiveBandError("the server's address is no pipe of ours")
    flags = _OVERLAPPED | _MAY_ASK_WHO
    pipe = Pipe(
        check(call("kernel32", "CreateFileW", name, _READ_WRITE, 0, None, _EXISTING, flags, None)),
        is_server=False,
    )
    try:
        pipe.check_peer()
    except BaseException:
        pipe.close()
        raise
    return pipe


@contextmanager
def _event() -> Iterator[Handle]:
    event = check(call("kernel32", "CreateEventW", None, 1, 0, None))
    try:
        yield event
    finally:
        close(event)
