# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks for OSC on this machine finds it, on the loopback alone, and only while it is there."""

import asyncio
import socket
import struct
import time
import uuid

import pytest

from lbserver.errors import LiveBandError
from lbserver.transports import discovery
from lbserver.transports.discovery import announced

zeroconf = pytest.importorskip("zeroconf")

PORTS = {"_osc._udp.local.": 9460, "_oscjson._tcp.local.": 9461}
LOOPBACK = "127.0.0.1"


def loopback_has_multicast() -> bool:
    """Whether a datagram to a group arrives on the loopback, without any of our code."""
    group = "224.0.0.251"
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as says,
    ):
        try:
            hears.bind(("", 0))
            member = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton(LOOPBACK))
            hears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            hears.settimeout(5)
            says.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            says.sendto(b"there", (group, hears.getsockname()[1]))
            return hears.recv(16) == b"there"
        except OSError:
            return False


class Looking(zeroconf.ServiceListener):
    """What is found by the loopback of one host's LiveBand, from now on."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._names: set[tuple[str, str]] = set()

    def add_service(self, _zc: object, kind: str, name: str) -> None:
        if self._host in name:
            self._names.add((kind, name))

    update_service = add_service

    def remove_service(self, _zc: object, kind: str, name: str) -> None:
        self._names.discard((kind, name))

    def found(self, asking: "zeroconf.Zeroconf") -> dict[str, tuple[int, list[str]]]:
        """Port and addresses by kind."""
        infos = [(kind, asking.get_service_info(kind, name, 200)) for kind, name in sorted(self._names)]
        return {kind: (info.port, info.parsed_addresses()) for kind, info in infos if info}


def found(host: str, *, within_s: float) -> dict[str, tuple[int, list[str]]]:
    """What somebody who begins to look now finds of a host; waits until both services are there."""
    with zeroconf.Zeroconf(interfaces=[LOOPBACK], ip_version=zeroconf.IPVersion.V4Only) as asking:
        looking = Looking(host)
        zeroconf.ServiceBrowser(asking, list(PORTS), looking)
        end = time.monotonic() + within_s
        while len(seen := looking.found(asking)) < len(PORTS) and time.monotonic() < end:
            time.sleep(0.05)
        return seen


def test_tools_find_osc_and_oscquery_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a service without a port, one that names an address that others can reach, and one that stays when it is over."""
    if not loopback_has_multicast():
        pytest.skip("no multicast on this loopback")
    host = f"test-{uuid.uuid4().hex[:12]}"  # others announce here too
    monkeypatch.setattr(discovery.socket, "gethostname", lambda: host)

    async def check() -> None:
        async with announced("here", osc_port=9460, http_port=9461):
            seen = await asyncio.to_thread(found, host, within_s=60)
            assert seen == {kind: (port, [LOOPBACK]) for kind, port in PORTS.items()}
        assert await asyncio.to_thread(found, host, within_s=1) == {}

    asyncio.run(check())


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where an extra is missing."""

    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(discovery.importlib, "import_module", missing)
    with pytest.raises(LiveBandError, match=r"pip install 'liveband\[discovery\]'"):
        discovery.load_zeroconf()
