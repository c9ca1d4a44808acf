# SPDX-License-Identifier: GPL-3.0-or-later
"""What looks for OSC on this machine finds it, on the loopback alone, and only while it is there."""

import asyncio

import pytest

from lbserver.errors import LiveBandError
from lbserver.transports import discovery
from lbserver.transports.discovery import announced

zeroconf = pytest.importorskip("zeroconf")


def found(kind: str, *, there: bool = True) -> list[tuple[int, list[str]]]:
    """Port and addresses of every LiveBand of a kind that is found by the loopback; waits until one is, or none is."""

    class Names(zeroconf.ServiceListener):
        def __init__(self) -> None:
            self.names: set[str] = set()

        def add_service(self, _zc: object, _kind: str, name: str) -> None:
            self.names.add(name)

        update_service = add_service

        def remove_service(self, _zc: object, _kind: str, name: str) -> None:
            self.names.discard(name)

    with zeroconf.Zeroconf(interfaces=["127.0.0.1"], ip_version=zeroconf.IPVersion.V4Only) as looking:
        names, answers = Names(), []
        zeroconf.ServiceBrowser(looking, kind, names)
        for _ in range(300 if there else 15):
            infos = [looking.get_service_info(kind, name, 200) for name in sorted(names.names)]
            answers = [
                (one.port, one.parsed_addresses()) for one in infos if one and one.name.startswith("LiveBand")
            ]
            if answers and there:
                break
            import time

            time.sleep(0.1)
        return answers


def test_tools_find_osc_and_oscquery_on_this_machine_alone() -> None:
    """Catches a service without a port, one that names an address that others can reach, and one that stays when it is over."""

    async def check() -> None:
        try:
            async with announced("here", osc_port=9460, http_port=9461):
                assert (9460, ["127.0.0.1"]) in await asyncio.to_thread(found, "_osc._udp.local.")
                assert (9461, ["127.0.0.1"]) in await asyncio.to_thread(found, "_oscjson._tcp.local.")
        except LiveBandError as error:
            pytest.skip(f"this system has no multicast on its loopback: {error}")
        assert await asyncio.to_thread(lambda: found("_osc._udp.local.", there=False)) == []

    asyncio.run(check())


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a traceback where an extra is missing."""

    def missing(_name: str) -> None:
        raise ImportError

    monkeypatch.setattr(discovery.importlib, "import_module", missing)
    with pytest.raises(LiveBandError, match=r"pip install 'liveband\[discovery\]'"):
        discovery.load_zeroconf()
