# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of whoever talks to a server: one family, for clients that block and for those that do not."""

from lbserver.errors import LiveBandError


class ClientError(LiveBandError):
    """The server refused, is not there, or was lost. `code` is one of the protocol's error table."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class RefusedError(ClientError):
    """The server understood and refused."""


class ServerGoneError(ClientError):
    """There is no server, it closed the connection, or it does not answer."""

    def __init__(self, text: str) -> None:
        super().__init__("crashed", text)


def no_server(detail: str = "") -> ServerGoneError:
    """The error of who calls and nobody answers."""
    return ServerGoneError(
        "no server runs here: type `liveband serve` in another terminal, or use Client(start=True)"
        + (f" ({detail})" if detail else ""),
    )
