# SPDX-License-Identifier: GPL-3.0-or-later
"""Where OSC is listened to, and who is heard."""

from dataclasses import dataclass

from lbserver.errors import LiveBandError
from lbserver.host import callers
from lbserver.host.keys import is_loopback
from lbserver.protocol import limits
from lbserver.protocol.osc import PORT
from lbserver.transports.osc.doorway import SHORTEST_TOKEN


@dataclass(frozen=True, kw_only=True)
class OscConfig:
    """Where to listen and whom to trust. Port 0 is any that is free.

    `localhost` is 127.0.0.1 and, where there is IPv6, ::1: what a patch means by it differs from system to system.

    A `token` of at least 16 bytes is needed to listen anywhere but on this machine; with one everybody signs what they
    send. Without one this user's programs on this machine are heard, and nobody else's; or, with `anyone`, all programs
    of this machine, for those that send and end before they can be told apart. `patience_ms` is how long mix that is
    missing, and stem that is late, are waited for at least; stem packets are sent `redundancy` times.
    """

    host: str = "localhost"
    port: int = PORT
    token: bytes = b""
    anyone: bool = False
    patience_ms: float = limits.OSC_PATIENCE_MS
    redundancy: int = 1
    opens_per_s: float = limits.OPENS_PER_S
    opens_burst: float = limits.OPENS_BURST

    def __post_init__(self) -> None:
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise LiveBandError(
                f"an OSC token of {len(self.token)} bytes is too short: {SHORTEST_TOKEN} at least"
            )
        if self.token and self.anyone:
            raise LiveBandError(
                "with a token nobody is heard without it: give either a token or --osc-anyone"
            )
        if not self.token and not (is_loopback(self.host) and (self.anyone or callers.are_known())):
            raise LiveBandError(
                f"listening for OSC on {self.host} needs a token, which whoever controls it knows: any text of "
                f"{SHORTEST_TOKEN} characters or more"
            )
        if not 1 <= self.redundancy <= 4:
            raise LiveBandError(f"redundancy must be 1 to 4, got {self.redundancy}")
        if not 1 <= self.patience_ms <= 250:
            raise LiveBandError(f"patience must be 1 to 250 ms, got {self.patience_ms:g}")
