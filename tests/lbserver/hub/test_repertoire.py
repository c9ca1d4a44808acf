# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a server holds: loaded when named, once, and let go of when nobody plays them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from lbserver.engine.budget import Budget
from lbserver.hub.admission import HubError
from lbserver.hub.repertoire import Offer, Repertoire
from lbserver.places.supervisor import Ready, WorkerError
from lbserver.testing import accompanists


class Stand:
    """A place that plays nothing; counts its lives."""

    up, reason, restarts, pid = True, "", 0, None

    def __init__(self, model: str, *, fault: str = "") -> None:
        self.model, self.fault, self.starts = model, fault, 0
        self.ready: Ready | None = None

    async def start(self) -> Ready:
        self.starts += 1
        await asyncio.sleep(0)
        if self.fault:
            raise WorkerError(self.fault)
        spec = replace(accompanists.copy().spec, name=self.model)
        self.ready = Ready(spec=spec, budget=Budget(compute_s=0.0, margin_s=0.0), step_s={}, runtime="")
        return self.ready

    async def request(self, message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        raise NotImplementedError

    async def stop(self) -> None:
        self.up = False


async def started(made: list[Stand], **faults: str) -> Repertoire:
    def place(name: str) -> Stand:
        made.append(Stand(name, fault=faults.get(name, "")))
        return made[-1]

    repertoire = Repertoire(idle_s=10.0)
    offered = {"second": "second", "third": "third", "fourth": "/models/fourth"}
    await repertoire.start([Stand("first")], Offer(models=offered, place=place))
    return repertoire


def test_a_model_is_loaded_once_however_many_name_it_at_once() -> None:
    """Each load costs a process and its memory."""

    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made)
        places = await asyncio.gather(*(repertoire.playing("second") for _ in range(5)))
        assert len(made) == made[0].starts == 1
        assert all(one == [made[0]] for one in places)
        assert await repertoire.playing(None) == await repertoire.playing("first") == repertoire.default

    asyncio.run(scene())


def test_a_folder_is_named_by_its_own_name_or_its_path_and_loaded_once() -> None:
    """A path longer than a message's 64 characters could not be named at all."""

    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made)
        (one,) = await repertoire.playing("fourth")
        assert [made[0]] == [one] == await repertoire.playing("/models/fourth")
        assert (made[0].model, len(made)) == ("/models/fourth", 1)
        assert repertoire.names() == ["first", "second", "third", "fourth"]

    asyncio.run(scene())


def test_who_asked_may_go_away_and_the_load_is_for_the_next() -> None:
    """A worker whose asker was cancelled was in no list: it held its memory for ever, and `stop` did not end it."""

    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made)
        first = asyncio.create_task(repertoire.playing("second"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        assert await repertoire.playing("second") == made
        loading = asyncio.create_task(repertoire.playing("third"))
        await asyncio.sleep(0)
        await repertoire.stop()
        await asyncio.wait({loading})
        assert not any(stand.up for stand in made)

    asyncio.run(scene())


def test_loads_under_way_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Askers of many models at once passed the limit before any of them was loaded."""
    monkeypatch.setattr("lbserver.hub.repertoire._MOST_LOADED", 1)

    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made)
        both = await asyncio.gather(
            repertoire.playing("second"), repertoire.playing("third"), return_exceptions=True
        )
        assert len(made) == 1
        assert [getattr(one, "code", "") for one in both] == ["", "busy"]

    asyncio.run(scene())


def test_a_model_that_is_not_offered_is_refused_with_those_that_are() -> None:
    async def scene() -> None:
        repertoire = await started([])
        with pytest.raises(HubError, match="this server plays first, second, third") as refused:
            await repertoire.playing("/etc/passwd")
        assert refused.value.code == "unknown_model"

    asyncio.run(scene())


def test_a_model_that_cannot_play_says_why_and_holds_nothing() -> None:
    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made, third="its weights are damaged")
        with pytest.raises(HubError, match="third cannot play: its weights are damaged"):
            await repertoire.playing("third")
        assert len(repertoire.places) == 1

    asyncio.run(scene())


def test_it_is_let_go_of_after_its_last_session_and_can_be_named_again() -> None:
    """A model that is played, or was a moment ago, must stay; one that is not must not hold memory for ever."""

    async def scene() -> None:
        made: list[Stand] = []
        repertoire = await started(made)
        [place] = await repertoire.playing("second")
        assert repertoire.tidy([place], 0.0) == repertoire.tidy([place], 100.0) == []
        assert repertoire.tidy([], 101.0) == repertoire.tidy([], 110.0) == []
        assert repertoire.tidy([], 112.0) == [place]
        assert repertoire.places == repertoire.default
        await repertoire.playing("second")
        assert len(made) == 2

    asyncio.run(scene())
