# SPDX-License-Identifier: GPL-3.0-or-later
"""The client library: stream what you play, get the band back. `Client` blocks, `AsyncClient` is for asyncio."""

from lbserver.client.asynchronous import AsyncClient, AsyncSession, AsyncSteering
from lbserver.client.blocking import Client, Session, Steering
from lbserver.client.errors import ClientError
from lbserver.client.start import ensure_server

__all__ = [
    "AsyncClient",
    "AsyncSession",
    "AsyncSteering",
    "Client",
    "ClientError",
    "Session",
    "Steering",
    "ensure_server",
]
