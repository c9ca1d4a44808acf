# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call of the address table does to a session: controls, what the host knows, moments, panic."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from lbserver.engine.hub import Hub, HubError, Peer
from lbserver.protocol.controls import BY_NAME
from lbserver.protocol.messages import MessageError, check
from lbserver.transports.osc.addresses import Call

_SESSION = "/lb/<session>/"
_MOST_TEMPI = 256
_OF_SESSIONS = ("set/<control>", "tempo", "beat", "chord", "chart", "key", "keep", "recall")
PANIC = "/lb/panic"
SIMPLE = (PANIC, *(_SESSION + what for what in _OF_SESSIONS))
"""Calls that open nothing and are answered with nothing: from this machine they need no handshake."""


class Control:
    """Calls made to a hub. State: the last tempo told of each session, for a beat that comes right behind it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._tempo_bpm: dict[str, float] = {}

    async def act(self, call: Call, peer: Peer, own: Sequence[str] = ()) -> None:
        """Do what one of the `SIMPLE` calls says. Panic is for the sessions in `own`, or all if it has none.

        Raises HubError.
        """
        hub, arguments = self._hub, dict[str, Any](call.arguments)
        session = call.names.get("session", "")
        match call.pattern.removeprefix(_SESSION):
            case "set/<control>":
                await self._set(session, call.names["control"], arguments["value"], peer)
            case "tempo":
                await self._know(session, {"bpm": arguments["bpm"]}, peer)
                if len(self._tempo_bpm) > _MOST_TEMPI:
                    self._tempo_bpm.clear()
                self._tempo_bpm[session] = arguments["bpm"]
            case "beat":
                await self._know(session, self._beat(session, arguments, peer), peer)
            case "chord":
                await self._know(session, {"chord": arguments["label"]}, peer)
            case "chart":
                await self._know(session, {"chart": arguments["chart"]}, peer)
            case "key":
                await self._know(session, {"key": arguments["key"]}, peer)
            case "keep":
                await hub.keep(session, arguments["name"], peer=peer)
            case "recall":
                await hub.recall(session, arguments["name"], peer=peer)
            case "/lb/panic":
                for name in own or tuple(hub.sessions(peer=peer)):
                    await hub.set_control(name, "reset", 1, peer=peer)

    async def _set(self, session: str, control: str, value: float | int | str, peer: Peer) -> None:
        known = BY_NAME.get(control)
        if known is not None and known.acts == "epoch":
            raise HubError(
                "unsupported", f"{control} begins a new epoch: send /lb/open again with what you want"
            )
        await self._hub.set_control(session, control, value, peer=peer)

    async def _know(self, session: str, known: Mapping[str, Any], peer: Peer) -> None:
        try:
            clean, _ = check({"type": "know", "session": session, **known}, "in")
        except MessageError as error:
            raise HubError("bad_message", str(error)) from None
        await self._hub.know(clean, peer=peer)

    def _beat(self, session: str, arguments: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        """The first beat of a bar that puts a beat of the bar at the position the band has heard up to."""
        status = self._hub.sessions(peer=peer).get(session)
        if status is None:
            raise HubError("unknown_session", f"no session {session[:64]!r}, or it is not yours")
        tempo_bpm = self._tempo_bpm.get(session, float(status["tempo"]))
        if not isfinite(tempo_bpm) or tempo_bpm <= 0:
            raise HubError(
                "bad_message", f"a beat says nothing without a tempo: send /lb/{session}/tempo first"
            )
        now_s = int(status["position"]) / int(status["rate_hz"])
        known: dict[str, Any] = {"first_beat_s": now_s - (arguments["beat"] - 1.0) * 60.0 / tempo_bpm}
        if "beats_per_bar" in arguments:
            beats = arguments["beats_per_bar"]
            if beats != int(beats):
                raise HubError("bad_message", f"{beats:g} beats per bar: a whole number is accepted")
            known["beats_per_bar"] = int(beats)
        return known
