# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells programs on this machine when a bar begins: /liveband/bar, with the bar's number and the tempo.

For programs that have one port to send from and another to listen at, and cannot shake hands.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pythonosc.udp_client import SimpleUDPClient

from lbserver.client.osc import OscClient
from lbserver.errors import LiveBandError
from lbserver.protocol import osc
from lbserver.transports.osc.addresses import Call
from lbserver.transports.osc.packet import message

_STAY_S = 10.0
_FRESH_S = 1.0
"""A tempo that has not been told again for so long is forgotten: figures come ten times a second while they are known."""
_TEMPI = ("tempo", "heard_tempo")


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


@dataclass
class Bars:
    """Bars and their tempi by session. A bar waits until its tempo is known: told by the host, or else heard by the band."""

    _tempi: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    _waiting: dict[str, int] = field(default_factory=dict)

    def take(self, call: Call, now_s: float) -> Iterator[tuple[int, float]]:
        """Bars that can be told, each with its tempo, once this has come."""
        who = call.names.get("session", "")
        if call.pattern.endswith("/status/<name>") and call.names["name"] in _TEMPI:
            self._tempi[who, call.names["name"]] = (float(call.arguments["value"]), now_s)
        elif call.pattern.endswith("/cue/bar"):
            self._waiting[who] = int(call.arguments["bar"])
        for name in _TEMPI if who in self._waiting else ():
            tempo, told_s = self._tempi.get((who, name), (0.0, -_FRESH_S))
            if now_s - told_s < _FRESH_S and tempo > 0:
                yield self._waiting.pop(who), tempo
                return


def watch(session: str, server_port: int, cue: Callable[[int, float], None]) -> None:
    """For ever: status in, cues out. Raises LiveBandError if no server answers."""
    bars = Bars()
    with OscClient(("127.0.0.1", server_port)) as client:
        client.enter()
        stay_s = 0.0
        while True:
            if time.monotonic() >= stay_s:
                client.send(message(f"/lb/{session}/cues"), message(f"/lb/{session}/subscribe"))
                stay_s = time.monotonic() + _STAY_S
            for call, _ in client.receive(0.5):
                for bar, tempo in bars.take(call, time.monotonic()):
                    cue(bar, tempo)


if __name__ == "__main__":
    sys.exit(main())
