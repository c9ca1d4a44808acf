# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the memories of sessions lie, and how often they are written: a disk is not worn by a band that plays."""

import mmap
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbserver.engine import memory_file
from lbserver.engine import moments_folder as folders
from lbserver.engine.budget import Budget
from lbserver.engine.moments_folder import IN_MEMORY_S, ON_DISK_S, is_in_memory, moments_folder
from lbserver.engine.player import Player
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.engine.worker import BOX_BYTES, _Worker
from lbserver.host.rundir import open_run_directory
from lbserver.protocol import wire
from lbserver.testing import accompanists, stage

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder in shared memory, empty."""
    if not is_in_memory(SHARED_MEMORY):
        pytest.skip("no shared memory here")
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    if is_in_memory(tmp_path):
        pytest.skip("the folder of tests is in memory")
    return tmp_path


def test_beside_a_run_directory_on_disk_memories_lie_in_shared_memory(disk: Path, shared: Path) -> None:
    """Catches 2.9 MB a second for each session written to a disk, and a memory that the next server does not find."""
    with open_run_directory(disk / "run"):
        folder = moments_folder(disk / "run", shared_memory=shared)
        assert folder.path.parent == shared
        assert folder.every_s == IN_MEMORY_S
        assert folder.path.stat().st_mode & 0o777 == 0o700
        (folder.path / "a.auto").write_bytes(b"what was played")
        folder.leave()
    with open_run_directory(disk / "run"):
        again = moments_folder(disk / "run", shared_memory=shared)
        assert (again.path / "a.auto").read_bytes() == b"what was played"
        (again.path / "a.auto").unlink()
        again.leave()
    assert list(shared.iterdir()) == []


def test_what_belongs_to_no_server_any_more_is_removed_and_what_lives_stays(disk: Path, shared: Path) -> None:
    """Catches memory that is lost with every run directory that goes away, and a living server's being taken."""
    with open_run_directory(disk / "gone"), open_run_directory(disk / "lives"):
        left, lives = (moments_folder(disk / name, shared_memory=shared) for name in ("gone", "lives"))
        for folder in (left, lives):
            (folder.path / "a.auto").write_bytes(b"x")
    assert left.held is not None
    os.close(left.held)  # as when it is killed
    for name in ("gone", "lives"):
        (disk / name / "lock").unlink()
    with open_run_directory(disk / "other"):
        moments_folder(disk / "other", shared_memory=shared).leave()
    assert not left.path.exists()
    assert (lives.path / "a.auto").exists()
    (lives.path / "a.auto").unlink()
    lives.leave()


def test_a_folder_that_somebody_else_laid_out_is_not_used(disk: Path, shared: Path) -> None:
    """Catches a session's memory written where others may read it."""
    with open_run_directory(disk / "run"):
        folder = moments_folder(disk / "run", shared_memory=shared)
        folder.leave()
        folder.path.mkdir(mode=0o755)
        fallen_back = moments_folder(disk / "run", shared_memory=shared)
        assert fallen_back.path == disk / "run" / "moments"
        assert fallen_back.every_s == ON_DISK_S
        assert list(folder.path.iterdir()) == []


def test_without_shared_memory_the_disk_is_written_to_seldom(disk: Path) -> None:
    with open_run_directory(disk / "run"):
        folder = moments_folder(disk / "run", shared_memory=disk / "none")
    assert (folder.path, folder.every_s) == (disk / "run" / "moments", ON_DISK_S)


def test_where_the_kernel_tells_nothing_a_folder_is_taken_for_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "_MOUNTS", tmp_path / "none")
    assert not is_in_memory(tmp_path)


@pytest.mark.parametrize(("every_s", "least", "most"), [(1.0, 20, 40), (30.0, 1, 2)])
def test_memories_are_written_as_often_as_it_is_said_and_only_while_something_is_played(
    tmp_path: Path, every_s: float, least: int, most: int
) -> None:
    """On the virtual clock, 40 s of two sessions of which one stops after 5 s."""
    ours, theirs = socket.socketpair()
    box = mmap.mmap(-1, BOX_BYTES)
    virtual = VirtualWorker(accompanists.copy(), lambda _rows, _now_s: 0.005)
    worker = _Worker(theirs, box, virtual.player, moments=tmp_path, save_every_s=every_s)
    seat = stage.Seat(blocks=(480,))
    hosts = [
        stage.front_end(
            name, seat, accompanists.copy().spec, Budget(compute_s=0.01, margin_s=0.002), stage.noise(1)
        )
        for name in ("plays", "stops")
    ]
    for host in hosts:
        virtual.serve(host)
        worker.saved[host.setup.session] = 0.0, 0
        worker.known[host.setup.session] = {}
        worker.segments[host.setup.session] = host.worker_segment
    written: list[str] = []
    save = worker.save
    worker.save = lambda name, path: (written.append(name), save(name, path))[1]  # type: ignore[func-returns-value]
    stops = hosts[1].call

    def call() -> float:
        return 1e9 if hosts[1].samples > 5 * 48000 else stops()

    hosts[1].call = call  # type: ignore[method-assign]
    looks = [(0.0073 * n, lambda at_s=0.0073 * n: worker.autosave(at_s)) for n in range(round(40 / 0.0073))]
    run(hosts, [virtual], until_s=40.0, at=looks)
    assert least <= written.count("plays") <= most
    assert 1 <= written.count("stops") <= 6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plays.auto", "stops.auto"]
    for host in hosts:
        host.close()
    ours.close()
    theirs.close()


def test_a_memory_that_cannot_be_kept_is_said_once_and_its_return_too(tmp_path: Path) -> None:
    """Catches a crash that takes the music with it although nobody was told that it would."""
    ours, theirs = socket.socketpair()
    player = Player(accompanists.copy())
    worker = _Worker(
        theirs, mmap.mmap(-1, BOX_BYTES), player, moments=tmp_path / "gone", save_every_s=IN_MEMORY_S
    )
    seat = stage.Seat(blocks=(480,))
    host = stage.front_end(
        "a", seat, accompanists.copy().spec, Budget(compute_s=0.01, margin_s=0.0), stage.noise(1)
    )
    virtual = VirtualWorker(accompanists.copy(), lambda _rows, _now_s: 0.005)
    virtual.player = worker.player
    virtual.serve(host)
    worker.known["a"] = {}
    for made in (False, False, True, True):
        if made:
            (tmp_path / "gone").mkdir(exist_ok=True)
        worker.save("a", tmp_path / "gone" / "a.auto")
    ours.settimeout(60)
    told = list(wire.Framer().feed(ours.recv(1 << 16)))
    assert told == [
        {"type": "unsaved", "reason": "No such file or directory"},
        {"type": "unsaved", "reason": ""},
    ]
    host.close()
    ours.close()
    theirs.close()


def test_a_recalled_moment_outlives_a_crash_though_nothing_is_played(tmp_path: Path) -> None:
    """Catches a crash, or a peer that is gone, that takes back a moment which was recalled with the music stopped."""
    ours, theirs = socket.socketpair()
    virtual = VirtualWorker(accompanists.noise(), lambda _rows, _now_s: 0.005)
    worker = _Worker(theirs, mmap.mmap(-1, BOX_BYTES), virtual.player, moments=tmp_path, save_every_s=1.0)
    host = stage.front_end(
        "a",
        stage.Seat(blocks=(480,)),
        accompanists.noise().spec,
        Budget(compute_s=0.01, margin_s=0.0),
        stage.noise(1),
    )
    virtual.serve(host)
    worker.saved["a"], worker.known["a"], worker.segments["a"] = (0.0, 0), {}, host.worker_segment
    band = virtual.player.accompanist
    memory, model = band.snapshot(band.init_state([77])), band.spec.weights_id
    kept = tmp_path / "kept"
    memory_file.write(
        kept, memory_file.pack(memory_file.Moment(model=model, memory=memory, controls={}, known={}))
    )
    worker.handle({"type": "recall", "session": "a", "path": str(kept)})
    for at_s in (0.5, 1.5, 3.0):
        worker.autosave(at_s)
        assert (tmp_path / "a.auto").exists() == (at_s > 1)
    assert memory_file.read(tmp_path / "a.auto", model).memory == memory
    (tmp_path / "a.auto").unlink()
    worker.autosave(9.0)
    assert not (tmp_path / "a.auto").exists()  # as it was: it is not written again and again
    worker.handle({"type": "recall", "session": "a", "path": str(kept)})
    worker.handle({"type": "close", "session": "a", "keep": str(tmp_path / "a.auto")})
    assert memory_file.read(tmp_path / "a.auto", model).memory == memory
    host.segment.close()
    ours.close()
    theirs.close()
