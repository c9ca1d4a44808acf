# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine that has run out of something, for a real worker: refused as that, and taken up again when it passes."""

import asyncio
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lbserver.hub.hub import Hub, HubConfig, HubError, Peer
from lbserver.places.supervisor import WorkerError, WorkerPlace
from lbserver.testing.waiting import until_async as until

ME = Peer(kind="local", identity="connection 1", trusted=True)


@pytest.fixture(autouse=True)
def _one_calibration(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBAND_CACHE", str(cache))


def with_hub(folder: Path, work: Any) -> None:
    """Do some work with a hub and its place."""

    async def run() -> None:
        (folder / "moments").mkdir()
        hub = Hub(HubConfig(moments=folder / "moments", kept=folder / "kept"))
        place = WorkerPlace(
            number=0,
            model="test:copy",
            moments=folder / "moments",
            on_lost=hub.on_lost,
            on_back=hub.on_back,
            on_ended=hub.on_ended,
        )
        try:
            await hub.start([place])
            await work(hub, place)
        finally:
            await hub.stop()

    asyncio.run(run())


async def open_(hub: Hub, session: str, **more: Any) -> None:
    wish = {"rate_hz": 48000, "channels": 2, "block_samples": 480, "mode": "live", "stem": "bass", **more}
    os.close((await hub.open({"session": session, **wish}, peer=ME)).descriptor)


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


@pytest.mark.parametrize("whose", ["worker", "server"])
def test_a_full_disk_is_no_fault_of_the_message(tmp_path: Path, whose: str) -> None:
    """Catches a moment that cannot be kept being called a bad message. A limit on files stands for the disk."""

    async def work(hub: Hub, place: WorkerPlace) -> None:
        await open_(hub, "a")
        assert place.pid is not None
        pid = place.pid if whose == "worker" else os.getpid()
        with limited(pid, resource.RLIMIT_FSIZE, 100), pytest.raises(HubError) as caught:
            await hub.keep("a", "mine", peer=ME)
        assert caught.value.code == "busy"
        assert "too large" in str(caught.value).lower()
        await hub.keep("a", "mine", peer=ME)
        await hub.recall("a", "mine", peer=ME)
        assert place.restarts == 0

    with_hub(tmp_path, work)


def test_a_segment_that_cannot_be_mapped_is_refused_as_no_room(tmp_path: Path) -> None:
    """Catches `crashed` for a worker that lives and has no memory left."""

    async def work(hub: Hub, place: WorkerPlace) -> None:
        assert place.pid is not None
        await open_(hub, "first")  # it answers when it has let go of what loading took
        pages = int(Path(f"/proc/{place.pid}/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + (1 << 24)  # less than the ring of 64 channels
        with limited(place.pid, resource.RLIMIT_AS, most), pytest.raises(HubError) as caught:
            await open_(hub, "a", rate_hz=192000, channels=64)
        assert caught.value.code == "busy", str(caught.value)
        await open_(hub, "a")
        assert place.restarts == 0

    with_hub(tmp_path, work)


def test_a_session_that_the_next_worker_has_no_room_for_waits_and_is_taken_up(tmp_path: Path) -> None:
    """Catches a session that is closed for good because a machine was short of memory for a moment."""

    async def work(hub: Hub, place: WorkerPlace) -> None:
        await open_(hub, "a")
        request, refused = place.request, []

        async def short(message: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
            if message["type"] == "open" and len(refused) < 4:
                refused.append(hub.status("a", peer=ME)["reason"])
                raise WorkerError("no memory is left for this", "busy")
            return await request(message, descriptor)

        place.request = short  # type: ignore[method-assign]
        assert place.pid is not None
        os.kill(place.pid, signal.SIGKILL)
        await until(lambda: hub.status("a", peer=ME)["state"] == "listening" and refused)
        assert len(refused) == 4
        assert refused[1:] == ["no memory is left for this"] * 3
        assert hub.status("a", peer=ME)["reason"] == ""

    with_hub(tmp_path, work)
