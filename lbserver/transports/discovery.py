# SPDX-License-Identifier: GPL-3.0-or-later
"""Where OSC and OSCQuery are, for tools that look for them (DNS-SD, as Bonjour and Avahi have it): only if it is asked for.

On this machine the questions and answers stay on its loopback. On the local network everybody is told the machine's name and the
port; who may steer is decided elsewhere.
"""

import importlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.host.extras import install
from lbserver.host.logs import fields, shown

log = logging.getLogger(__name__)

SCOPES = ("here", "lan")
"""This machine alone, or the local network too."""
_LOOPBACK = "127.0.0.1"


def load_zeroconf() -> Any:
    """The module. Raises LiveBandError saying what to install."""
    try:
        return importlib.import_module("zeroconf.asyncio")
    except ImportError:
        raise LiveBandError(f"--announce needs the package zeroconf: {install('discovery')}") from None


@asynccontextmanager
async def announced(scope: str, *, osc_port: int, http_port: int | None) -> AsyncIterator[None]:
    """Say until the block ends where OSC is, and where OSCQuery is; `http_port` None: nowhere.

    Raises LiveBandError: what is needed is not installed, or the system refuses.
    """
    library, records = load_zeroconf(), importlib.import_module("zeroconf")
    here = scope == "here"
    host = socket.gethostname().partition(".")[0][:40] or "liveband"
    ports = {"_osc._udp.local.": osc_port, "_oscjson._tcp.local.": http_port}
    try:
        zeroconf = library.AsyncZeroconf(
            interfaces=[_LOOPBACK] if here else records.InterfaceChoice.Default,
            ip_version=records.IPVersion.V4Only,
        )
    except OSError as error:
        raise LiveBandError(f"nothing can be announced: {error.strerror or error}") from None
    try:
        addresses = [socket.inet_aton(_LOOPBACK if here else _own_address())]
        for kind, port in ports.items():
            if port is not None:
                info = library.AsyncServiceInfo(
                    kind,
                    f"LiveBand on {host}.{kind}",
                    addresses=addresses,
                    port=port,
                    server=f"{host}.local.",
                    properties={"txtvers": "1"},
                )
                await zeroconf.async_register_service(info, allow_name_change=True)
        log.info("announced", extra=fields(scope=scope, osc_port=osc_port, http_port=http_port))
        yield
    except records.Error as error:
        raise LiveBandError(
            f"nothing can be announced: {shown(error, 120) or type(error).__name__}"
        ) from None
    finally:
        await zeroconf.async_unregister_all_services()
        await zeroconf.async_close()


def _own_address() -> str:
    """This machine's address in its network: nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that nobody has (RFC 5737)
        except OSError:
            return _LOOPBACK
        return str(probe.getsockname()[0])
