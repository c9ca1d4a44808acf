# SPDX-License-Identifier: GPL-3.0-or-later
"""The run directory: one server, found by its owner's clients, closed to others."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lbserver.errors import LiveBandError
from lbserver.host.rundir import (
    LOCK,
    REGISTRY,
    SOCKET,
    ServerInfo,
    ServerRunningError,
    _is_alive,
    find_server,
    open_run_directory,
    run_path,
)

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's part")

SERVER = """
import os, sys
from pathlib import Path
from lbserver.errors import LiveBandError
from lbserver.host.rundir import ServerInfo, open_run_directory
sys.stdin.readline()
try:
    run = open_run_directory(Path(sys.argv[1]))
except LiveBandError as error:
    print("lost", error, flush=True)
    sys.exit(2)
run.publish(ServerInfo(pid=os.getpid(), major=1, minor=0, socket=str(run.socket_path), osc_port=9460))
print("won", flush=True)
sys.stdin.readline()
"""


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def info(**changes: object) -> ServerInfo:
    values = {"pid": os.getpid(), "major": 1, "minor": 0, "socket": "/run/lb.sock"} | changes
    return ServerInfo(**values)  # type: ignore[arg-type]


def test_where_it_is(tmp_path: Path) -> None:
    assert run_path({"LIVEBAND_RUN": "/a/b"}) == Path("/a/b")
    assert run_path({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "liveband"
    uid = os.geteuid()
    assert run_path({"XDG_RUNTIME_DIR": "/not/there", "TMPDIR": "/t"}) == Path(f"/t/liveband-{uid}")
    assert run_path({}) == Path(f"/tmp/liveband-{uid}")
    # A relative one would be another folder for every program: the XDG rules leave it out.
    assert run_path({"XDG_RUNTIME_DIR": ".", "TMPDIR": "tests"}) == Path(f"/tmp/liveband-{uid}")


def test_made_for_its_owner_alone_and_found(tmp_path: Path) -> None:
    path = tmp_path / "run"
    assert find_server(path) is None
    with open_run_directory(path) as run:
        assert path.stat().st_mode & 0o777 == 0o700
        assert find_server(path) is None  # it does not listen yet
        told = info(osc_port=9460, http_port=None, started=1.5)
        run.publish(told)
        assert find_server(path) == told
        assert not list(path.glob("*.part"))
    assert find_server(path) is None
    assert sorted(file.name for file in path.iterdir()) == [LOCK]


def test_second_server_is_told_who_runs(tmp_path: Path) -> None:
    with open_run_directory(tmp_path / "run") as run:
        run.publish(info(osc_port=9460, zmq_port=9462))
        with pytest.raises(ServerRunningError, match=f"pid {os.getpid()}.*OSC port 9460.*ZeroMQ port 9462"):
            open_run_directory(tmp_path / "run")
        assert find_server(tmp_path / "run") is not None  # the refused one took nothing down
    open_run_directory(tmp_path / "run").close()


def test_of_two_that_race_one_wins(tmp_path: Path) -> None:
    """A check before the lock, or a lock file that is removed, lets both in once in a while."""
    for number in range(20):
        path = tmp_path / f"run{number}"
        pair = [start(path), start(path)]
        for process in pair:
            say(process)
        words = [hear(process) for process in pair]
        assert sorted(word.split()[0] for word in words) == ["lost", "won"]
        winner = pair[0 if words[0].startswith("won") else 1]
        lost = next(word for word in words if word.startswith("lost"))
        assert f"pid {winner.pid}" in lost
        found = find_server(path)
        assert found is not None
        assert found.pid == winner.pid
        say(winner)
        for process in pair:
            process.communicate(timeout=30)
        assert sorted(process.returncode for process in pair) == [0, 2]


def test_what_a_killed_server_left_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "run"
    for _ in range(3):
        victim = start(path)
        say(victim)
        assert hear(victim).startswith("won")
        (path / SOCKET).touch()
        victim.send_signal(signal.SIGKILL)
        # Not waited for: as a zombie it still has a pid.
        with open_run_directory(path):
            assert not (path / REGISTRY).exists()
            assert not (path / SOCKET).exists()
        victim.communicate(timeout=30)
        assert find_server(path) is None


def test_dying_server_is_waited_for_one_that_lives_is_not(tmp_path: Path) -> None:
    """A lock outlives kill -9 until the memory is given back: the next server must not take that for a rival."""
    victim = start(tmp_path / "run")
    say(victim)
    assert hear(victim).startswith("won")
    assert _is_alive(victim.pid)
    assert _is_alive(os.getpid())
    victim.kill()
    os.waitid(os.P_PID, victim.pid, os.WEXITED | os.WNOWAIT)
    assert not _is_alive(victim.pid)  # a zombie
    victim.communicate(timeout=30)
    assert not _is_alive(victim.pid)
    assert not _is_alive(2**22 + 1)


def test_registry_left_behind_names_no_server(tmp_path: Path) -> None:
    """A pid in it may belong to another program by now: the lock decides."""
    path = tmp_path / "run"
    with open_run_directory(path) as run:
        run.publish(info())
        kept = (path / REGISTRY).read_text()
    (path / REGISTRY).write_text(kept)
    assert find_server(path) is None


def test_child_of_a_killed_server_does_not_hold_the_lock(tmp_path: Path) -> None:
    """flock goes with the open file: a forked worker that outlives its server would keep everybody out."""
    path = tmp_path / "run"
    run = open_run_directory(path)
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    try:
        run.close()
        open_run_directory(path).close()
    finally:
        child.kill()
        child.join()


@pytest.mark.parametrize("mode", [0o777, 0o755, 0o710, 0o701])
def test_directory_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "run"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(LiveBandError, match=f"open to others.*{mode:04o}.*0700"):
        open_run_directory(path)
    with pytest.raises(LiveBandError, match="open to others"):
        find_server(path)


def test_link_and_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "file").touch()
    for act in (open_run_directory, find_server):
        with pytest.raises(LiveBandError, match="symbolic link"):
            act(tmp_path / "link")
        with pytest.raises(LiveBandError, match="not a folder"):
            act(tmp_path / "file")
    assert not list((tmp_path / "real").iterdir())


@as_root
def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    """Whoever squats the name in /tmp would hear every session."""
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(LiveBandError, match=f"belongs to uid {NOBODY}"):
        open_run_directory(path)
    with pytest.raises(LiveBandError, match=f"belongs to uid {NOBODY}"):
        find_server(path)


@as_root
def test_another_user_gets_nowhere(tmp_path: Path) -> None:
    """As uid nobody: neither served, nor found, nor entered."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    path = tmp_path / "run"
    code = """
import os, socket, sys
from pathlib import Path
from lbserver.errors import LiveBandError
from lbserver.host.rundir import find_server, open_run_directory
path = Path(sys.argv[1])
os.setgid(65534); os.setuid(65534)
for act in (open_run_directory, find_server):
    try:
        act(path)
    except LiveBandError as error:
        print(error)
for act in (lambda: os.listdir(path), lambda: (path / "server.json").read_text(),
            lambda: socket.socket(socket.AF_UNIX).connect(str(path / "lb.sock")),
            lambda: (path / "lock").touch(), lambda: path.rename(path.with_name("taken"))):
    try:
        act()
    except PermissionError:
        print("denied")
"""
    with open_run_directory(path) as run:
        run.publish(info())
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
    lines = done.stdout.splitlines()
    assert [line for line in lines if "belongs to uid 0, you are uid 65534" in line] == lines[:2]
    assert lines[2:] == ["denied"] * 5


def test_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LiveBandError, match="too long for a socket"):
        open_run_directory(tmp_path / ("x" * 100))


def test_parent_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LiveBandError, match=r"cannot use the run directory .*missing/run: No such file"):
        open_run_directory(tmp_path / "missing" / "run")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        "[" * 50_000,
        json.dumps({"pid": "1", "major": 1, "minor": 0, "socket": "s"}),
        json.dumps({"pid": -1, "major": 1, "minor": 0, "socket": "s"}),
        json.dumps({"pid": 10**30, "major": 1, "minor": 0, "socket": "s"}),
        json.dumps({"pid": True, "major": 1, "minor": 0, "socket": "s"}),
        json.dumps({"pid": 1, "major": 1, "minor": 0, "socket": "s", "osc_port": "x"}),
        "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "ignore") + "\x00",
    ],
)
def test_damaged_registry_names_no_server(tmp_path: Path, text: str) -> None:
    with open_run_directory(tmp_path / "run") as run:
        run.registry_path.write_text(text)
        assert find_server(tmp_path / "run") is None


def test_fields_of_a_newer_server_are_left_out(tmp_path: Path) -> None:
    with open_run_directory(tmp_path / "run") as run:
        run.registry_path.write_text(
            json.dumps({"pid": os.getpid(), "major": 1, "minor": 9, "socket": "s", "colour": "red"})
        )
        found = find_server(tmp_path / "run")
    assert found is not None
    assert found.minor == 9


def test_nothing_is_left_open(tmp_path: Path, descriptors: Callable[[], int]) -> None:
    def cycle(act: Callable[[], object]) -> None:
        for _ in range(3):
            act()

    before = descriptors()
    with open_run_directory(tmp_path / "run") as run:
        run.publish(info())
        cycle(lambda: find_server(tmp_path / "run"))
        with pytest.raises(ServerRunningError):
            open_run_directory(tmp_path / "run")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(LiveBandError):
        open_run_directory(tmp_path / "open")
    assert descriptors() == before


def test_a_server_leaves_its_successor_alone(tmp_path: Path) -> None:
    """Catches a server whose folder was removed, and which on its way out deletes what the next one is found by."""
    path = tmp_path / "run"
    first = open_run_directory(path)
    assert first.is_ours
    shutil.rmtree(path)
    assert not first.is_ours
    with open_run_directory(path) as second:
        second.publish(info(osc_port=9460))
        second.socket_path.touch()
        assert not first.is_ours
        with pytest.raises(ServerRunningError):
            first.renew()
        first.close()
        assert second.socket_path.exists()
        assert find_server(path) is not None
        with pytest.raises(ServerRunningError):
            open_run_directory(path)


def test_a_folder_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with open_run_directory(path) as run:
        shutil.rmtree(path)
        run.renew()
        assert run.is_ours
        run.publish(info())
        assert find_server(path) is not None
        with pytest.raises(ServerRunningError):
            open_run_directory(path)
    open_run_directory(path).close()
