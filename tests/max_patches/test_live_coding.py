# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes of max_patches/live-coding, cut out of their pages and run against a real server that a player plays through."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbserver.protocol.controls import STEMS
from lbserver.testing.pages import commands
from lbserver.transports.osc.packet import message, parse, timed_messages, write

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "max_patches" / "live-coding"
PATIENCE_S = 60.0


def block(page: str, language: str) -> str:
    """The first code block of a language in a page."""
    found = re.search(rf"```{language}\n(.*?)```", (RECIPES / page).read_text(), re.S)
    assert found is not None
    return found[1]


@contextlib.contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=ROOT
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def bars_printed(process: "subprocess.Popen[str]", many: int) -> list[tuple[int, int]]:
    """Bar numbers and tempi, as the program prints them."""
    assert process.stdout is not None
    found: list[tuple[int, int]] = []
    said = []
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    for line in process.stdout:
        said.append(line)
        if (bar := re.search(r"bar (\d+) at (\d+)", line)) is not None:
            found.append((int(bar[1]), int(bar[2])))
            if len(found) == many:
                watchdog.cancel()
                return found
    watchdog.cancel()
    raise AssertionError(f"it ended: {''.join(said)[-2000:]}")


SILENTLY = {"csound": [], "chuck": ["--silent"]}
"""What a program needs beside its page's own command where there is no sound card."""


@pytest.mark.slow
@pytest.mark.parametrize("name", SILENTLY)
def test_a_recipe_tells_tempo_chord_and_stem_and_is_told_each_bar(
    name: str,
    client: Callable[[str], str],
    server: dict[str, Any],
    player: Any,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    """A recipe that nobody ran: a mistyped address, a port that nothing listens at, cues twice or out of order."""
    serve, tell, _save, play = commands(RECIPES / f"{name}.md")
    assert serve == "liveband serve"
    _python, _m, teller_module, port = tell.split()
    program, file = play.split()
    listening = str(free_port())
    text = block(f"{name}.md", name)
    assert "9460" in text
    assert port in text
    (tmp_path / file).write_text(text.replace("9460", str(server["osc_port"])).replace(port, listening))
    environment = os.environ | server["environment"] | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    cues = [sys.executable, "-m", teller_module, listening, "--server-port", str(server["osc_port"])]
    with (
        running(cues, environment) as teller,
        running([client(program), *SILENTLY[name], str(tmp_path / file)], environment) as process,
    ):
        bars = bars_printed(process, 3)
        assert teller.poll() is None
    first = bars[0][0]
    assert [number for number, _ in bars] == [first, first + 1, first + 2]
    assert {tempo for _, tempo in bars[1:]} == {120}
    assert player.status["tempo"] == 120.0
    url = f"http://127.0.0.1:{server['http_port']}/lb/song/set/stem?VALUE"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=60) as answer:
        assert json.load(answer)["VALUE"] in (["piano"], [STEMS.index("piano")])
    assert player.errors == []


SONIC_PI = Path("/usr/lib/sonic-pi/app/server/ruby/bin/sonic-pi-server.rb")


@contextlib.contextmanager
def sonic_pi(
    ruby: str, jackd: str, free_port: Callable[[], int], home: Path
) -> Iterator[tuple[socket.socket, int, int]]:
    """Sonic Pi's own server over a JACK that makes no sound: where it talks to its window, its port for code, its port for cues."""
    name = f"sonic-pi-{os.getpid()}"
    environment = os.environ | {"HOME": str(home), "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as window, (home / "said").open("w") as said:
        window.bind(("127.0.0.1", 0))
        window.settimeout(1.0)
        code, synth, cues, *others = (free_port() for _ in range(7))
        ports = (code, window.getsockname()[1], synth, synth, cues, *others)
        jack = [jackd, "-S", "-r", "-n", name, "-d", "dummy", "-r", "48000", "-p", "1024"]
        processes: list[subprocess.Popen[bytes]] = []
        try:
            for command in (jack, [ruby, str(SONIC_PI), "-u", *map(str, ports)]):
                processes.append(
                    subprocess.Popen(
                        command, env=environment, stdout=said, stderr=said, start_new_session=True
                    )
                )
                deadline = time.monotonic() + PATIENCE_S
                while subprocess.run(
                    ["jack_lsp"], env=environment, capture_output=True, check=False
                ).returncode:
                    assert time.monotonic() < deadline, (home / "said").read_text()
                    time.sleep(0.1)
            for text in told_by(window, 3 * PATIENCE_S):  # eleven seconds where nothing else runs
                assert "Exception" not in text, text
                if "Let the Live Coding begin" in text:
                    break
            # Its doorman for OSC is another program, which nobody waits for and which lets no cue in before it is told to.
            doorman, deadline = home / ".sonic-pi" / "log" / "erlang.log", time.monotonic() + PATIENCE_S
            while not (doorman.exists() and "Enabling cue forwarding" in doorman.read_text()):
                assert time.monotonic() < deadline, "Sonic Pi's own OSC server lets no cues in"
                window.sendto(write(message("/cue-port-start", "test")), ("127.0.0.1", code))
                time.sleep(1.0)
            yield window, code, cues
        finally:
            for process in reversed(processes):
                # A jackd that is killed stays in the list of servers, which has room for eight.
                for number in (signal.SIGTERM, signal.SIGKILL):
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, number)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(60)
            Path("/dev/shm", f"SuperColliderServer_{synth}").unlink(missing_ok=True)


def told_by(window: socket.socket, patience_s: float = PATIENCE_S) -> Iterator[str]:
    """Every text that Sonic Pi's server tells its window, as it comes."""
    deadline, told = time.monotonic() + patience_s, []
    while True:
        assert time.monotonic() < deadline, f"Sonic Pi's server told its window only this: {told[-20:]}"
        with contextlib.suppress(TimeoutError):
            for _, one in timed_messages(parse(window.recv(65536))):
                words = [word for word in one.arguments if isinstance(word, str)]
                told += words
                yield from words


@pytest.mark.slow
def test_sonic_pi_s_own_server_runs_the_buffer_and_follows_the_bars(
    client: Callable[[str], str],
    server: dict[str, Any],
    player: Any,
    free_port: Callable[[], int],
    tmp_path: Path,
) -> None:
    """A buffer that Ruby refuses or whose addresses nobody knows; cues at a path that `sync` never matches, twice or out of order."""
    if not SONIC_PI.exists():
        pytest.skip("sonic-pi-server is not installed")
    ruby, jackd = client("ruby"), client("jackd")
    text = block("sonic-pi.md", "ruby")
    assert "9460" in text
    environment = os.environ | server["environment"] | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    bars: list[int] = []
    with sonic_pi(ruby, jackd, free_port, tmp_path) as (window, code, cues):
        teller = [
            sys.executable,
            "-m",
            "max_patches.cues",
            str(cues),
            "--server-port",
            str(server["osc_port"]),
        ]
        with running(teller, environment):
            buffer = text.replace("9460", str(server["osc_port"]))
            window.sendto(write(message("/run-code", "test", buffer)), ("127.0.0.1", code))
            for word in told_by(window):
                assert "Error" not in word, word
                if (bar := re.search(r"bar (\d+)", word)) is not None:
                    bars.append(int(bar[1]))
                if len(bars) == 4:
                    break
    assert bars == list(range(bars[0], bars[0] + 4))
    assert player.status["tempo"] == 120.0
    assert player.status["chord"] in ("Am7", "Dm7", "G7", "Cmaj7")
    assert not [error for error in player.errors if "waits a second" not in error]


@pytest.mark.parametrize("page", sorted(path.name for path in RECIPES.glob("*.md")))
def test_recipes_use_addresses_that_are_there(page: str) -> None:
    from max_patches.generator import lint

    text = (RECIPES / page).read_text()
    assert list(lint.address_faults(text)) == []
    assert "**Not run**" in text or "Run by" in text
