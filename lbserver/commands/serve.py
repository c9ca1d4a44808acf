# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband serve`."""

import argparse
import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from lbserver.commands.playing import add_device_option, use_device
from lbserver.commands.serving import add_keys, add_log_level, add_workers, on_signals, port_or_off
from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json
from lbserver.files.plain_json import to_json
from lbserver.host.keys import is_loopback
from lbserver.host.logs import LogConfig, logging_to
from lbserver.host.rundir import RunDirectory, open_run_directory
from lbserver.places.fleet import SCHEME
from lbserver.places.link import LinkConfig
from lbserver.protocol.osc import HTTP_PORT, ZMQ_PORT
from lbserver.protocol.osc import PORT as OSC_PORT
from lbserver.server.serve import ServeConfig, serve
from lbserver.transports.discovery import SCOPES
from lbserver.transports.http import HttpConfig
from lbserver.transports.osc.server import OscConfig
from lbserver.transports.rtap.server import RECEIVE_PORT, REPLY_PORT, RtapConfig
from lbserver.transports.zeromq import ZeroMqConfig


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband serve`."""
    parser = commands.add_parser(
        "serve",
        help="keep the band ready for plug-ins, patches and scripts",
        description="Starts the server: front ends connect to it, stream what they hear and get the band back.",
        epilog="example: liveband serve --workers 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        action="append",
        default=[],
        help="a name from `liveband models list`, or a path. Again: others that a session may name; those of the list "
        "may be named anyway. They are loaded when they are, and unloaded five minutes after their last session",
    )
    here = max(1, min(4, (os.cpu_count() or 2) - 1))
    add_workers(parser, here, "processes that play, one core each")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="play every session by itself: a session's bits then never depend on who else plays; costs more",
    )
    add_device_option(parser)
    ports = parser.add_argument_group("where it listens (this machine only, unless said otherwise)")
    ports.add_argument(
        "--http-port",
        type=port_or_off,
        default=HTTP_PORT,
        metavar="PORT",
        help="figures and health, default %(default)s; `off` for none, 0 for any free one",
    )
    ports.add_argument(
        "--osc-port",
        type=port_or_off,
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
        "--announce",
        nargs="?",
        const="here",
        choices=SCOPES,
        help="let tools on this machine find OSC and OSCQuery (Bonjour, Avahi), with `lan` tools in the local network find "
        "OSC; needs liveband[discovery]",
    )
    ports.add_argument(
        "--osc-compat",
        choices=("rtap",),
        help="speak the OSC protocol of the Max system RTAP as well, so that its patch plays with the model here",
    )
    ports.add_argument(
        "--rtap-ports",
        type=_port_pair,
        default=(RECEIVE_PORT, REPLY_PORT),
        metavar="IN,OUT",
        help=f"UDP ports that it hears at and answers to, default {RECEIVE_PORT},{REPLY_PORT}",
    )
    ports.add_argument(
        "--rtap-peer",
        metavar="HOST",
        help="the one other machine that is heard there, default none: this one",
    )
    ports.add_argument(
        "--zmq-port", type=port_or_off, metavar="PORT", help=f"ZeroMQ, usually {ZMQ_PORT}; off by default"
    )
    ports.add_argument("--zmq-host", default="127.0.0.1", metavar="HOST", help="0.0.0.0 for all; needs keys")
    add_keys(ports, key="this machine's secret key (`liveband keys`)")
    up = parser.add_argument_group("playing on another machine")
    up.add_argument(
        "--upstream",
        metavar="tcp://HOST:PORT",
        help="relay every session to the server there; fleet://HOST:PORT: to the least loaded server of the fleet whose "
        "directory is there (`liveband fleet serve`)",
    )
    up.add_argument("--upstream-key", type=Path, metavar="FILE", help="that server's public key")
    up.add_argument(
        "--moments",
        type=Path,
        metavar="DIR",
        help="keep what sessions remember there, every second: servers that share the folder go on with each other's sessions",
    )
    up.add_argument(
        "--while-fed",
        action="store_true",
        help="end when standard input ends, as it does with who started this",
    )
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
    add_log_level(parser)
    parser.add_argument("--log-json", action="store_true", help="JSON lines instead of text")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    needs = {
        "rtap_ports": ("osc_compat",),
        "rtap_peer": ("osc_compat",),
        "zmq_host": ("zmq_port",),
        "clients": ("zmq_port",),
        "key": ("zmq_port", "upstream"),
        "upstream_key": ("upstream",),
    }
    parser.set_defaults(
        run=_run,
        needs=needs,
        excludes={
            "upstream": ("workers", "exact", "osc_compat", "moments"),
            "osc_compat": ("osc_token_file",),
        },
    )


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


def _port_pair(text: str) -> tuple[int, int]:
    """Two port numbers with a comma between them."""
    ports = [int(part) if part.isdigit() else -1 for part in text.split(",")]
    if len(ports) != 2 or not all(0 <= port <= 65535 for port in ports) or not ports[1]:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not two ports with a comma between, as {RECEIVE_PORT},{REPLY_PORT}"
        )
    return ports[0], ports[1]


def _run(parsed: argparse.Namespace) -> int:
    use_device(parsed.device)
    upstream, fleet = None, False
    if parsed.upstream is not None:
        address = parsed.upstream
        fleet = address.startswith(SCHEME)
        if fleet:
            address = f"tcp://{address.removeprefix(SCHEME)}"
        upstream = LinkConfig(address=address, server_key=parsed.upstream_key, own_key=parsed.key)
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
    if parsed.announce == "lan" and is_loopback(parsed.osc_host):
        raise LiveBandError(
            "--announce lan would tell of a port that nobody there can reach: give --osc-host and --osc-token-file too"
        )
    rtap = None
    if parsed.osc_compat:
        into, back = parsed.rtap_ports
        rtap = RtapConfig(port=into, reply_port=back, peer=parsed.rtap_peer, anyone=parsed.osc_anyone)
    config = ServeConfig(
        model=parsed.model[0] if parsed.model else None,
        more_models=tuple(parsed.model[1:]),
        workers=parsed.workers,
        alone=parsed.exact,
        upstream=upstream,
        fleet=fleet,
        moments=parsed.moments,
        http=None if parsed.http_port is None else HttpConfig(port=parsed.http_port, token=token),
        osc=osc,
        zeromq=zeromq,
        rtap=rtap,
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
        announce=parsed.announce or "",
        max_sessions=parsed.sessions,
        max_sessions_per_peer=parsed.sessions_per_peer,
    )
    with (
        open_run_directory() as run,
        logging_to(LogConfig(level=parsed.log_level, json_lines=parsed.log_json, file=run.log_path)),
    ):
        serving = _serve_until_signal(config, run, as_json=parsed.json, while_fed=parsed.while_fed)
        return asyncio.run(serving)


def _wait_for_end(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call `end` on the loop when standard input is at its end."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(0, 1 << 12):
            pass
    with contextlib.suppress(RuntimeError):  # the loop has ended before
        loop.call_soon_threadsafe(end)


async def _serve_until_signal(
    config: ServeConfig, run: RunDirectory, *, as_json: bool, while_fed: bool
) -> int:
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(serve(config, run, announce=not as_json))
    if while_fed:
        threading.Thread(target=_wait_for_end, args=(loop, task.cancel), daemon=True).start()
    on_signals(loop, task.cancel)
    if as_json:
        while not task.done() and not run.registry_path.exists():
            await asyncio.sleep(0.02)
        if not task.done():
            print(to_json(read_json(run.registry_path.read_text(encoding="utf-8"))), flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print("The band has stopped.", file=sys.stderr)
    return 0
