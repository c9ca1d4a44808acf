# SPDX-License-Identifier: GPL-3.0-or-later
"""Where front ends find the server of their user: a folder, and what lies in it."""

from dataclasses import dataclass

SOCKET = "lb.sock"
REGISTRY = "server.json"
LOCK = "lock"
LOG = "liveband.log"

RUN_DIRECTORY = (
    "`$LIVEBAND_RUN`, if it is set and not empty",
    "`$XDG_RUNTIME_DIR/liveband`, if that is an absolute path of a folder",
    "`$TMPDIR/liveband-<uid>`, if `$TMPDIR` is an absolute path; else `/tmp/liveband-<uid>`",
)
"""The run directory is the first of these; `<uid>` is the effective user's number."""

FILES = {
    SOCKET: "the local socket: Unix, stream",
    REGISTRY: "who serves and where, one JSON object; there from the moment the server takes connections",
    LOCK: "held with flock by the server while it lives; a registry beside a lock that nobody holds is of a dead server",
    LOG: "the log",
}


@dataclass(frozen=True, kw_only=True)
class RegistryField:
    """One field of the registry."""

    name: str
    kind: str
    meaning: str


REGISTRY_FIELDS = tuple(
    RegistryField(name=name, kind=kind, meaning=meaning)
    for name, kind, meaning in (
        ("pid", "int", "the server's process"),
        ("major", "int", "protocol major version"),
        ("minor", "int", "protocol minor version"),
        ("socket", "str", "path of the local socket"),
        ("osc_port", "int or null", "UDP; null where OSC is off"),
        ("http_port", "int or null", "TCP, `/metrics`, `/healthz` and OSCQuery; null where it is off"),
        ("zmq_port", "int or null", "TCP; null where ZeroMQ is off, as it is unless `--zmq-port` is given"),
        ("started", "float", "seconds since 1970"),
    )
)
