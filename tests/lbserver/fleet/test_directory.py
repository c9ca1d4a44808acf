# SPDX-License-Identifier: GPL-3.0-or-later
"""What a fleet's directory tells and to whom, and what servers that share a folder leave to each other."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lbserver import cli
from lbserver.cluster.member import MemberConfig
from lbserver.cluster.running import place_to_run
from lbserver.cluster.upkeep import Upkeep
from lbserver.fleet.placement import Policy
from lbserver.hub.hub import Hub, HubConfig, Peer
from lbserver.hub.memories import Memories
from lbserver.hub.requests import answer

USER = Peer(kind="local", identity="one", trusted=True)
CLIENT = Peer(kind="zmq", identity="two", owner="key two", host="key two")


def test_a_client_is_told_of_the_fleet_and_only_the_user_changes_it(tmp_path: Path) -> None:
    """Whoever may play could otherwise drain everybody else's server; a server that plays would seem to be a directory."""

    async def asked(hub: Hub, peer: Peer, **message: Any) -> str:
        reply, _ = await answer(hub, peer, message)
        return str(reply.get("code", reply["type"]))

    async def scene() -> None:
        config = MemberConfig(moments=str(tmp_path), sessions=2)
        with place_to_run("none", config, 2) as make:
            hub = Hub(HubConfig(directory=Upkeep(make=make, sessions=2, policy=Policy(version="1"))))
            assert await asked(hub, CLIENT, type="fleet") == "fleet_list"
            assert await asked(hub, CLIENT, type="drain", server="server-1") == "unauthorised"
            assert await asked(hub, CLIENT, type="upgrade") == "unauthorised"
            assert await asked(hub, USER, type="drain", server="server-1") == "not_found"
            assert await asked(hub, USER, type="upgrade") == "fleet_list"
        assert await asked(Hub(HubConfig()), USER, type="fleet") == "unsupported"

    asyncio.run(scene())


@pytest.mark.parametrize(("shared", "left"), [(True, 20), (False, 16)])
def test_a_server_leaves_the_memories_of_others_alone(tmp_path: Path, shared: bool, left: int) -> None:
    """One that tidied a folder it shares would throw away what another's players are to be gone on with."""
    memories = Memories(tmp_path, tmp_path / "kept", max_kept=1, shared=shared)
    for number in range(20):
        memories.path(f"s{number}").write_bytes(b"memory")
    memories.tidy(set())
    assert len(list(tmp_path.glob("*.auto"))) == left


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["serve", "--servers", "3", "--most-servers", "2"], "--most-servers 2 is fewer"),
        (["serve", "--host", "0.0.0.0"], "needs keys"),
        (["serve", "--model", "nobody's"], "was not measured"),
        (["serve", "--cluster", "nowhere", "--sessions", "2"], "no Ray cluster"),
        (["drain", "server-1"], "no fleet's directory runs"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    words: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fleet that starts and then plays nothing says it too late."""
    monkeypatch.setenv("LIVEBAND_RUN", str(tmp_path / "r"))
    assert cli.main(["fleet", *words]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
