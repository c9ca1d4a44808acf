# SPDX-License-Identifier: GPL-3.0-or-later
"""A blocking line to the server of this machine: a question at a time, each answered within two seconds."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

from lbserver import __version__
from lbserver.client.errors import RefusedError, ServerGoneError
from lbserver.errors import LiveBandError
from lbserver.host.callers import user_of
from lbserver.host.logs import shown
from lbserver.host.rundir import ServerInfo, find_server
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.messages import MessageError, check
from lbserver.protocol.wire import Framer, frame, receive

NO_SERVER = "no server runs here: start one with `liveband serve`"
PATIENCE_S = 2.0
_MOST_NOTICES = 100


class Connection:
    """Says hello when made; `welcome` is the server's answer. `notices` are messages that answer nothing: closed.

    Every method raises ServerGoneError when the server is gone, RefusedError when it says no.
    """

    def __init__(self, server: ServerInfo, program: str) -> None:
        self.server = server
        self.notices: list[dict[str, Any]] = []
        self._number = 0
        self._framer = Framer()
        self._messages: Iterator[Any] = iter(())
        self._descriptors: list[int] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(PATIENCE_S)
        try:
            self._socket.connect(server.socket)
            check_owner(self._socket)
            client = f"{program} {__version__}"
            self.welcome = self.ask("welcome", "hello", major=MAJOR, minor=MINOR, client=client)
        except OSError as error:
            self.close()
            raise self._gone(f"does not answer: {error.strerror or error}") from None
        except BaseException:
            self.close()
            raise

    def ask(
        self, wanted: str, question: str, *, patience_s: float = PATIENCE_S, **fields: Any
    ) -> dict[str, Any]:
        """Send a question; its answer, which must be of the type `wanted`."""
        answer, descriptor = self._exchange(wanted, question, patience_s, fields)
        if descriptor is not None:
            os.close(descriptor)
        return answer

    def ask_for_segment(
        self, wanted: str, question: str, *, patience_s: float = PATIENCE_S, **fields: Any
    ) -> tuple[dict[str, Any], int]:
        """As `ask`, with the descriptor that the answer carries; the caller closes it."""
        answer, descriptor = self._exchange(wanted, question, patience_s, fields)
        if descriptor is None:
            raise LiveBandError(f"the server's answer {wanted} came without a segment")
        return answer, descriptor

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._socket.close()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _exchange(
        self, wanted: str, question: str, patience_s: float, fields: dict[str, Any]
    ) -> tuple[dict[str, Any], int | None]:
        self._number += 1
        deadline = time.monotonic() + patience_s
        try:
            self._socket.settimeout(patience_s)
            self._socket.sendall(frame({"type": question, "id": self._number, **fields}))
            while time.monotonic() < deadline:
                for message in self._messages:
                    answer, _unknown = check(message, "out")
                    if answer["type"] == "error" and answer.get("id", self._number) == self._number:
                        raise RefusedError(answer["code"], shown(answer["text"], 500))
                    if answer.get("id") != self._number:
                        self.notices = [*self.notices, answer][-_MOST_NOTICES:]
                    elif answer["type"] == wanted:
                        return answer, self._descriptors.pop(0) if self._descriptors else None
                data, descriptors, _lost = receive(self._socket, 1 << 16, 8)
                self._descriptors += descriptors
                if not data:
                    raise self._gone("has gone")
                self._messages = self._framer.feed(data)
        except MessageError as error:
            raise LiveBandError(f"the server's answer is not understood: {error}") from None
        except OSError as error:
            raise self._gone(f"does not answer: {error.strerror or error}") from None
        raise self._gone("does not answer")

    def _gone(self, how: str) -> ServerGoneError:
        return ServerGoneError(f"the server (pid {self.server.pid}) {how}")


def connect(program: str) -> Connection:
    """A line to the server that runs here. Raises ServerGoneError when none does."""
    server = find_server()
    if server is None:
        raise ServerGoneError(NO_SERVER)
    return Connection(server, program)


@contextlib.contextmanager
def connected(program: str) -> Iterator[Connection]:
    """`connect` for a while."""
    line = connect(program)
    try:
        yield line
    finally:
        line.close()


def check_owner(connection: socket.socket) -> None:
    """Raises LiveBandError when who listens is another user."""
    uid = user_of(connection)
    if uid not in (0, os.geteuid()):
        raise LiveBandError(f"the server on this socket runs as uid {uid}, you are uid {os.geteuid()}")
