# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may open a session, and how many: caps, a bucket of tokens for those who are not trusted, and a quarantine."""

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lbserver.errors import LiveBandError, MachineError, refused
from lbserver.protocol import limits, names
from lbserver.protocol.errors import ERRORS

log = logging.getLogger(__name__)

_NAME = re.compile(names.SESSION, re.ASCII)
_MOST_BUCKETS = 4096
_MOST_QUARANTINED = 1024


USER = "the user"
"""The owner of what belongs to the user whom the server runs as."""


class HubError(LiveBandError):
    """Something refused; `code` is a key of the protocol's error table."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(text or ERRORS[code])
        self.code = code


def as_told(what: str, error: OSError | LiveBandError) -> HubError:
    """An error as a front end is told of it; what the machine refuses is no fault of the message."""
    if isinstance(error, HubError):
        return error
    known = refused(what, error) if isinstance(error, OSError) else error
    if isinstance(known, MachineError):
        log.warning("%s", known)
    return HubError(known.code, str(known))


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Who asks. A `trusted` one (this user, on this machine) may control every session, others only their own.

    `owner` is whose memories and kept moments are meant: this user's, or those of who has a key or the token. `host` is
    what limits are counted for, where one caller can be many peers.
    """

    kind: str
    identity: str
    trusted: bool = False
    owner: str = USER
    host: str = ""

    @property
    def counted(self) -> tuple[str, str]:
        """Whom the limits are for."""
        return self.kind, self.host or self.identity


class Directory(Protocol):
    """What a fleet's directory tells and does; see the messages fleet, drain and upgrade."""

    def servers(self) -> Mapping[str, Mapping[str, Any]]:
        """By name, as `fleet_list` has them."""
        ...

    def drain(self, server: str) -> bool:
        """Whether there is such a server."""
        ...

    def upgrade(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """Caps, so that no peer can take the machine, and how long things are remembered.

    `lease_s`: a session of a peer that is not local outlives it so long. `forgive_s`: after so long without another
    death, a session that was played when its worker died is suspect no more. `quarantine_s`: so long the name of a
    session that was put away cannot be opened. `idle_model_s`: a model that is not the default's is unloaded when it had
    no session for so long. `directory`: of a fleet whose servers play; then nothing is played here.
    `shared_moments`: other servers keep memories in the same folder.
    """

    max_sessions: int = limits.SESSIONS
    max_sessions_per_peer: int = limits.SESSIONS_PER_PEER
    opens_per_s: float = limits.OPENS_PER_S
    opens_burst: float = limits.OPENS_BURST
    lease_s: float = limits.LEASE_S
    forgive_s: float = 60.0
    quarantine_s: float = limits.QUARANTINE_S
    idle_model_s: float = 300.0
    max_kept: int = limits.KEPT_MOMENTS
    moments: Path = Path()
    kept: Path = Path()
    shared_moments: bool = False
    directory: Directory | None = None


def check_name(name: str) -> None:
    """Raises HubError for a name that no session may have."""
    if not _NAME.fullmatch(name) or name in names.RESERVED:
        raise HubError("bad_message", f"{name[:64]!r} is no session name: letters, digits, and _ . -")


@dataclass
class _Bucket:
    tokens: float
    filled_s: float


class Admission:
    """Who opened how much of late, and which names are put away. `clock` is in seconds and never goes back."""

    def __init__(self, config: HubConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        # By whom limits are for, and kept when a peer leaves: who hangs up and comes back finds the same bucket.
        self._buckets: dict[tuple[str, str], _Bucket] = {}
        self._until_s: dict[str, float] = {}
        self._struck_s: dict[str, float] = {}

    def admit(self, name: str, peer: Peer, owners: Iterable[Peer]) -> None:
        """Take a token of this peer; `owners` are those of the other sessions. Raises HubError: busy, quarantined."""
        config, now_s = self._config, self._clock()
        left_s = self._until_s.get(name, now_s) - now_s
        if left_s > 0:
            raise HubError(
                "quarantined", f"{ERRORS['quarantined']}: wait {left_s:.0f} s, or use another name"
            )
        others = list(owners)
        if len(others) >= config.max_sessions:
            raise HubError("busy", f"the server has its {config.max_sessions} sessions already")
        if [one.counted for one in others].count(peer.counted) >= config.max_sessions_per_peer:
            raise HubError("busy", f"a peer may have {config.max_sessions_per_peer} sessions")
        if not peer.trusted:
            self._take_token(peer, now_s)

    def strike(self, name: str) -> None:
        """A worker died while it opened this name; the second time in a while the name is put away."""
        now_s = self._clock()
        recent = {one: at_s for one, at_s in self._struck_s.items() if now_s - at_s < self._config.forgive_s}
        if recent.pop(name, None) is not None:
            self.put_away(name)
        elif len(recent) < _MOST_QUARANTINED:
            recent[name] = now_s
        self._struck_s = recent

    def put_away(self, name: str) -> None:
        """The name cannot be opened for a while."""
        now_s = self._clock()
        self._until_s = {one: until_s for one, until_s in self._until_s.items() if until_s > now_s}
        if len(self._until_s) < _MOST_QUARANTINED:
            self._until_s[name] = now_s + self._config.quarantine_s

    def _take_token(self, peer: Peer, now_s: float) -> None:
        config = self._config
        who = peer.counted
        if who not in self._buckets and len(self._buckets) >= _MOST_BUCKETS:
            full_after_s = config.opens_burst / config.opens_per_s
            self._buckets = {
                one: bucket for one, bucket in self._buckets.items() if now_s - bucket.filled_s < full_after_s
            }
            if len(self._buckets) >= _MOST_BUCKETS:
                raise HubError("busy", "too many strangers at once")
        bucket = self._buckets.setdefault(who, _Bucket(config.opens_burst, now_s))
        bucket.tokens = min(
            config.opens_burst, bucket.tokens + (now_s - bucket.filled_s) * config.opens_per_s
        )
        bucket.filled_s = now_s
        if bucket.tokens < 1:
            raise HubError("busy", f"too fast: {config.opens_per_s:g} sessions a second may be opened")
        bucket.tokens -= 1
