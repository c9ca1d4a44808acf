# SPDX-License-Identifier: GPL-3.0-or-later
"""One server of a fleet: a `liveband serve` of its own, started, looked at and stopped from here. Ray runs this as an actor."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lbserver.client.connection import Connection
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.host import isolation
from lbserver.host.rundir import ServerInfo, find_server

_PATIENCE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class MemberConfig:
    """What a server of the fleet plays and where it keeps memories; `host` is where it listens, its own address if empty.

    `sessions`: the most it plays. `own_key` and `clients` as of `liveband serve`: none on one machine.
    """

    moments: str
    sessions: int
    workers: int = 1
    model: str | None = None
    host: str = "127.0.0.1"
    own_key: str | None = None
    clients: str | None = None


class Member:
    """Blocks; each method is called when the one before is done."""

    def __init__(self, config: MemberConfig) -> None:
        self._config = config
        self._folder = Path(tempfile.mkdtemp(prefix="lb-fleet-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None

    def begin(self) -> str:
        """Start it; returns its address. Raises LiveBandError with its own words when it does not play."""
        config = self._config
        host = config.host or _own_address()
        words = isolation.python(
            "lbserver",
            *("serve", "--json", "--while-fed", "--osc-port", "off", "--http-port", "off"),
            *("--zmq-port", "0", "--zmq-host", host, "--moments", config.moments),
            *("--workers", str(config.workers), "--sessions", str(config.sessions)),
            *("--sessions-per-peer", str(config.sessions)),
            *(("--model", config.model) if config.model else ()),
            *(
                ("--key", config.own_key, "--clients", config.clients)
                if config.own_key and config.clients
                else ()
            ),
        )
        run = self._folder / "run"
        with (self._folder / "errors").open("wb") as errors:
            # Its input ends when this process does, in whatever manner, and so does it.
            self._process = subprocess.Popen(
                words,
                env=isolation.environment({"LIVEBAND_RUN": str(run)}),
                cwd=isolation.SAFE_FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            words_said = (self._folder / "errors").read_text(encoding="utf-8", errors="replace").split("\n")
            self.stop()
            raise LiveBandError(
                next((one for one in reversed(words_said) if one), "it ended without a word")[:400]
            )
        port = ServerInfo(**read_json(line)).zmq_port
        shown = f"[{host}]" if ":" in host else host
        return f"tcp://{shown}:{port}"

    def look(self) -> tuple[str, int, dict[str, int]]:
        """The model it plays by default, its process, and its sessions by model. Raises LiveBandError when it does not answer."""
        if self._process is None or self._process.poll() is not None:
            raise LiveBandError("it has ended")
        if self._line is None:
            server = find_server(self._folder / "run")
            if server is None:
                raise LiveBandError("it is not found any more")
            self._line = Connection(server, "fleet")
        try:
            answer = self._line.ask("session_list", "sessions", patience_s=_PATIENCE_S)
        except LiveBandError:
            self._line.close()
            self._line = None
            raise
        statuses = [one for one in answer["sessions"].values() if isinstance(one, Mapping)]
        model, pid = str(self._line.welcome["model"]), self._process.pid
        return model, pid, dict(Counter(str(one["model"]) for one in statuses))

    def stop(self) -> None:
        """End it. Idempotent."""
        if self._line is not None:
            self._line.close()
            self._line = None
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_PATIENCE_S)
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _own_address() -> str:
    """Of this machine, as others see it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # nothing is sent: the system says by which address it would go
        return str(probe.getsockname()[0])
    return os.uname().nodename
