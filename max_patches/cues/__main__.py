# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells programs on this machine when a bar begins: /liveband/bar, with the bar's number and the tempo.

For programs that have one port to send from and another to listen at, and cannot shake hands.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from pythonosc.udp_client import SimpleUDPClient

from lbserver.client.osc import OscClient
from lbserver.errors import LiveBandError
from lbserver.protocol import osc
from lbserver.transports.osc.packet import message

_STAY_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """The program; runs until it is stopped."""
    parser = argparse.ArgumentParser(
        prog="python -m max_patches.cues", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m max_patches.cues 4560",
    )  # fmt: skip
    parser.add_argument("port", type=int, nargs="+", help="UDP port of a program on this machine")
    parser.add_argument("--session", default="*", help="default: whichever tells its beat")
    parser.add_argument(
        "--ctrl", action="store_true", help="as /ctrl bar NUMBER, which TidalCycles listens for"
    )
    parser.add_argument("--server-port", type=int, default=osc.PORT)
    told = parser.parse_args(arguments)
    listeners = [SimpleUDPClient("127.0.0.1", port) for port in told.port]
    try:
        watch(told.session, told.server_port, lambda bar, tempo: tell(listeners, bar, tempo, ctrl=told.ctrl))
    except LiveBandError as error:
        print(f"cues: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def tell(listeners: Sequence[SimpleUDPClient], bar: int, tempo: float, *, ctrl: bool) -> None:
    """One cue to each."""
    for listener in listeners:
        if ctrl:
            listener.send_message("/ctrl", ["bar", float(bar)])
        else:
            listener.send_message("/liveband/bar", [bar, tempo])


def watch(session: str, server_port: int, cue: Callable[[int, float], None]) -> None:
    """For ever: status in, cues out. Raises LiveBandError if no server answers."""
    tempi: dict[str, float] = {}
    with OscClient(("127.0.0.1", server_port)) as client:
        client.enter()
        stay_s = 0.0
        while True:
            if time.monotonic() >= stay_s:
                client.send(message(f"/lb/{session}/cues"), message(f"/lb/{session}/subscribe"))
                stay_s = time.monotonic() + _STAY_S
            for call, _ in client.receive(0.5):
                who = call.names.get("session", "")
                if call.pattern.endswith("/status/<name>") and call.names["name"] == "tempo":
                    tempi[who] = float(call.arguments["value"])
                elif call.pattern.endswith("/cue/bar"):
                    cue(int(call.arguments["bar"]), tempi.get(who, 0.0))


if __name__ == "__main__":
    sys.exit(main())
