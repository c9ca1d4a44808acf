# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband serve`: the hub, its workers and every transport that is wanted, on one loop, until it is told to stop."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from lbserver.engine.hub import Hub, HubConfig
from lbserver.engine.place import Place
from lbserver.engine.supervisor import WorkerPlace
from lbserver.errors import LiveBandError
from lbserver.logs import LogConfig, logging_to
from lbserver.protocol import MAJOR, MINOR
from lbserver.rundir import RunDirectory, ServerInfo, open_run_directory
from lbserver.transports.http import HttpConfig, http_server
from lbserver.transports.local import LocalConfig, local_server


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """What to serve. A port of None is off, 0 is any that is free. `idle_exit_s`: end when nobody has played so long."""

    model: str | None = None
    workers: int = 1
    alone: bool = False
    http_port: int | None = None
    idle_exit_s: float | None = None
    max_sessions: int = 64


def kept_folder() -> Path:
    """Where kept moments lie: `$XDG_DATA_HOME/liveband/moments`, else `~/.local/share/liveband/moments`."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "liveband" / "moments"


async def serve(config: ServeConfig, run: RunDirectory, *, announce: bool = True) -> None:
    """Serve until cancelled. Raises LiveBandError: no worker can play, or a port is taken."""
    moments = run.path / "moments"
    moments.mkdir(mode=0o700, exist_ok=True)
    hub = Hub(HubConfig(moments=moments, kept=kept_folder(), max_sessions=config.max_sessions))
    places: list[Place] = [
        WorkerPlace(
            number=number,
            model=config.model,
            moments=moments,
            alone=config.alone,
            on_lost=hub.on_lost,
            on_back=hub.on_back,
            on_ended=hub.on_ended,
        )
        for number in range(config.workers)
    ]
    async with AsyncExitStack() as stack:
        stack.push_async_callback(hub.stop)
        await hub.start(places)
        http_port = None
        if config.http_port is not None:
            http = await stack.enter_async_context(http_server(hub, HttpConfig(port=config.http_port)))
            http_port = http.address[1]
        local = await stack.enter_async_context(local_server(hub, LocalConfig(path=run.socket_path)))
        info = ServerInfo(
            pid=os.getpid(),
            major=MAJOR,
            minor=MINOR,
            socket=str(local.address),
            http_port=http_port,
            started=time.time(),
        )
        run.publish(info)
        if announce:
            _announce(hub, info)
        await _until_idle(hub, config.idle_exit_s)


async def _until_idle(hub: Hub, idle_exit_s: float | None) -> None:
    """Wait for ever, or until there has been no session for so long."""
    busy_s = time.monotonic()
    while True:
        await asyncio.sleep(1.0)
        if hub.sessions():
            busy_s = time.monotonic()
        elif idle_exit_s is not None and time.monotonic() - busy_s > idle_exit_s:
            return


def _announce(hub: Hub, info: ServerInfo) -> None:
    ready = hub.ready
    budget_ms = 1000 * (ready.budget.compute_s + ready.budget.margin_s)
    print(
        f"The band is ready: {ready.spec.name}{f' on {ready.runtime}' if ready.runtime else ''}, "
        f"{len(hub.places)} worker{'s' if len(hub.places) > 1 else ''}, S + J = {budget_ms:.1f} ms of a "
        f"{ready.spec.frame_ms * ready.spec.chunk_frames:g} ms frame.\n  plug-ins and scripts: {info.socket}"
        + (f"\n  http:                 http://127.0.0.1:{info.http_port}/metrics" if info.http_port else "")
        + "\nStop with Ctrl-C; watch with `liveband top`.",
        flush=True,
    )


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband serve`."""
    parser = commands.add_parser(
        "serve",
        help="keep the band ready for plug-ins, patches and scripts",
        description="Starts the server: front ends connect to it, stream what they hear and get the band back.",
        epilog="example: liveband serve --workers 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", metavar="NAME", help="a name from `liveband models list`, or a path")
    parser.add_argument(
        "--workers",
        type=int,
        default=max(1, min(4, (os.cpu_count() or 2) - 1)),
        metavar="N",
        help="processes that play, one core each (default here: %(default)s)",
    )
    parser.add_argument(
        "--exact",
        action="store_true",
        help="play every session by itself: a session's bits then never depend on who else plays; costs more",
    )
    parser.add_argument("--http-port", type=int, default=None, metavar="PORT", help="/metrics and /healthz")
    parser.add_argument(
        "--idle-exit", type=float, default=None, metavar="S", help="end after so long without a session"
    )
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-json", action="store_true", help="JSON lines instead of text")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    if not 1 <= parsed.workers <= 64:
        raise LiveBandError(f"{parsed.workers} workers are not possible: 1 to 64")
    config = ServeConfig(
        model=parsed.model,
        workers=parsed.workers,
        alone=parsed.exact,
        http_port=parsed.http_port,
        idle_exit_s=parsed.idle_exit,
    )
    with (
        open_run_directory() as run,
        logging_to(LogConfig(level=parsed.log_level, json_lines=parsed.log_json, file=run.log_path)),
    ):
        return asyncio.run(_serve_until_signal(config, run, as_json=parsed.json))


async def _serve_until_signal(config: ServeConfig, run: RunDirectory, *, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(serve(config, run, announce=not as_json))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if as_json:
        while not task.done() and not run.registry_path.exists():
            await asyncio.sleep(0.02)
        if not task.done():
            print(json.dumps(json.loads(run.registry_path.read_text(encoding="utf-8"))), flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print("The band has stopped.", file=sys.stderr)
    return 0
