# SPDX-License-Identifier: GPL-3.0-or-later
"""The hub with a real worker: who may do what, how much, and what becomes of requests that cross each other."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lbserver.engine import memory_file
from lbserver.hub.hub import Hub, HubConfig, HubError, Peer
from lbserver.places.supervisor import WorkerPlace
from lbserver.ring.ends import HostPort
from lbserver.ring.segment import Segment
from lbserver.testing.waiting import until_async as until

LOCAL = Peer(kind="local", identity="connection 1", trusted=True)
FAR = Peer(kind="zmq", identity="key/one")
STRANGER = Peer(kind="zmq", identity="key/two")
ALICE = Peer(kind="zmq", identity="alice/1", owner="key alice", host="key alice")
BOB = Peer(kind="zmq", identity="bob/1", owner="key bob", host="key bob")


@contextlib.asynccontextmanager
async def hub_in(folder: Path, *, model: str = "test:copy", **config: Any) -> AsyncIterator[Hub]:
    (folder / "moments").mkdir(exist_ok=True)
    hub = Hub(HubConfig(moments=folder / "moments", kept=folder / "kept", **config))
    place = WorkerPlace(
        number=0,
        model=model,
        moments=folder / "moments",
        on_lost=hub.on_lost,
        on_back=hub.on_back,
        on_ended=hub.on_ended,
    )
    try:
        await hub.start([place])
        yield hub
    finally:
        await hub.stop()


@pytest.fixture(autouse=True)
def _one_calibration(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEBAND_CACHE", str(cache))


def wish(session: str, **more: Any) -> dict[str, Any]:
    return {
        "session": session,
        "rate_hz": 48000,
        "channels": 2,
        "block_samples": 480,
        "mode": "live",
        "stem": "bass",
        **more,
    }


async def open_(hub: Hub, session: str, peer: Peer, **more: Any) -> None:
    os.close((await hub.open(wish(session, **more), peer=peer)).descriptor)


async def refused(work: Any) -> str:
    with pytest.raises(HubError) as caught:
        await work
    assert 10 < len(str(caught.value)) < 300
    return caught.value.code


@pytest.fixture
def held(descriptors: Callable[[], int]) -> Callable[[], tuple[int, int]]:
    """Counts (descriptors, mapped segments) of this process."""
    return lambda: (descriptors(), Path("/proc/self/maps").read_text().count("memfd:liveband "))


def test_caps_and_pace_hold_for_strangers_and_coming_back_does_not_help(tmp_path: Path) -> None:
    """T15. Catches a cap that counts wrong, and a bucket that is full again after hanging up."""

    async def run() -> None:
        config = {"max_sessions": 5, "max_sessions_per_peer": 3, "opens_burst": 6.0, "opens_per_s": 0.01}
        async with hub_in(tmp_path, **config) as hub:
            for name in "abc":
                await open_(hub, name, FAR)
            assert await refused(hub.open(wish("d"), peer=FAR)) == "busy"
            for name in "de":
                await open_(hub, name, STRANGER)
            assert await refused(hub.open(wish("f"), peer=STRANGER)) == "busy"
            for name in "abc":
                await hub.close(name, peer=FAR)
            for name in "abc":
                await open_(hub, name, FAR)
                await hub.close(name, peer=FAR)
            hub.detach(FAR)
            assert await refused(hub.open(wish("g"), peer=FAR)) == "busy"  # six in its burst, and six it had
            await open_(hub, "g", LOCAL)  # who is trusted is not held up by the pace

    asyncio.run(run())


def test_a_stranger_touches_only_its_own_sessions_and_the_user_all(tmp_path: Path) -> None:
    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            await open_(hub, "mine", FAR)
            for work in (
                hub.set_control("mine", "gain", 1.0, peer=STRANGER),
                hub.know({"session": "mine", "key": "C"}, peer=STRANGER),
                hub.keep("mine", "x", peer=STRANGER),
                hub.recall("mine", "x", peer=STRANGER),
                hub.configure(wish("mine"), peer=STRANGER),
                hub.close("mine", peer=STRANGER),
            ):
                assert await refused(work) == "unknown_session"
            assert await refused(hub.open(wish("mine"), peer=STRANGER)) == "busy"
            hub.detach(FAR)
            assert await refused(hub.open(wish("mine"), peer=STRANGER)) == "unauthorised"
            assert hub.sessions(peer=STRANGER) == {}
            await hub.set_control("mine", "gain", -6.0, peer=LOCAL)
            assert hub.controls("mine", peer=FAR)["gain"] == -6.0
            await hub.close("mine", peer=LOCAL)
            assert hub.sessions() == {}

    asyncio.run(run())


def test_a_session_outlives_its_peer_for_a_lease_and_is_taken_up_by_name(
    tmp_path: Path, held: Callable[[], tuple[int, int]]
) -> None:
    async def run() -> None:
        async with hub_in(tmp_path, lease_s=1.0) as hub:
            before = held()
            await open_(hub, "a", FAR)
            await hub.set_control("a", "gain", -6.0, peer=FAR)
            hub.detach(FAR)
            assert "a" in hub.sessions()
            await open_(hub, "a", FAR)
            await asyncio.sleep(1.5)
            assert "a" in hub.sessions()
            hub.detach(FAR)
            await until(lambda: not hub.sessions())
            await until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))

    asyncio.run(run())


def test_what_was_told_before_the_first_sound_is_known_when_it_is_opened_anew(tmp_path: Path) -> None:
    """Catches a tempo, or a control, that its front end told once and that went with the first opening."""

    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            await open_(hub, "a", FAR)
            await hub.set_control("a", "gain", -6.0, peer=FAR)
            await hub.know({"type": "know", "session": "a", "bpm": 97.0, "key": "Dm"}, peer=FAR)
            await open_(hub, "a", FAR)
            assert hub.controls("a", peer=FAR)["gain"] == -6.0
            await hub.know(
                {"type": "know", "session": "a", "chart": "| Dm | Gm |"}, peer=FAR
            )  # needs a tempo

    asyncio.run(run())


def test_opening_one_name_twice_at_once_is_one_session(
    tmp_path: Path, held: Callable[[], tuple[int, int]]
) -> None:
    """Catches two segments for one name: one of them would be nobody's."""

    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            before = held()
            others = [Peer(kind="local", identity=f"connection {n}", trusted=True) for n in range(6)]
            answers = await asyncio.gather(
                *(hub.open(wish("a"), peer=peer) for peer in others), return_exceptions=True
            )
            opened = [one for one in answers if not isinstance(one, BaseException)]
            assert len(opened) == 1
            assert all(one.code == "busy" for one in answers if isinstance(one, HubError))
            os.close(opened[0].descriptor)
            for peer in others:
                hub.detach(peer)
            await until(lambda: not hub.sessions())
            await until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))

    asyncio.run(run())


@pytest.mark.parametrize("delay_s", [0.0, 0.0005, 0.002, 0.01])
def test_a_peer_that_leaves_while_its_session_opens_leaves_nothing(
    tmp_path: Path, delay_s: float, held: Callable[[], tuple[int, int]]
) -> None:
    """Catches a session whose peer is gone already, and a descriptor that nobody is there to take."""

    async def run() -> None:
        async with hub_in(tmp_path, lease_s=0.4) as hub:
            before = held()
            for peer in (LOCAL, FAR):
                work = asyncio.create_task(hub.open(wish("a"), peer=peer))
                await asyncio.sleep(delay_s)
                work.cancel()
                hub.detach(peer)
                with contextlib.suppress(asyncio.CancelledError):
                    os.close((await work).descriptor)
                with contextlib.suppress(HubError):  # whose turn it is when the open is over
                    await hub.set_control("a", "gain", 0.0, peer=peer)
                await until(lambda: not hub.sessions())
            await open_(hub, "a", LOCAL)  # and the worker has no session of this name left
            await hub.close("a", peer=LOCAL)
            await until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))

    asyncio.run(run())


def test_a_session_that_stands_still_holds_up_no_other_nor_the_end(tmp_path: Path) -> None:
    """Catches one lock for all: a stopped worker would stop every front end of the server."""

    async def run() -> None:
        (tmp_path / "moments").mkdir()
        hub = Hub(HubConfig(moments=tmp_path / "moments", kept=tmp_path / "kept"))
        places = [
            WorkerPlace(
                number=number,
                model="test:copy",
                moments=tmp_path / "moments",
                on_lost=hub.on_lost,
                on_back=hub.on_back,
                on_ended=hub.on_ended,
            )
            for number in range(2)
        ]
        await hub.start(list(places))
        await open_(hub, "a", LOCAL)  # on the first
        assert places[0].pid is not None
        os.kill(places[0].pid, signal.SIGSTOP)
        waits = asyncio.create_task(hub.close("a", peer=LOCAL))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(60):
            await open_(hub, "b", LOCAL)  # on the second, for "a" still counts
            await hub.set_control("b", "gain", 1.0, peer=LOCAL)
            await hub.close("b", peer=LOCAL)
        assert not waits.done()
        async with asyncio.timeout(60):
            await hub.stop()
        await asyncio.gather(waits, return_exceptions=True)

    asyncio.run(run())


def test_what_is_asked_while_the_worker_is_away_acts_when_it_is_back(tmp_path: Path) -> None:
    """Catches a worker that is ended by a request for a session it does not have yet, and a knob that is lost."""

    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            (place,) = hub.places
            opened = await hub.open(wish("a"), peer=LOCAL)
            segment = Segment(opened.descriptor)
            os.close(opened.descriptor)
            assert place.pid is not None
            os.kill(place.pid, signal.SIGKILL)
            await until(lambda: not place.up)
            assert hub.status("a", peer=LOCAL)["state"] == "recovering"
            assert "SIGKILL" in str(hub.status("a", peer=LOCAL)["reason"])
            await hub.set_control("a", "gain", -20.0, peer=LOCAL)
            await hub.know({"session": "a", "bpm": 90.0, "chart": "| C | F |"}, peer=LOCAL)
            again = await hub.configure(wish("a", rate_hz=96000), peer=LOCAL)
            assert await refused(hub.keep("a", "x", peer=LOCAL)) == "crashed"
            while not place.up:
                await hub.set_control("a", "mix", 0.5, peer=LOCAL)
                await asyncio.sleep(0)
            for _ in range(50):
                await hub.set_control("a", "mix", 0.25, peer=LOCAL)
            await until(lambda: hub.status("a", peer=LOCAL)["state"] == "listening")
            assert place.restarts == 1
            segment.close()
            segment = Segment(again.descriptor)
            os.close(again.descriptor)
            assert segment.shape.rate_hz == 96000
            assert segment.load_float("gain") == pytest.approx(0.1)
            assert segment.load_float("mix") == 0.25
            HostPort(segment, latency_samples=again.timing.latency_samples).begin_epoch()
            segment.close()

    asyncio.run(run())


def test_who_was_only_near_a_crash_is_forgiven_and_who_did_it_twice_is_put_away(tmp_path: Path) -> None:
    """F26. Catches strikes that never fade, and a poison that comes straight back under its name."""

    async def run() -> None:
        async with hub_in(tmp_path, quarantine_s=600.0) as hub:
            (place,) = hub.places
            told: list[dict[str, Any]] = []
            hub.subscribe(LOCAL, told.append)
            for name in "abc":
                await open_(hub, name, LOCAL)

            async def die(*suspects: str) -> None:
                """As the supervisor tells a death: what was stepped is what the black box says."""
                restarts = place.restarts
                place_lost = hub.on_lost
                assert isinstance(place, WorkerPlace)
                place._on_lost = lambda where, _: place_lost(where, suspects)
                os.kill(place.pid or 0, signal.SIGKILL)
                await until(lambda: place.up and place.restarts > restarts)
                await until(lambda: all(s["state"] == "listening" for s in hub.sessions().values()))

            await die("a", "b")
            for name in "ab":
                hub._entries[name].struck_s -= hub.config.forgive_s
            await until(lambda: not any(hub._entries[name].strikes for name in "ab"), "forgiveness")
            await die("a", "b")
            assert sorted(hub.sessions()) == ["a", "b", "c"]
            await die("b")
            assert sorted(hub.sessions()) == ["a", "c"]
            assert [one["code"] for one in told if one["type"] == "error"] == ["quarantined"]
            assert await refused(hub.open(wish("b"), peer=LOCAL)) == "quarantined"
            hub._admission._until_s["b"] -= 600.0
            await open_(hub, "b", LOCAL)

    asyncio.run(run())


@pytest.mark.parametrize(
    "damage",
    ["empty", "noise", "truncated", "huge", "link", "pipe", "folder", "foreign", "lies", "wrong memory"],
)
def test_a_memory_that_is_damaged_costs_the_memory_only(tmp_path: Path, damage: str) -> None:
    """F25. Catches a name that can never be opened again, and a file that holds up or fills the server."""
    good = memory_file.Moment(model="test:copy", memory=b"", controls={"gain": -6.0}, known={"bpm": 100.0})

    def damaged(path: Path) -> None:
        data = memory_file.pack(good)
        match damage:
            case "empty":
                path.write_bytes(b"")
            case "noise":
                path.write_bytes(os.urandom(3000))
            case "truncated":
                path.write_bytes(data[:-5])
            case "huge":
                path.touch()
                os.truncate(path, 1 << 36)
            case "link":
                path.symlink_to("/dev/zero")
            case "pipe":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "foreign":
                path.write_bytes(memory_file.pack(memory_file.Moment(**(vars(good) | {"model": "other"}))))
            case "lies":
                known = {"chart": 17, "bpm": "fast"}
                controls = {"stem": 99.0, "seed": -1e300, "gain": float("nan"), "nonsense": 1.0}
                path.write_bytes(
                    memory_file.pack(
                        memory_file.Moment(**(vars(good) | {"known": known, "controls": controls}))
                    )
                )
            case "wrong memory":
                path.write_bytes(memory_file.pack(memory_file.Moment(**(vars(good) | {"memory": b"what?"}))))

    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            damaged(tmp_path / "moments" / "a.auto")
            async with asyncio.timeout(60):
                await open_(hub, "a", LOCAL, resume=True)
            assert hub.sessions()["a"]["stem"] == "bass"
            await hub.set_control("a", "gain", 0.0, peer=LOCAL)
            assert hub.places[0].restarts == 0
            await hub.close("a", peer=LOCAL)

    asyncio.run(run())


def test_what_cannot_be_kept_is_refused_and_the_worker_lives(tmp_path: Path) -> None:
    """Catches a full disk or a folder that vanished taking the worker, and so every session, with it."""

    async def run() -> None:
        async with hub_in(tmp_path, max_kept=2) as hub:
            await open_(hub, "a", LOCAL)
            for name in ("x", "y", "x"):
                await hub.keep("a", name, peer=LOCAL)
            assert await refused(hub.keep("a", "z", peer=LOCAL)) == "busy"
            await asyncio.gather(*(hub.keep("a", "x", peer=LOCAL) for _ in range(5)))
            (tmp_path / "moments").rename(tmp_path / "away")
            assert await refused(hub.keep("a", "x", peer=LOCAL)) == "internal"
            assert await refused(hub.recall("a", "x", peer=LOCAL)) == "internal"
            assert await refused(hub.recall("a", "never kept", peer=LOCAL)) == "not_found"
            (tmp_path / "away").rename(tmp_path / "moments")
            await hub.set_control("a", "gain", 1.0, peer=LOCAL)
            await hub.close("a", peer=LOCAL)
            await open_(hub, "b", LOCAL)
            assert hub.places[0].restarts == 0

    asyncio.run(run())


def test_memories_of_closed_sessions_are_few(tmp_path: Path) -> None:
    """Catches a run directory, which is memory, that grows with every name a front end ever chose; and notes of whose they
    were that stay for ever."""

    async def run() -> None:
        async with hub_in(tmp_path, lease_s=0.1) as hub:
            for number in range(200):
                (tmp_path / "moments" / f"old{number}.auto").write_bytes(b"x")
                (tmp_path / "moments" / f"old{number}.owner").write_text("token")
                (tmp_path / "moments" / f"unplayed{number}.owner").write_text("token")
            await open_(hub, "hers", ALICE)
            await open_(hub, "a", LOCAL)
            hub.detach(LOCAL)
            await until(lambda: set(hub.sessions()) == {"hers"})
            for kind in ("auto", "owner"):
                await until(lambda kind=kind: len(list((tmp_path / "moments").glob(f"*.{kind}"))) <= 64)
            notes = {path.stem for path in (tmp_path / "moments").glob("*.owner")}
            assert "hers" in notes, "whose a session is was forgotten while it is open"
            assert not [name for name in notes if name.startswith("unplayed")]

    asyncio.run(run())


@pytest.mark.parametrize(
    "edge",
    [
        {"block_samples": 65536, "rate_hz": 8000},
        {"block_samples": 65536, "rate_hz": 192000, "channels": 64},
        {"block_samples": 1, "rate_hz": 192000},
        {"mode": "manual", "anticipation_ms": 0.0},
        {"mode": "manual", "anticipation_ms": 10000.0},
        {"mode": "bounce", "latency_samples": 1 << 20},
        {"mode": "bounce", "anticipation_ms": 10000.0, "latency_samples": 0},
    ],
)
def test_numbers_at_the_edge_are_played_or_refused(tmp_path: Path, edge: dict[str, Any]) -> None:
    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            opened = (await asyncio.gather(hub.open(wish("a", **edge), peer=LOCAL), return_exceptions=True))[
                0
            ]
            if isinstance(opened, HubError):
                assert opened.code == "unsupported"
                assert 10 < len(str(opened)) < 300
            else:
                assert not isinstance(opened, BaseException)
                os.close(opened.descriptor)
                status = hub.status("a", peer=LOCAL)
                assert status["latency_samples"] == opened.timing.latency_samples
            await open_(hub, "b", LOCAL)
            assert hub.places[0].restarts == 0

    asyncio.run(run())


def test_memories_and_kept_moments_are_their_owners(tmp_path: Path) -> None:
    """They were everybody's who knew the name: another client went on from them, recalled and overwrote them."""

    async def run() -> None:
        async with hub_in(tmp_path, lease_s=0.1) as hub:
            await open_(hub, "song", ALICE)
            await hub.keep("song", "chorus", peer=ALICE)
            hers = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*.moment")}
            for other in (BOB, LOCAL):
                await open_(hub, "other", other)
                assert await refused(hub.recall("other", "chorus", peer=other)) == "not_found"
                await hub.keep("other", "chorus", peer=other)
                await hub.close("other", peer=other)
            assert all(path.read_bytes() == data for path, data in hers.items())
            assert len(list((tmp_path / "kept").rglob("chorus.moment"))) == 3
            await hub.recall("song", "chorus", peer=ALICE)
            memory = next(iter(hers.values()))  # what a session that has played leaves behind
            hub.detach(ALICE)
            await until(lambda: not hub.sessions(), "the end of her lease")
            (tmp_path / "moments" / "song.auto").write_bytes(memory)
            for more in ({"resume": True}, {}):
                assert await refused(hub.open(wish("song", **more), peer=BOB)) == "unauthorised"
            assert await refused(hub.open(wish("song", resume=True), peer=LOCAL)) == "unauthorised"
            assert (tmp_path / "moments" / "song.auto").read_bytes() == memory
            await open_(hub, "song", ALICE, resume=True)

    asyncio.run(run())


@pytest.mark.parametrize("code", ["internal", "bad_message"])
def test_a_fault_of_ours_leaves_the_session_s_memory(tmp_path: Path, code: str) -> None:
    """Catches a fault of the server that costs a session the music it had remembered."""

    async def run() -> None:
        async with hub_in(tmp_path) as hub:
            await open_(hub, "a", LOCAL)
            memory = tmp_path / "moments" / "a.auto"
            memory.write_bytes(b"what the worker kept")
            hub.on_ended("a", code, "why")
            await until(lambda: not hub.sessions())
            await open_(hub, "b", LOCAL)
            await until(lambda: memory.exists() == (code == "internal"))

    asyncio.run(run())


def test_limits_count_callers_not_their_ports(tmp_path: Path) -> None:
    """A limit for each port was none: one host has sixty thousand of them."""

    async def run() -> None:
        async with hub_in(tmp_path, max_sessions_per_peer=2) as hub:
            ports = [
                Peer(kind="osc", identity=f"10.0.0.5:{n}", owner="token", host="10.0.0.5") for n in range(3)
            ]
            await open_(hub, "a", ports[0])
            await open_(hub, "b", ports[1])
            assert await refused(hub.open(wish("c"), peer=ports[2])) == "busy"
            await open_(hub, "c", Peer(kind="osc", identity="10.0.0.6:1", owner="token", host="10.0.0.6"))

    asyncio.run(run())
