# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband jam --browser`: the page that plays with the band, until Ctrl-C."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from lbserver.commands.serving import on_signals
from lbserver.commands.style import style_line
from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.host.rundir import find_server
from lbserver.jam.jam_session import own_server
from lbserver.jam.page.site import site
from lbserver.jam.page.visit import PageConfig
from lbserver.protocol.messages import control_value
from lbserver.server.serve import ServeConfig
from lbserver.session.knowledge import Told, after_know

_CONTROLS = ("stem", "mix", "gain", "seed", "mode")
_KNOWN = ("bpm", "key", "chart", "classes", "injection")


def run_page(parsed: argparse.Namespace) -> int:
    """The command; returns the exit code."""
    if not 0 <= parsed.page_port <= 65535:
        raise LiveBandError(f"--page-port {parsed.page_port} is out of range: 0 to 65535, 0 for any")
    config = PageConfig(model=parsed.model, begin=_begin(parsed))
    with ExitStack() as stack:
        if find_server() is None:
            print("starting the band ...", file=sys.stderr)
            stack.enter_context(own_server(ServeConfig(model=parsed.model)))
        asyncio.run(_serve(config, parsed.page_port, parsed.seconds, as_json=parsed.json))
    return 0


async def _serve(config: PageConfig, port: int, seconds: float | None, *, as_json: bool) -> None:
    enough = asyncio.Event()
    on_signals(asyncio.get_running_loop(), enough.set)
    async with site(config, port=port) as address:
        if as_json:
            print(to_json({"address": address}), flush=True)
        else:
            print(
                f"open {address}\nin a browser of this machine; whoever has the address may play. Ctrl-C ends it",
                flush=True,
            )
        with suppress(TimeoutError):
            await asyncio.wait_for(enough.wait(), seconds)


def _begin(parsed: argparse.Namespace) -> Mapping[str, float | int | str]:
    """The page's first settings: the command line's, or its defaults; what has none and was not asked for is left out."""
    for name in ("mix", "gain"):
        control_value(name, getattr(parsed, name))
    told = {name: getattr(parsed, name) for name in ("key", "classes", "injection")}
    after_know(Told(), {name: value for name, value in told.items() if value is not None})
    begin = {name: getattr(parsed, name) for name in (*_CONTROLS, *_KNOWN)} | {
        "style": style_line(parsed) or None
    }
    return {name: value for name, value in begin.items() if value is not None}
