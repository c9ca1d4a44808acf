# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a fleet, and a day of it: what a player would notice is a session that was lost or a server that is overrun."""

from dataclasses import replace

import pytest

from lbserver.fleet.placement import DRAINING, STARTING, UP, Policy, Server, choose, decide, relocate
from lbserver.fleet.simulation import Day, simulate

LIMITS = {"tiny": 4, "large": 2}


def server(name: str, tiny: int = 0, large: int = 0, **more: str) -> Server:
    return Server(name=name, limits=LIMITS, sessions={"tiny": tiny, "large": large}, **more)


@pytest.mark.parametrize(
    ("servers", "model", "chosen"),
    [
        ([server("a", 2), server("b", 1)], "tiny", "b"),
        (
            [server("a", 0, 1), server("b", 1)],
            "tiny",
            "b",
        ),  # half full by one large session, a quarter by a tiny one
        ([server("a", 3), server("b", 4)], "large", None),  # a quarter is left, a large session takes half
        ([server("b"), server("a")], "tiny", "a"),  # the same fleet decides the same whatever its order
        ([server("a", state=DRAINING), server("b", 3)], "tiny", "b"),
        ([server("a", state=STARTING)], "tiny", None),
        ([server("a", 1, version="2"), server("b", version="1")], "tiny", "a"),  # it would have to move again
        ([server("a")], "unheard", None),
    ],
)
def test_the_least_loaded_server_that_has_the_model_and_room(
    servers: list[Server], model: str, chosen: str | None
) -> None:
    """A full, draining or wrong server chosen would refuse the player, or overrun those who play there."""
    found = choose(servers, model, version="2")
    assert (found and found.name) == chosen


def test_sessions_of_a_lost_server_fill_the_others_and_no_more() -> None:
    """Each counted against the fleet as it was, all would go to the emptiest server and overrun it."""
    fleet = {one.name: one for one in (server("gone", 4), server("a", 2), server("b", 3))}
    moves = relocate(fleet, "gone", [(f"s{n}", "tiny") for n in range(4)])
    assert [move.to for move in moves] == ["a", "a", "b", None]


def settled(fleet: dict[str, Server], policy: Policy) -> tuple[dict[str, Server], int]:
    """The fleet when nothing is left to decide, and the most servers that ran on the way; sessions are moved as told."""
    most = len(fleet)
    for step in range(200):
        told = decide(list(fleet.values()), policy)
        if not (told.start or told.drain or told.stop):
            return fleet, most
        fleet = {
            name: replace(one, state=UP if one.state == STARTING else one.state)
            for name, one in fleet.items()
        }
        for name in told.stop:
            del fleet[name]
        for name in told.drain:
            tiny = [(f"{name}{n}", "tiny") for n in range(fleet[name].sessions.get("tiny", 0))]
            for move in relocate(fleet, name, tiny, version=policy.version):
                assert move.to is not None, "a session lost in an upgrade"
                fleet[move.to] = fleet[move.to].with_more("tiny", 1)
            fleet[name] = replace(fleet[name], state=DRAINING, sessions={})
        fleet |= {
            f"{step}.{n}": server(f"{step}.{n}", state=STARTING, version=policy.version)
            for n in range(told.start)
        }
        fleet = {
            name: replace(one, state=UP if one.state == STARTING else one.state)
            for name, one in fleet.items()
        }
        most = max(most, len(fleet))
    raise AssertionError("the fleet does not come to rest")


def test_an_upgrade_replaces_every_server_and_loses_nobody() -> None:
    """A fleet that drains old servers before new ones play, or never ends, would throw players out or starve."""
    old = {f"old{n}": server(f"old{n}", 3, version="1") for n in range(8)}
    fleet, most = settled(old, Policy(version="2", target=0.8, surge=2))
    assert {one.version for one in fleet.values()} == {"2"}
    assert sum(one.sessions["tiny"] for one in fleet.values()) == 24
    assert most <= 8 + 2 + 2


def test_a_fleet_follows_its_load_down_and_keeps_its_least() -> None:
    """Servers that were drained at the load they are started at would come and go for ever."""
    fleet, _ = settled({f"s{n}": server(f"s{n}", 1 if n < 4 else 0) for n in range(9)}, Policy(least=2))
    assert len(fleet) == 2
    assert decide(list(fleet.values()), Policy(least=2), waiting=3.0).start > 0


def test_ten_thousand_players_a_failure_and_an_upgrade_lose_no_session() -> None:
    """A fleet that overran a server, or lost players as it was upgraded, would do so at any size: here is the size asked for."""
    day = Day(
        players=10_000,
        limits={"tiny": 64},
        hours=0.25,
        opening_s=200.0,
        upgrade_s=300.0,
        mean_session_s=7200.0,
        mean_failure_s=12 * 3600.0,
    )
    report = simulate(day)
    assert report.most_playing > 9_900
    assert report.failures
    assert (report.lost, report.over_limit, report.old_servers_left) == (0, 0, 0)
    assert report.upgraded_after_s is not None
