# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: INP001
"""Pictures of the editor in each state at two scales, each state brought about for real.

cmake -S plugin_shim -B build -DLIVEBAND_JUCE=ON -DLIVEBAND_SHOTS=ON && cmake --build build
python plugin_shim/pictures.py build/juce/liveband_shots plugin_shim/docs
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

SCALES = (1, 2)
_START_S = 120.0


class Window:
    """The program that hosts the plug-in and draws its editor."""

    def __init__(self, program: Path, run: Path) -> None:
        self._process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LIVEBAND_RUN": str(run)},
        )

    def tell(self, line: str) -> str:
        """Do one command; what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer.endswith("done") or answer.startswith("not"):
            raise SystemExit(f"{line!r} failed: {answer!r}")
        return answer.removesuffix("done").strip()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)


@contextlib.contextmanager
def server(run: Path, model: str | None) -> Iterator[int]:
    """A real server; its process id, which is that of its group."""
    command = [
        sys.executable,
        "-m",
        "lbserver",
        "serve",
        "--workers",
        "1",
        "--osc-port",
        "off",
        "--http-port",
        "off",
    ]
    process = subprocess.Popen(
        [*command, *(["--model", model] if model else [])],
        env={**os.environ, "LIVEBAND_RUN": str(run)},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + _START_S
        while not (run / "server.json").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the server did not start")
            time.sleep(0.05)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def silent_server(run: Path) -> Iterator[None]:
    """Somebody who takes connections and says nothing."""
    run.chmod(0o700)
    path = run / "lb.sock"
    registry = {"pid": os.getpid(), "major": 1, "minor": 0, "socket": str(path), "started": time.time()}
    with (run / "lock").open("w") as lock, socket.socket(socket.AF_UNIX) as listener:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listener.bind(str(path))
        listener.listen()
        (run / "server.json").write_text(json.dumps(registry))
        yield


@contextlib.contextmanager
def slowed(group: int) -> Iterator[None]:
    """The server gets hold of the processor now and then only."""
    over = threading.Event()

    def hold() -> None:
        while not over.is_set():
            os.killpg(group, signal.SIGSTOP)
            over.wait(0.09)
            os.killpg(group, signal.SIGCONT)
            over.wait(0.03)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def draw(program: Path, folder: Path, model: str | None) -> None:
    """All pictures, as `<state>_<scale>x.png`."""

    def window_in(run: Path, name: str, prepare: Callable[[Window], None]) -> None:
        window = Window(program, run)
        try:
            prepare(window)
            shoot(window, name)
        finally:
            window.close()

    def half_a_second(window: Window) -> None:
        window.tell("play 0.5")

    def shoot(window: Window, name: str) -> None:
        print(f"{name}: {window.tell('words')}")
        for scale in SCALES:
            window.tell(f"shot {scale} {folder / f'{name}_{scale}x.png'}")

    with tempfile.TemporaryDirectory() as made:
        run = Path(made)
        window_in(run, "no_server", half_a_second)
        with silent_server(run):
            window_in(run, "connecting", half_a_second)
    with tempfile.TemporaryDirectory() as made:
        run = Path(made)
        run.chmod(0o700)
        with server(run, model) as group:
            window_in(run, "listening", lambda _window: None)
            window = Window(program, run)
            try:
                for line in (
                    "set bpm 96",
                    "chart | Am | F | C | G |",
                    "set seed 4711",
                    "set variation 0.8",
                    "set gain -3",
                    "play 8",
                ):
                    window.tell(line)
                shoot(window, "playing")
                with slowed(group):
                    window.tell("play 3")
                    shoot(window, "late")
                window.tell("play 1")
                os.killpg(group, signal.SIGKILL)
                window.tell("play 1.5")
                shoot(window, "lost")
            finally:
                window.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="test:copy")
    parsed = parser.parse_args()
    draw(parsed.program.absolute(), parsed.folder.absolute(), parsed.model)


if __name__ == "__main__":
    main()
