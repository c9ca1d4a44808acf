# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers that the local socket and ZeroMQ share: one checked message in, one answer out."""

import logging
import os
from typing import Any

from lbserver import __version__
from lbserver.engine.describe import description
from lbserver.host.logs import fields
from lbserver.hub.admission import Directory
from lbserver.hub.hub import Hub, HubError, Opened, Peer
from lbserver.protocol import MAJOR, MINOR
from lbserver.protocol.errors import ERRORS
from lbserver.protocol.messages import MessageError, check

log = logging.getLogger(__name__)

_ASKED_WRONGLY = (
    "bad_message",
    "unknown_message",
    "unknown_session",
    "unknown_control",
    "unsupported",
    "not_found",
)
"""Refusals that only the asker can mend: they are many, and no news to who runs the server."""


def greet(hub: Hub, message: Any) -> dict[str, Any]:
    """The answer to a peer's first message: welcome. Raises HubError for another major version or no hello."""
    try:
        clean, unknown = check(message, "in")
    except MessageError as error:
        # A hello of another version may look different: say so rather than that it is damaged.
        if isinstance(message, dict) and message.get("type") == "hello" and message.get("major") != MAJOR:
            raise HubError("version", _other_version(message.get("major"))) from None
        raise HubError("bad_message", str(error)) from None
    if clean["type"] != "hello":
        raise HubError("bad_message", "the first message must be hello")
    if clean["major"] != MAJOR:
        raise HubError("version", _other_version(clean["major"]))
    hub.unknown_fields += unknown
    model = "" if hub.config.directory is not None else hub.ready.spec.name
    return {
        "type": "welcome",
        "major": MAJOR,
        "minor": MINOR,
        "server": f"liveband {__version__}",
        "model": model,
        "pid": os.getpid(),
    }


async def answer(hub: Hub, peer: Peer, message: Any) -> tuple[dict[str, Any], int | None]:
    """The answer to a request, with the descriptor that goes with it, if any (the caller closes it). Never raises."""
    reply: dict[str, Any] = {}
    descriptor = None
    try:
        clean, unknown = check(message, "in")
        hub.unknown_fields += unknown
        reply, descriptor = await _answer(hub, peer, clean)
    except MessageError as error:
        reply = _refusal(peer, message, "bad_message", str(error))
    except HubError as error:
        reply = _refusal(peer, message, error.code, str(error))
    except Exception as error:
        log.exception("a request failed", extra=fields(peer=peer.kind, request=_kind(message)))
        reply = {"type": "error", "code": "internal", "text": f"{ERRORS['internal']}: {type(error).__name__}"}
    if isinstance(message, dict) and isinstance(message.get("id"), int):
        reply["id"] = message["id"]
    return reply, descriptor


def timing_fields(opened: Opened) -> dict[str, Any]:
    """What `opened` and `configured` say of an epoch."""
    timing = opened.timing
    return {
        "session": opened.session,
        "latency_samples": timing.latency_samples,
        "anticipation_samples": float(timing.anticipation_samples),
        "recency_gap_ms": timing.recency_gap_ms,
        "anticipation_frames": timing.anticipation_frames,
        "mode": opened.mode,
    }


async def _answer(hub: Hub, peer: Peer, message: dict[str, Any]) -> tuple[dict[str, Any], int | None]:
    session = message.get("session", "")
    match message["type"]:
        case "open":
            opened = await hub.open(message, peer=peer)
            return {"type": "opened", **timing_fields(opened)}, opened.descriptor
        case "configure":
            opened = await hub.configure(message, peer=peer)
            return {"type": "configured", **timing_fields(opened)}, opened.descriptor
        case "set":
            await hub.set_control(session, message["control"], message["value"], peer=peer)
            return {"type": "done", "session": session}, None
        case "know":
            await hub.know(message, peer=peer)
            return {"type": "done", "session": session}, None
        case "keep":
            await hub.keep(session, message["name"], peer=peer)
            return {"type": "kept", "session": session, "name": message["name"]}, None
        case "recall":
            await hub.recall(session, message["name"], peer=peer)
            return {"type": "recalled", "session": session, "name": message["name"]}, None
        case "status":
            return {"type": "status", "session": session, "status": hub.status(session, peer=peer)}, None
        case "sessions":
            told = {"sessions": hub.sessions(peer=peer), "models": hub.models(peer=peer)}
            return {"type": "session_list", **told}, None
        case "close":
            await hub.close(session, peer=peer, keep=message.get("keep", False))
            return {"type": "closed", "session": session, "reason": "asked to"}, None
        case "fleet" | "drain" | "upgrade":
            return _of_fleet(hub.config.directory, peer, message), None
        case "ping":
            return {"type": "pong"}, None
        case "describe":
            ready = await hub.played(message.get("model"))
            return description(ready.spec.name, ready.spec, ready.budget), None
    raise HubError("unknown_message", f"{message['type']} is not for this connection")


def _of_fleet(directory: Directory | None, peer: Peer, message: dict[str, Any]) -> dict[str, Any]:
    """Raises HubError: no directory, not for this peer, no such server."""
    if directory is None:
        raise HubError("unsupported", "this server is no fleet's directory")
    if message["type"] != "fleet" and not peer.trusted:
        raise HubError("unauthorised", "a fleet is changed on its directory's machine alone")
    if message["type"] == "upgrade":
        directory.upgrade()
    elif message["type"] == "drain" and not directory.drain(message["server"]):
        raise HubError("not_found", f"no server {message['server'][:64]!r} in this fleet")
    return {"type": "fleet_list", "servers": dict(directory.servers())}


def _refusal(peer: Peer, message: Any, code: str, text: str) -> dict[str, Any]:
    """The answer to what is refused; a line in the log says so too."""
    level = logging.INFO if code in _ASKED_WRONGLY else logging.WARNING
    log.log(level, "refused: %s", text, extra=fields(peer=peer.kind, request=_kind(message), code=code))
    return {"type": "error", "code": code, "text": text}


def _kind(message: Any) -> str:
    return str(message.get("type")) if isinstance(message, dict) else "?"


def _other_version(major: object) -> str:
    return f"you speak protocol {str(major)[:8]}, this server speaks {MAJOR}: update the older of the two"
