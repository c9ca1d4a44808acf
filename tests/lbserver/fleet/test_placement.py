# SPDX-License-Identifier: GPL-3.0-or-later
"""The decisions of a fleet, and a day of it: what a player would notice is a session that was lost or a server that is overrun."""

from dataclasses import replace
from random import Random

import pytest

from lbserver.fleet.placement import (
    DRAINING,
    STARTING,
    UP,
    Policy,
    Ranked,
    Server,
    choose,
    decide,
    place,
    relocate,
)
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
    found = choose(Ranked(servers), model, version="2")
    assert (found and found.name) == chosen


def test_sessions_of_a_lost_server_fill_the_others_and_no_more() -> None:
    """Each counted against the fleet as it was, all would go to the emptiest server and overrun it."""
    fleet = Ranked([server("gone", 4), server("a", 2), server("b", 3)])
    moves = relocate(fleet, "gone", [(f"s{n}", "tiny") for n in range(4)])
    assert [move.to for move in moves] == ["a", "a", "b", None]


def settled(fleet: dict[str, Server], policy: Policy) -> tuple[dict[str, Server], int]:
    """The fleet when nothing is left to decide, and the most servers that ran on the way; sessions are moved as told."""
    most = len(fleet)
    for step in range(200):
        told = decide(Ranked(fleet.values()), policy)
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
            for move in relocate(Ranked(fleet.values()), name, tiny, version=policy.version):
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
    assert decide(Ranked(fleet.values()), Policy(least=2), waiting=3.0).start > 0


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


@pytest.mark.parametrize("seed", range(4))
def test_a_fleet_that_changes_is_ranked_as_one_that_is_looked_through(seed: int) -> None:
    """A place in the order that was not taken back, or a kind of server that hid another, would send players to a full server."""
    random = Random(seed)
    kinds = ({"tiny": 4, "large": 2}, {"tiny": 8}, {"large": 1})
    fleet = Ranked()
    for _ in range(600):
        name, limits = f"s{random.randrange(24)}", random.choice(kinds)
        if name in fleet and random.random() < 0.2:
            fleet.remove(name)
        elif name in fleet and random.random() < 0.3:
            fleet.put(replace(fleet[name], state=random.choice((UP, UP, DRAINING, STARTING))))
        elif name not in fleet:
            fleet.put(Server(name=name, limits=limits, version=random.choice("12")))
        model, version = random.choice(("tiny", "large")), random.choice(("", "1", "2"))
        avoid = {f"s{random.randrange(24)}" for _ in range(3)}
        able = [one for one in fleet if one.state == UP and one.has_room(model) and one.name not in avoid]
        best = min(
            able, key=lambda one: (bool(version) and one.version != version, one.load, one.name), default=None
        )
        placed = place(fleet, model, version=version, avoid=avoid)
        assert (placed and placed.name) == (best and best.name)
        assert placed is None or fleet[placed.name].load <= 1
        assert fleet.load == pytest.approx(sum(one.load for one in fleet))
