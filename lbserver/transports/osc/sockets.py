# SPDX-License-Identifier: GPL-3.0-or-later
"""Where OSC listens: one UDP socket for a host; for `localhost` two, since systems differ in which address they mean."""

import asyncio
import contextlib
import errno
import logging
import socket
from functools import lru_cache
from ipaddress import ip_address

from lbserver.errors import LiveBandError
from lbserver.host.listeners import who_listens

log = logging.getLogger(__name__)

_RECEIVE_BUFFER_BYTES = 1 << 20


@lru_cache(maxsize=256)
def is_of_this_machine(host: str) -> bool:
    """Whether a datagram's source is a loopback address."""
    return ip_address(host.partition("%")[0]).is_loopback


async def listening(host: str, port: int) -> list[socket.socket]:
    """Sockets bound to the same port, 0 for any: 127.0.0.1 and, where there is IPv6, ::1 for `localhost`.

    Raises LiveBandError naming who has the port.
    """
    try:
        return await _sockets(host, port)
    except OSError as error:
        raise LiveBandError(_cannot_listen(host, port, error)) from None


async def _sockets(host: str, port: int) -> list[socket.socket]:
    if host != "localhost":
        return [await _bound(host, port)]
    first = await _bound("127.0.0.1", port)
    port = first.getsockname()[1]
    try:
        return [first, await _bound("::1", port)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            log.warning("OSC hears 127.0.0.1 alone: UDP port %d of ::1 is taken", port)
        return [first]  # no IPv6 here


async def _bound(host: str, port: int) -> socket.socket:
    infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    family, _, _, _, address = infos[0]
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        with contextlib.suppress(OSError):
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _cannot_listen(host: str, port: int, error: OSError) -> str:
    where = f"UDP port {port} of {host}"
    with contextlib.suppress(OSError):
        if error.errno == errno.EADDRINUSE:
            return (
                f"{where} is taken by {who_listens(port, 'udp')}; choose another with --osc-port, 0 for any"
            )
    return f"cannot listen for OSC on {where}: {error.strerror or error}"
