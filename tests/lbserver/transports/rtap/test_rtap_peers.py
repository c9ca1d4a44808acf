# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is heard on the ports of the Max system's protocol, and which server cannot be."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lbserver.errors import LiveBandError
from lbserver.host import callers
from lbserver.testing import accompanists
from lbserver.testing.rtap_client import RtapClient
from lbserver.transports.rtap import packets
from lbserver.transports.rtap.server import RtapConfig, rtap_server


def test_who_is_heard(serve: Callable[..., Any]) -> None:
    """A named peer alone, or this user's programs on this machine: nobody learns of the rest by an answer."""
    client = RtapClient()
    server = serve(client)
    client.until("/ready")
    assert not server._is_heard(("192.0.2.7", 5000))
    with pytest.raises(LiveBandError, match="no address"):
        asyncio.run(enter(RtapConfig(port=0, peer="not a name")))
    with pytest.raises(LiveBandError, match="--rtap-ports"):
        asyncio.run(enter(RtapConfig(port=server.address[1])))


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.1.1", "127.0.0.2", socket.gethostname()])
def test_a_peer_that_is_this_machine_is_this_user_all_the_same(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, peer: str
) -> None:
    """By any name but 127.0.0.1 it let all users of the machine in, and answered whoever had the port."""
    client = RtapClient()
    server = serve(client, peer=peer)
    client.send("/packet_test", 1, floats=np.zeros(1, np.float32))
    client.until("/packet_test_response")
    assert server._is_heard(("127.0.0.1", client.port))
    monkeypatch.setattr(callers, "sent_datagram", lambda port: False)  # another user's
    for host in ("127.0.0.1", "127.0.0.2", *server._peers):
        assert not server._is_heard((host, client.port))
    assert server._is_heard(("192.0.2.7", client.port)) is False
    server._send(packets.write_true("/ready"))
    monkeypatch.undo()
    client.send("/packet_test", 2, floats=np.zeros(2, np.float32))
    assert client.receive()[1][0] == 2


async def enter(config: RtapConfig) -> None:
    async with rtap_server(config, accompanists.copy):
        pass
