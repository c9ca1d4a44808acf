# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband fleet serve`, and what it is asked from its own machine: status, drain, upgrade."""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lbserver.client.connection import Connection
from lbserver.cluster.member import MemberConfig
from lbserver.cluster.running import HERE, place_to_run
from lbserver.cluster.upkeep import Upkeep
from lbserver.commands.serving import add_keys, add_log_level, add_workers, on_signals, port
from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.fleet import planning
from lbserver.fleet.placement import Policy
from lbserver.host.logs import LogConfig, logging_to, shown
from lbserver.host.rundir import RunDirectory, ServerInfo, find_server, open_run_directory, run_path
from lbserver.hub.hub import Hub, HubConfig
from lbserver.protocol import MAJOR, MINOR
from lbserver.transports.local import LocalConfig, local_server
from lbserver.transports.zeromq import ZeroMqConfig, zeromq_server

PORT = 9464
"""Where a directory listens unless it is told otherwise."""


def add_actions(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """serve, status, drain, upgrade."""
    _add_serve(actions)
    for name, what in (
        ("status", "the fleet's servers, with their sessions"),
        ("drain", "let a server's sessions go to others, then stop it"),
        (
            "upgrade",
            "replace every server by a new one, step by step, with the liveband that is installed by now",
        ),
    ):
        parser = actions.add_parser(
            name,
            help=what,
            description=f"Asked of the fleet whose directory runs on this machine: {what}.",
            epilog=f"example: liveband fleet {name}{' server-1' if name == 'drain' else ''}",
        )
        if name == "drain":
            parser.add_argument(
                "server", metavar="SERVER", help="its name, as `liveband fleet status` has it"
            )
        parser.add_argument("--json", action="store_true", help="print one line of JSON")
        parser.set_defaults(run=_ask, question=name)


def _add_serve(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "serve",
        help="start servers, keep them, tell who asks which there are",
        description="Starts servers, watches and replaces them, and is the directory that `liveband serve --upstream\n"
        "fleet://HOST:PORT` asks for the least loaded. Sound goes straight between that server and the fleet's.",
        epilog="examples:\n  liveband fleet serve --servers 2\n"
        "  liveband fleet serve --cluster 10.0.0.1:6379 --servers 4 --most-servers 20 --moments /shared/moments \\\n"
        "      --host 0.0.0.0 --key fleet.key_secret --clients clients",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cluster",
        default=HERE,
        metavar="ADDRESS",
        help="a Ray cluster that servers run on, `local` for one of this machine; default %(default)s: processes of this machine",
    )
    parser.add_argument(
        "--servers", type=int, default=1, metavar="N", help="at least so many (default: %(default)s)"
    )
    parser.add_argument(
        "--most-servers",
        type=int,
        metavar="N",
        help="at most so many, as sessions become more; default: as --servers",
    )
    parser.add_argument("--model", metavar="NAME", help="what they play (default: the default model)")
    add_workers(parser, 1, "cores of a server that play")
    parser.add_argument(
        "--sessions",
        type=int,
        metavar="N",
        help="the most that one server plays; default: what was measured of its model, `liveband fleet plan`",
    )
    parser.add_argument(
        "--moments",
        type=Path,
        metavar="DIR",
        help="where sessions' memories lie, which every machine of the cluster must see under this name; default: in this "
        "machine's memory",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="HOST", help="where the directory listens; 0.0.0.0 for all"
    )
    parser.add_argument(
        "--port", type=port, default=PORT, metavar="PORT", help="default %(default)s; 0 for any free one"
    )
    add_keys(
        parser,
        key="the fleet's secret key (`liveband keys`), on every machine",
        clients=", on every machine",
    )
    add_log_level(parser)
    parser.add_argument("--json", action="store_true", help="print one line of JSON when it listens")
    parser.set_defaults(run=_serve)


def _serve(parsed: argparse.Namespace) -> int:
    most = parsed.most_servers or parsed.servers
    if most < parsed.servers:
        raise LiveBandError(f"--most-servers {most} is fewer than --servers {parsed.servers}")
    listen = ZeroMqConfig(
        host=parsed.host, port=parsed.port, secret_key=parsed.key, allowed_keys=parsed.clients
    )
    sessions = parsed.sessions
    if sessions is None:
        measured = planning.find(planning.read_measured(), parsed.model or "tiny")
        sessions = measured.sessions * parsed.workers
    path = _fleet_path()
    with contextlib.ExitStack() as stack:
        run = stack.enter_context(open_run_directory(path))
        stack.enter_context(
            logging_to(LogConfig(level=parsed.log_level, json_lines=False, file=run.log_path))
        )
        moments = parsed.moments or _in_memory(path)
        if parsed.moments is None:
            stack.callback(shutil.rmtree, moments, ignore_errors=True)
        config = MemberConfig(
            moments=str(moments.absolute()),
            sessions=sessions,
            workers=parsed.workers,
            model=parsed.model,
            host="" if parsed.host in ("0.0.0.0", "::") else parsed.host,
            own_key=None if parsed.key is None else str(parsed.key.absolute()),
            clients=None if parsed.clients is None else str(parsed.clients.absolute()),
        )
        out = sys.stdout  # while a cluster is joined, what Ray prints goes elsewhere
        policy = Policy(least=parsed.servers, most=most, version="1")
        # One that was lost may still be there while another starts.
        room = most + policy.surge + 1
        make = stack.enter_context(place_to_run(parsed.cluster, config, room))
        upkeep = Upkeep(make=make, sessions=sessions, policy=policy)

        def tell(port: int) -> None:
            if parsed.json:
                print(
                    to_json({"pid": os.getpid(), "zmq_port": port, "sessions": sessions}),
                    file=out,
                    flush=True,
                )
            else:
                print(
                    f"The fleet's directory listens: liveband serve --upstream fleet://{parsed.host}:{port}\n"
                    f"{parsed.servers} to {most} servers of at most {sessions} sessions; `liveband fleet status` shows them, "
                    "Ctrl-C stops them.",
                    file=out,
                    flush=True,
                )

        return asyncio.run(_run(run, listen, upkeep, tell))


async def _run(run: RunDirectory, listen: ZeroMqConfig, upkeep: Upkeep, tell: Any) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    on_signals(loop, task.cancel)
    hub = Hub(HubConfig(directory=upkeep))
    with contextlib.suppress(asyncio.CancelledError):
        async with (
            zeromq_server(hub, listen) as doors,
            local_server(hub, LocalConfig(path=run.socket_path)) as local,
        ):
            port = doors.address[1]
            run.publish(
                ServerInfo(
                    pid=os.getpid(),
                    major=MAJOR,
                    minor=MINOR,
                    socket=str(local.address),
                    zmq_port=port,
                )
            )
            tell(port)
            await upkeep.run()
    print("The fleet has stopped.", file=sys.stderr)
    return 0


def _ask(parsed: argparse.Namespace) -> int:
    server = find_server(_fleet_path())
    if server is None:
        raise LiveBandError("no fleet's directory runs on this machine: `liveband fleet serve`")
    line = Connection(server, "fleet")
    try:
        more = {"server": parsed.server} if parsed.question == "drain" else {}
        question = "fleet" if parsed.question == "status" else parsed.question
        servers: Mapping[str, Mapping[str, Any]] = line.ask("fleet_list", question, **more)["servers"]
    finally:
        line.close()
    if parsed.json:
        print(to_json({"servers": servers}))
        return 0
    for name, about in servers.items():
        of = {
            model: f"{about['sessions'].get(model, 0)} of {most} {model}"
            for model, most in about["limits"].items()
        }
        print(shown(f"{name:<12} {about['state']:<9} {about['address']:<24} {', '.join(of.values())}", 300))
    return 0


def _fleet_path() -> Path:
    """The directory's own folder, beside that of this machine's server."""
    beside = run_path()
    return beside.with_name(f"{beside.name}-fleet")


def _in_memory(run: Path) -> Path:
    """A folder for memories in this machine's memory, or in the run directory where there is no such place."""
    shared = Path("/dev/shm")
    return shared / f"liveband-fleet-{os.geteuid()}-{os.getpid()}" if shared.is_dir() else run / "moments"
