# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the client library."""

from lbserver.errors import LiveBandError


class ClientError(LiveBandError):
    """The server refused, is not there, or was lost. `code` is one of the protocol's error table."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def no_server(detail: str = "") -> ClientError:
    """The error of who calls and nobody answers."""
    return ClientError(
        "crashed",
        "no server runs here: type `liveband serve` in another terminal, or use Client(start=True)"
        + (f" ({detail})" if detail else ""),
    )
