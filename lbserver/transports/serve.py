# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband serve`: the hub, its workers and every transport that is wanted, on one loop, until it is told to stop."""

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lbserver import __version__
from lbserver.documents import read_json
from lbserver.engine.hub import Hub, HubConfig
from lbserver.engine.moments_folder import MomentsFolder, moments_folder
from lbserver.engine.place import Place
from lbserver.engine.supervisor import WorkerPlace
from lbserver.errors import LiveBandError
from lbserver.folders import CACHE_ADVICE, cache_fault, data_folder
from lbserver.logs import LogConfig, logging_to
from lbserver.plain_json import to_json
from lbserver.program_file import note_program
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.osc import HTTP_PORT, ZMQ_PORT
from lbserver.protocol.osc import PORT as OSC_PORT
from lbserver.rundir import RunDirectory, ServerInfo, ServerRunningError, open_run_directory
from lbserver.transports.ableton_link import LinkConfig as AbletonLinkConfig
from lbserver.transports.ableton_link import ableton_link
from lbserver.transports.http import HttpConfig, http_server
from lbserver.transports.link import LinkConfig
from lbserver.transports.local import LocalConfig, LocalServer, local_server
from lbserver.transports.metrics import ServerFigures, resident_bytes
from lbserver.transports.osc import oscquery
from lbserver.transports.osc.server import OscConfig, osc_server
from lbserver.transports.upstream import UpstreamPlace
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

log = logging.getLogger(__name__)

_LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """What to serve. A transport of None is off. `upstream`: where the sessions are played, if not here.

    `optional` transports may be left out when their port is taken. `idle_exit_s`: end when nobody has played so long.
    """

    model: str | None = None
    workers: int = 1
    alone: bool = False
    upstream: LinkConfig | None = None
    http: HttpConfig | None = None
    osc: OscConfig | None = None
    zeromq: ZeroMqConfig | None = None
    optional: frozenset[str] = frozenset()
    idle_exit_s: float | None = None
    ableton_link: bool = False
    max_sessions: int = 64
    max_sessions_per_peer: int = 8


def kept_folder() -> Path:
    """Where kept moments lie."""
    return data_folder() / "moments"


async def serve(config: ServeConfig, run: RunDirectory, *, announce: bool = True) -> None:
    """Serve until cancelled. Raises LiveBandError: no worker can play, or a port is taken."""
    begun_s = time.monotonic()
    if fault := cache_fault():
        log.warning("%s; %s", fault, CACHE_ADVICE)
    folder = moments_folder(run.path)
    hub = Hub(
        HubConfig(
            moments=folder.path,
            kept=kept_folder(),
            max_sessions=config.max_sessions,
            max_sessions_per_peer=config.max_sessions_per_peer,
        )
    )
    async with AsyncExitStack() as stack:
        stack.callback(folder.leave)
        stack.push_async_callback(hub.stop)
        if announce:
            print("Getting the band ready (the first start takes longer) ...", file=sys.stderr, flush=True)
        await hub.start(_places(config, hub, folder))
        ports: dict[str, int] = {}

        async def listen(name: str, server: AbstractAsyncContextManager[Any] | None) -> None:
            if server is None:
                return
            try:
                ports[name] = (await stack.enter_async_context(server)).address[1]
            except LiveBandError as error:
                if name not in config.optional:
                    raise
                log.warning("%s is off: %s", name, error)

        await listen("OSC", osc_server(hub, config.osc) if config.osc else None)
        if config.http is not None:
            http = replace(
                config.http,
                server=lambda: _figures(hub, begun_s),
                fault=lambda: _fault(hub),
                describe=oscquery.describer(hub, ports["OSC"]) if ports.get("OSC") else None,
            )
            await listen("HTTP", http_server(hub, http))
        await listen("ZeroMQ", zeromq_server(hub, config.zeromq) if config.zeromq else None)
        local = await stack.enter_async_context(local_server(hub, LocalConfig(path=run.socket_path)))
        info = ServerInfo(
            pid=os.getpid(),
            major=MAJOR,
            minor=MINOR,
            socket=str(local.address),
            osc_port=ports.get("OSC"),
            http_port=ports.get("HTTP"),
            zmq_port=ports.get("ZeroMQ"),
            started=time.time(),
        )
        if config.ableton_link:
            await stack.enter_async_context(ableton_link(hub, AbletonLinkConfig()))
        run.publish(info)
        note_program()
        if announce:
            _announce(hub, info, config)
        watch = asyncio.create_task(_stay_found(run, local, folder, info))
        stack.callback(watch.cancel)
        await _until_idle(hub, config.idle_exit_s, watch)


async def _stay_found(run: RunDirectory, local: LocalServer, folder: MomentsFolder, info: ServerInfo) -> None:
    """Until another server has our place: what we are found by is made anew when somebody, as a cleaner of /tmp, removed it."""
    refusal = ""
    while True:
        await asyncio.sleep(_LOOK_S)
        if run.is_ours and local.is_found and run.registry_path.exists():
            continue
        try:
            if not run.is_ours:
                run.renew()
            folder.path.mkdir(mode=0o700, exist_ok=True)
            if not local.is_found:
                await local.listen()
            run.publish(info)
        except ServerRunningError as error:
            log.error(
                "the run directory was removed, and another server has our place: we end with our last session"
            )
            log.info("%s", error)
            return
        except (OSError, LiveBandError) as error:
            if str(error) != refusal:
                refusal = str(error)
                log.error("nobody new can find this server: %s", refusal)
        else:
            refusal = ""
            log.warning("what this server is found by was removed from %s, and was made anew", run.path)


def _places(config: ServeConfig, hub: Hub, folder: MomentsFolder) -> list[Place]:
    if config.upstream is not None:
        return [
            UpstreamPlace(
                config.upstream,
                model=config.model,
                on_lost=hub.on_lost,
                on_back=hub.on_back,
                on_ended=hub.on_ended,
            )
        ]
    return [
        WorkerPlace(
            number=number,
            model=config.model,
            moments=folder.path,
            save_every_s=folder.every_s,
            alone=config.alone,
            on_lost=hub.on_lost,
            on_back=hub.on_back,
            on_ended=hub.on_ended,
        )
        for number in range(config.workers)
    ]


def _figures(hub: Hub, begun_s: float) -> ServerFigures:
    return ServerFigures(
        version=__version__,
        uptime_s=time.monotonic() - begun_s,
        workers=sum(place.up for place in hub.places),
        worker_restarts=sum(place.restarts for place in hub.places),
        worker_resident_bytes=resident_bytes(
            place.pid for place in hub.places if isinstance(place, WorkerPlace) and place.pid
        ),
    )


def _fault(hub: Hub) -> str:
    """Why the server cannot play at all; empty if it can."""
    return "" if any(place.up for place in hub.places) else "; ".join(place.reason for place in hub.places)


async def _until_idle(hub: Hub, idle_exit_s: float | None, watch: "asyncio.Task[None]") -> None:
    """Wait for ever, or until there has been no session for so long; once `watch` is over, for the last session's end."""
    busy_s = time.monotonic()
    while True:
        await asyncio.sleep(1.0 if idle_exit_s is None else min(1.0, max(0.05, idle_exit_s / 2)))
        if hub.sessions():
            busy_s = time.monotonic()
            continue
        replaced = watch.done() and watch.exception() is None
        if replaced or (idle_exit_s is not None and time.monotonic() - busy_s > idle_exit_s):
            return


def _announce(hub: Hub, info: ServerInfo, config: ServeConfig) -> None:
    ready = hub.ready
    budget_ms = 1000 * (ready.budget.compute_s + ready.budget.margin_s)
    if config.upstream is not None:
        where = f"played at {config.upstream.address}"
    else:
        where = f"{len(hub.places)} worker{'s' if len(hub.places) > 1 else ''}"
    first = (
        f"The band is ready: {ready.spec.name}{f' on {ready.runtime}' if ready.runtime else ''}, {where}, "
        f"S + J = {budget_ms:.1f} ms for a frame of {ready.spec.frame_ms * ready.spec.chunk_frames:g} ms."
    )
    lines = [
        first,
        f"  plug-ins, scripts  {info.socket}",
    ]
    if info.osc_port:
        lines.append(f"  OSC                udp {config.osc.host if config.osc else ''}:{info.osc_port}")
    if info.zmq_port:
        lines.append(
            f"  ZeroMQ             tcp://{config.zeromq.host if config.zeromq else ''}:{info.zmq_port}"
        )
    if info.http_port:
        lines.append(f"  figures            http://127.0.0.1:{info.http_port}/metrics")
    print("\n".join([*lines, "Stop with Ctrl-C; watch with `liveband top`."]), flush=True)


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
    ports = parser.add_argument_group("where it listens (this machine only, unless said otherwise)")
    ports.add_argument(
        "--http-port",
        type=_port,
        default=HTTP_PORT,
        metavar="PORT",
        help="figures and health, default %(default)s; `off` for none, 0 for any free one",
    )
    ports.add_argument(
        "--osc-port",
        type=_port,
        default=OSC_PORT,
        metavar="PORT",
        help="OSC over UDP, default %(default)s; `off` for none, 0 for any free one",
    )
    ports.add_argument(
        "--osc-host",
        default="localhost",
        metavar="HOST",
        help="default %(default)s, IPv4 and IPv6; 0.0.0.0 for all, which needs a token",
    )
    ports.add_argument(
        "--osc-token-file",
        type=Path,
        metavar="FILE",
        help="a text of 16 characters or more: whoever uses OSC must sign with it, and HTTP show it, here too",
    )
    ports.add_argument(
        "--osc-anyone",
        action="store_true",
        help="hear OSC of every user of this machine, not of yours only: for programs that send and end at once",
    )
    ports.add_argument(
        "--zmq-port", type=_port, metavar="PORT", help=f"ZeroMQ, usually {ZMQ_PORT}; off by default"
    )
    ports.add_argument("--zmq-host", default="127.0.0.1", metavar="HOST", help="0.0.0.0 for all; needs keys")
    ports.add_argument("--key", type=Path, metavar="FILE", help="this machine's secret key (`liveband keys`)")
    ports.add_argument("--clients", type=Path, metavar="DIR", help="public keys of those who may connect")
    up = parser.add_argument_group("playing on another machine")
    up.add_argument("--upstream", metavar="tcp://HOST:PORT", help="relay every session to the server there")
    up.add_argument("--upstream-key", type=Path, metavar="FILE", help="that server's public key")
    parser.add_argument(
        "--sessions", type=int, default=64, metavar="N", help="at most so many (default: %(default)s)"
    )
    parser.add_argument(
        "--sessions-per-peer",
        type=int,
        default=8,
        metavar="N",
        help="at most so many for one front end; a server that relays to this one is one (default: %(default)s)",
    )
    parser.add_argument(
        "--link",
        action="store_true",
        help="follow Ableton Link where a host tells no tempo; needs liveband[link]",
    )
    parser.add_argument(
        "--idle-exit", type=float, default=None, metavar="S", help="end after so long without a session"
    )
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-json", action="store_true", help="JSON lines instead of text")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    needs = {
        "zmq_host": ("zmq_port",),
        "clients": ("zmq_port",),
        "key": ("zmq_port", "upstream"),
        "upstream_key": ("upstream",),
    }
    parser.set_defaults(run=_run, needs=needs, excludes={"upstream": ("workers", "exact")})


def _token(path: Path | None) -> bytes:
    """The text in a file that nobody else may read; empty without one."""
    if path is None:
        return b""
    try:
        if path.stat().st_mode & 0o077:
            raise LiveBandError(f"{path} can be read by others: chmod 600 it")
        return path.read_bytes()[:4096].strip()
    except OSError as error:
        raise LiveBandError(f"cannot read the OSC token {path}: {error.strerror}") from None


def _port(text: str) -> int | None:
    """A port number, or None for `off`."""
    if text == "off":
        return None
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535, or off")
    return int(text)


def _run(parsed: argparse.Namespace) -> int:
    if not 1 <= parsed.workers <= 64:
        raise LiveBandError(f"{parsed.workers} workers are not possible: 1 to 64")
    upstream = None
    if parsed.upstream is not None:
        upstream = LinkConfig(address=parsed.upstream, server_key=parsed.upstream_key, own_key=parsed.key)
    zeromq = None
    if parsed.zmq_port is not None:
        zeromq = ZeroMqConfig(
            host=parsed.zmq_host, port=parsed.zmq_port, secret_key=parsed.key, allowed_keys=parsed.clients
        )
    token = _token(parsed.osc_token_file)
    if token and zeromq is not None and zeromq.secret_key is None:
        raise LiveBandError(
            "with a token nobody is heard without proof: ZeroMQ needs keys then (`liveband keys`)"
        )
    osc = None
    if parsed.osc_port is not None:
        osc = OscConfig(host=parsed.osc_host, port=parsed.osc_port, token=token, anyone=parsed.osc_anyone)
    config = ServeConfig(
        model=parsed.model,
        workers=parsed.workers,
        alone=parsed.exact,
        upstream=upstream,
        http=None if parsed.http_port is None else HttpConfig(port=parsed.http_port, token=token),
        osc=osc,
        zeromq=zeromq,
        # A usual port that another program has must not keep plug-ins from playing.
        optional=frozenset(
            name
            for name, port, usual in (
                ("HTTP", parsed.http_port, HTTP_PORT),
                ("OSC", parsed.osc_port, OSC_PORT),
            )
            if port == usual
        ),
        idle_exit_s=parsed.idle_exit,
        ableton_link=parsed.link,
        max_sessions=parsed.sessions,
        max_sessions_per_peer=parsed.sessions_per_peer,
    )
    with (
        open_run_directory() as run,
        logging_to(LogConfig(level=parsed.log_level, json_lines=parsed.log_json, file=run.log_path)),
    ):
        return asyncio.run(_serve_until_signal(config, run, as_json=parsed.json))


async def _serve_until_signal(config: ServeConfig, run: RunDirectory, *, as_json: bool) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(serve(config, run, announce=not as_json))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            loop.add_signal_handler(number, task.cancel)
    if as_json:
        while not task.done() and not run.registry_path.exists():
            await asyncio.sleep(0.02)
        if not task.done():
            print(to_json(read_json(run.registry_path.read_text(encoding="utf-8"))), flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print("The band has stopped.", file=sys.stderr)
    return 0
