# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of one system alone is met at import: elsewhere than on Linux the program starts, and says what it cannot."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIX_ALONE = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty", "_posixshmem"}
WINDOWS_ALONE = {"msvcrt", "winreg", "winsound", "_winapi", "_overlapped"}
PLACES = {"lbserver/host/posix": UNIX_ALONE, "lbserver/host/windows": WINDOWS_ALONE}


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that importing a module runs, those that a test of the system leaves out excepted."""
    for node in body:
        yield node
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "sys.platform" in ast.unparse(node.test):
            continue
        for part in ("body", "orelse", "finalbody"):
            yield from _run_at_import(getattr(node, part, []))


def _imported(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    return (
        {(node.module or "").split(".")[0]} if isinstance(node, ast.ImportFrom) and not node.level else set()
    )


@pytest.mark.parametrize("folder", ["lbserver", "models/lbmodels"])
def test_modules_of_one_system_are_imported_in_its_place_alone(folder: str) -> None:
    """`import fcntl` in a module that everybody imports ends every command on Windows with a traceback."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        allowed = PLACES.get(path.parent.relative_to(ROOT).as_posix(), set())
        text = path.read_text(encoding="utf-8")
        if not any(f"import {one}" in text or f"from {one}" in text for one in UNIX_ALONE | WINDOWS_ALONE):
            continue
        for node in _run_at_import(ast.parse(text).body):
            found += [
                f"{name}:{node.lineno}: {one}"
                for one in _imported(node) & (UNIX_ALONE | WINDOWS_ALONE) - allowed
            ]
    assert not found, found


_AS_ON_WINDOWS = r"""
import importlib, os, pkgutil, signal, socket, sys

def modules():
    import lbserver
    return [one.name for one in pkgutil.walk_packages(lbserver.__path__, "lbserver.")
            if not one.name.startswith(("lbserver.host.posix", "lbserver.testing", "lbserver.__main__"))]

for name in modules():  # so that other people's modules are there: how they do elsewhere is theirs
    importlib.import_module(name)
for name in [name for name in sys.modules if name.split(".")[0] == "lbserver"]:
    del sys.modules[name]

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in UNIX_ALONE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in UNIX_ALONE:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
sys.modules["msvcrt"] = type(sys)("msvcrt")
for module, names in {  # but for what Python's own subprocess needs here: WNOHANG, SIGKILL
    os: "geteuid getuid getegid getgid uname getloadavg sched_getaffinity sched_setaffinity memfd_create fork forkpty "
        "register_at_fork killpg getpgid setsid pread pwrite posix_fallocate posix_spawn setpriority getpriority nice sysconf "
        "statvfs mkfifo fchmod fchown chown O_CLOEXEC O_NOFOLLOW O_NONBLOCK O_DIRECTORY MFD_CLOEXEC PRIO_PROCESS",
    signal: "SIGHUP SIGSTOP SIGCONT SIGUSR1 SIGUSR2 SIGCHLD SIGALRM SIGQUIT pthread_sigmask setitimer",
    socket: "AF_UNIX AF_NETLINK SCM_RIGHTS SO_PEERCRED CMSG_LEN send_fds recv_fds MSG_CMSG_CLOEXEC",
}.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.platform = "win32"
sys.getwindowsversion = lambda: (10, 0, 22631, 2, "")
for name in modules():
    importlib.import_module(name)

from lbserver import cli
from lbserver.errors import LiveBandError
from lbserver.host import limits, shared_memory, signals
assert [one.name for one in signals.ENDING] == ["SIGINT", "SIGTERM"]
assert limits.cores() >= 1 and limits.load() == 0.0 and limits.open_files() == float("inf")
try:
    shared_memory.create(4096, b"")
except LiveBandError as error:
    print(error)
os.environ["LIVEBAND_RUN"] = folder
print("top", cli.main(["top"]), "serve", cli.main(["serve"]), "doctor", cli.main(["doctor", "--quick"]))
raise SystemExit(cli.main(["--help"]))
"""


def test_every_module_of_the_server_is_imported_where_unix_is_missing(tmp_path: Path) -> None:
    """Constants count too: `os.O_NOFOLLOW` in a default, `signal.SIGHUP` before the first command was read.

    What cannot be there is said in words: no server is found, none starts, the doctor goes on to its end.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"UNIX_ALONE, folder = {UNIX_ALONE!r}, {str(tmp_path / 'run')!r}\n{_AS_ON_WINDOWS}",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("on this system the server cannot share memory with front ends yet\n")
    assert "top 2 serve 2 doctor" in done.stdout
    assert "no server runs here" in done.stderr
    assert "no server runs on this system yet" in done.stderr
    assert "Traceback" not in done.stderr
