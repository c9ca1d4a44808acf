# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband serve`: the hub, its workers and every transport that is wanted, on one loop, until it is told to stop."""

import asyncio
import logging
import os
import sys
import time
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from lbserver import __version__
from lbserver.engine import backends
from lbserver.engine.moments_folder import MomentsFolder, moments_folder, shared_folder
from lbserver.errors import LiveBandError
from lbserver.files.folders import CACHE_ADVICE, cache_fault, data_folder
from lbserver.host.memory import resident_bytes
from lbserver.host.program_file import note_program
from lbserver.host.rundir import RunDirectory, ServerInfo, ServerRunningError
from lbserver.hub.hub import Hub, HubConfig, Offer
from lbserver.places.fleet import Fleet
from lbserver.places.link import LinkConfig
from lbserver.places.place import Place
from lbserver.places.supervisor import WorkerError, WorkerPlace
from lbserver.places.upstream import UpstreamPlace
from lbserver.protocol import MAJOR, MINOR
from lbserver.transports.ableton_link import LinkConfig as AbletonLinkConfig
from lbserver.transports.ableton_link import ableton_link
from lbserver.transports.discovery import announced
from lbserver.transports.http import HttpConfig, http_server
from lbserver.transports.local import LocalConfig, LocalServer, local_server
from lbserver.transports.metrics import ServerFigures
from lbserver.transports.osc import listening, oscquery
from lbserver.transports.osc.server import OscConfig, osc_server
from lbserver.transports.rtap.server import RtapConfig, rtap_server
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

log = logging.getLogger(__name__)

_LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """What to serve. A transport of None is off. `upstream`: where the sessions are played, if not here: a server, or the
    directory of a `fleet`. `moments`: a folder of memories that other servers share.

    `model` plays where a session names none; `more_models` may be named beside those that are installed.
    `announce`: where OSC can be found by who looks for it, one of `discovery.SCOPES`, empty for nowhere.
    `optional` transports may be left out when their port is taken. `idle_exit_s`: end when nobody has played so long.
    """

    model: str | None = None
    more_models: tuple[str, ...] = ()
    workers: int = 1
    alone: bool = False
    upstream: LinkConfig | None = None
    fleet: bool = False
    moments: Path | None = None
    http: HttpConfig | None = None
    osc: OscConfig | None = None
    zeromq: ZeroMqConfig | None = None
    rtap: RtapConfig | None = None
    optional: frozenset[str] = frozenset()
    idle_exit_s: float | None = None
    ableton_link: bool = False
    announce: str = ""
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
    folder = moments_folder(run.path) if config.moments is None else shared_folder(config.moments)
    hub = Hub(
        HubConfig(
            moments=folder.path,
            kept=kept_folder(),
            max_sessions=config.max_sessions,
            max_sessions_per_peer=config.max_sessions_per_peer,
            shared_moments=config.moments is not None,
        )
    )
    async with AsyncExitStack() as stack:
        stack.callback(folder.leave)
        stack.push_async_callback(hub.stop)
        if announce:
            print("Getting the band ready (the first start takes longer) ...", file=sys.stderr, flush=True)
        if config.upstream is not None and config.fleet:
            fleet = Fleet(
                config.upstream,
                sessions=hub.recovery,
                model=config.model,
                on_lost=hub.on_lost,
                on_back=hub.on_back,
                on_ended=hub.on_ended,
            )
            stack.push_async_callback(fleet.stop)
            await fleet.start()
            await hub.start(fleet.places, Offer(models={}, place=_nowhere, choose=fleet.choose))
        else:
            await hub.start(_places(config, hub, folder), _offer(config, hub, folder))
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
                listen=partial(listening.listen, hub) if ports.get("OSC") else None,
            )
            await listen("HTTP", http_server(hub, http))
        await listen("ZeroMQ", zeromq_server(hub, config.zeromq) if config.zeromq else None)
        await listen(
            "rtap", rtap_server(config.rtap, partial(backends.load, config.model)) if config.rtap else None
        )
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
        if config.announce and ports.get("OSC"):
            seen = ports.get("HTTP") if config.announce == "here" else None  # HTTP is this machine's alone
            await stack.enter_async_context(announced(config.announce, osc_port=ports["OSC"], http_port=seen))
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
    return [_worker(number, config.model, config, hub, folder) for number in range(config.workers)]


def _offer(config: ServeConfig, hub: Hub, folder: MomentsFolder) -> Offer | None:
    """What sessions may name beside the default: the models that are installed, and those the user named."""
    if config.upstream is not None:
        return None
    numbers, installed = count(config.workers), backends.installed()
    models: dict[str, str] = {}
    for model in config.more_models:
        name = backends.own_name(model)
        # What is installed keeps its name, and so does the first of two folders: the other is named by its path.
        models[model if name in installed or name in models else name] = model
    return Offer(
        models=models | {name: name for name in installed},
        place=lambda name: _worker(next(numbers), name, config, hub, folder),
    )


def _worker(
    number: int, model: str | None, config: ServeConfig, hub: Hub, folder: MomentsFolder
) -> WorkerPlace:
    return WorkerPlace(
        number=number,
        model=model,
        moments=folder.path,
        save_every_s=folder.every_s,
        alone=config.alone,
        on_lost=hub.on_lost,
        on_back=hub.on_back,
        on_ended=hub.on_ended,
    )


def _nowhere(model: str) -> Place:
    raise WorkerError(f"{model} is not played in this fleet", "unknown_model")


def _figures(hub: Hub, begun_s: float) -> ServerFigures:
    return ServerFigures(
        version=__version__,
        uptime_s=time.monotonic() - begun_s,
        workers=sum(place.up for place in hub.places),
        worker_restarts=sum(place.restarts for place in hub.places),
        worker_resident_bytes=resident_bytes(place.pid for place in hub.places if place.pid is not None),
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
        where = f"played at {'the fleet of ' if config.fleet else ''}{config.upstream.address}"
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
