# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: INP001
"""Pictures of the editor in each state at two scales, each state brought about for real. Needs a display, or xvfb-run.

cmake -S plugin_shim -B build -DLIVEBAND_SHOTS=ON && cmake --build build
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
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

SCALES = (1, 2)
STATES = (
    "no_server",
    "starting",
    "connecting",
    "refused",
    "listening",
    "playing",
    "manual",
    "late",
    "lost",
)
PIECE_S = 0.005  # a fraction of the shortest step
_START_S = 120.0
_COLOURS = 256


class Window:
    """The program that hosts the plug-in and draws its editor."""

    def __init__(self, program: Path, run: Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "LIVEBAND_RUN": str(run), **environment},
        )

    def __enter__(self) -> "Window":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, line: str) -> str:
        """Do one command; what it printed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        if not answer:  # it closed its output: what ended it
            raise SystemExit(f"{line!r} failed: the host ended with {self._process.wait(timeout=20)}")
        if not answer.endswith("done") or answer.startswith("not"):
            raise SystemExit(f"{line!r} failed: {answer!r}")
        return answer.removesuffix("done").strip()

    def until(self, light: str, *, wait_s: float = 20.0, playing: bool = True) -> None:
        """Play on, or wait, until the status shows this, on a machine that may be busy with other things."""
        deadline = time.monotonic() + wait_s
        while not self.tell("words").startswith(f"{light} |") and time.monotonic() < deadline:
            if playing:
                self.tell("play 0.1")
            else:
                time.sleep(0.05)

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
def silent_server(run: Path, *, major: int = 1) -> Iterator[None]:
    """Somebody who takes connections and says nothing."""
    path = run / "lb.sock"
    path.unlink(missing_ok=True)
    registry = {"pid": os.getpid(), "major": major, "minor": 0, "socket": str(path), "started": time.time()}
    with (run / "lock").open("w") as lock, socket.socket(socket.AF_UNIX) as listener:
        fcntl.flock(lock, fcntl.LOCK_EX)
        listener.bind(str(path))
        listener.listen()
        (run / "server.json").write_text(json.dumps(registry))
        try:
            yield
        finally:
            (run / "server.json").unlink()


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


def starter(folder: Path, model: str) -> Path:
    """A program that `Start the band` can start; it listens on no port."""
    program = folder / "liveband"
    program.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m lbserver "$@" --model {model}'
        " --workers 1 --osc-port off --http-port off\n"
    )
    program.chmod(0o755)
    return program


@contextlib.contextmanager
def started(run: Path) -> Iterator[None]:
    """Ends the server that was started in `run` meanwhile, when it is there."""
    try:
        yield
    finally:
        deadline = time.monotonic() + _START_S
        while not (run / "server.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(json.loads((run / "server.json").read_text())["pid"], signal.SIGTERM)


def lonely_states(program: Path, run: Path, model: str) -> Iterator[tuple[str, Window]]:
    """The window in the states without a session, by name."""
    with Window(program, run, LIVEBAND_COMMAND=str(starter(run, model))) as window:
        window.tell("play 0.5")
        yield "no_server", window
        with started(run):
            window.tell("press Start the band")
            window.tell("play 0.3")
            yield "starting", window
    while (run / "server.json").exists():
        time.sleep(0.05)
    with silent_server(run), Window(program, run) as window:
        window.tell("play 0.5")
        yield "connecting", window
    with silent_server(run, major=99), Window(program, run) as window:
        window.tell("play 0.5")
        yield "refused", window


def states_together(program: Path, run: Path, model: str, *, seconds: float) -> Iterator[tuple[str, Window]]:
    """The window in the states with a session, by name; `seconds` of music to play."""
    with server(run, model) as group:
        with Window(program, run) as window:
            # It listens until it has heard a whole step.
            window.until("listening", wait_s=_START_S, playing=False)
            window.tell(f"play {PIECE_S}")
            yield "listening", window
        with Window(program, run) as window:
            for line in ("set bpm 96", "chart | Am | F | C | G |", "key Am", "set seed 4711"):
                window.tell(line)
            for line in ("set variation 0.8", "set gain -3", f"play {seconds}"):
                window.tell(line)
            window.until("playing")
            yield "playing", window
            with slowed(group):
                window.tell("play 3")
                window.until("late")
                yield "late", window
            window.tell("play 1")
            os.killpg(group, signal.SIGKILL)
            window.until("lost")
            yield "lost", window
    with server(run, model), Window(program, run) as window:
        for line in ("set mode 3", "set anticipation 60", "set stem 0", "set when_lost 1", "play 0.5"):
            window.tell(line)
        for line in ("set bpm 120", f"play {seconds}"):
            window.tell(line)
        window.until("playing")
        yield "manual", window


def each_state(program: Path, model: str, *, seconds: float = 8.0) -> Iterator[tuple[str, Window]]:
    """The window in each of STATES in turn, brought about for real, by name."""
    for states in (
        lambda run: lonely_states(program, run, model),
        lambda run: states_together(program, run, model, seconds=seconds),
    ):
        with tempfile.TemporaryDirectory() as made:
            Path(made).chmod(0o700)
            yield from states(Path(made))


def smaller(path: Path) -> None:
    """Save a picture anew with as few colours as it needs."""
    with Image.open(path) as picture:
        reduced = picture.convert("RGB").quantize(
            _COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
    reduced.save(path, optimize=True)


def draw(program: Path, folder: Path, model: str) -> None:
    """All pictures, as `<state>_<scale>x.png`."""
    for name, window in each_state(program, model):
        print(f"{name}: {window.tell('words')}")
        for scale in SCALES:
            path = folder / f"{name}_{scale}x.png"
            window.tell(f"shot {scale} {path}")
            smaller(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="tiny")
    parsed = parser.parse_args()
    draw(parsed.program.absolute(), parsed.folder.absolute(), parsed.model)


if __name__ == "__main__":
    main()
