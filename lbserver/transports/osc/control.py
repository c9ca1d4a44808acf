# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call of the address table does to a session: controls, what the host knows, moments, panic."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.music.notation.charts import parse_chart
from lbserver.protocol.controls import BY_NAME
from lbserver.protocol.messages import MessageError, check
from lbserver.transports.osc.addresses import Call, compose
from lbserver.transports.osc.packet import Message

_SESSION = "/lb/<session>/"
_NEEDS_TEMPO = {"beat": 1, "chart": 2}
_BEAT_WAITS_S = 1.0
"""For its tempo, in seconds of what is heard: by then the place of the bar would be a guess."""
_OF_SESSIONS = (
    "set/<control>",
    "tempo",
    "beat",
    "beats_per_bar",
    "chord",
    "chart",
    "key",
    "style",
    "glide",
    "classes",
    "injection",
    "keep",
    "recall",
)
PANIC = "/lb/panic"
SIMPLE = (PANIC, *(_SESSION + what for what in _OF_SESSIONS))
"""Calls that open nothing and are answered with nothing: from this machine they need no handshake."""


def in_turn(timed: tuple[int, Message]) -> tuple[int, int]:
    """Messages of one moment: a beat and a chart mean nothing before the tempo, in whatever order they were bundled."""
    tag, one = timed
    return tag, _NEEDS_TEMPO.get(one.address.rpartition("/")[2], 0)


def begins_an_epoch(control: str) -> bool:
    """Whether a control is one of those that change the latency, and with it the positions."""
    return control in BY_NAME and BY_NAME[control].acts == "epoch"


def listed(hub: Hub, peer: Peer) -> list[Message]:
    """The sessions that a peer may see, one by one; one message also where there is none."""
    open_now = hub.sessions(peer=peer)
    rows = [
        compose("/lb/session", number, len(open_now), name, str(status["state"]), str(status["stem"]))
        for number, (name, status) in enumerate(open_now.items(), 1)
    ]
    return rows or [compose("/lb/session", 0, 0, "", "", "")]


@dataclass(frozen=True)
class _Beat:
    """A beat of the bar, from 1, at the position that the band had heard up to when it was told."""

    beat: float
    position_s: float
    beats_per_bar: int | None = None

    def known(self, tempo_bpm: float) -> dict[str, Any]:
        """What the hub is to know of it, in this tempo."""
        first = {"first_beat_s": self.position_s - (self.beat - 1.0) * 60.0 / tempo_bpm}
        return first if self.beats_per_bar is None else first | {"beats_per_bar": self.beats_per_bar}


@dataclass
class _Heard:
    """What was told of a session: the last tempo, for a beat right behind it, and what waits for a tempo."""

    tempo_bpm: float = float("nan")
    chart: str = ""
    beat: _Beat | None = None


class Control:
    """Calls made to a hub, and what of them the hub does not hold."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._heard: dict[str, _Heard] = {}

    def forget(self, session: str) -> None:
        """Another session begins under this name, or none has it any more."""
        self._heard.pop(session, None)

    def keep_house(self, alive: Set[str]) -> None:
        """Forget the sessions that are no more."""
        for name in self._heard.keys() - alive:
            self.forget(name)

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
                await self._tempo(session, arguments["bpm"], peer)
            case "beat":
                await self._know(session, self._beat(session, arguments, peer), peer)
            case "beats_per_bar":
                await self._know(session, {"beats_per_bar": arguments["beats"]}, peer)
            case "chord":
                await self._know(session, {"chord": arguments["label"]}, peer)
            case "chart":
                await self._chart(session, arguments["chart"], peer)
            case "key" | "style" | "classes" | "injection" as told:
                await self._know(session, {told: arguments[told]}, peer)
            case "glide":
                await self._know(session, {"glide_s": arguments["glide_s"]}, peer)
            case "keep":
                await hub.keep(session, arguments["name"], peer=peer)
            case "recall":
                await hub.recall(session, arguments["name"], peer=peer)
            case "/lb/panic":
                for name in own or tuple(hub.sessions(peer=peer)):
                    await hub.set_control(name, "reset", 1, peer=peer)

    async def _set(self, session: str, control: str, value: float | int | str, peer: Peer) -> None:
        known = BY_NAME.get(control)
        if known is not None and known.kind == "trigger" and value == 0.0:
            return  # a button let go
        await self._hub.set_control(session, control, value, peer=peer)

    async def _tempo(self, session: str, bpm: float, peer: Peer) -> None:
        heard = self._heard.get(session, _Heard())
        told: dict[str, Any] = {"bpm": bpm} | ({"chart": heard.chart} if heard.chart and bpm else {})
        if heard.beat is not None and bpm:
            waited_s = self._position_s(session, peer) - heard.beat.position_s
            told |= heard.beat.known(bpm) if 0.0 <= waited_s <= _BEAT_WAITS_S else {}
        await self._know(session, told, peer)
        self._heard[session] = _Heard(bpm) if bpm else replace(heard, tempo_bpm=bpm)

    async def _chart(self, session: str, chart: str, peer: Peer) -> None:
        """A chart that comes before the tempo waits for it: patches send what they know in any order."""
        heard = self._heard.get(session, _Heard())
        try:
            await self._know(session, {"chart": chart}, peer)
        except HubError as error:
            waits = error.code == "bad_message" and not isfinite(self._told_tempo(session, peer))
            if not waits or not _can_be_read(chart):
                raise
            self._heard[session] = replace(heard, chart=chart)
            raise HubError(
                "bad_message",
                f"a chart counts bars: it waits until /lb/{session}/tempo tells how long they are",
            ) from None
        self._heard[session] = replace(heard, chart="")

    def _told_tempo(self, session: str, peer: Peer) -> float:
        """Tempo in bpm, NaN if nobody has told one."""
        told = self._heard.get(session, _Heard()).tempo_bpm
        tempo = told if isfinite(told) else float(self._hub.status(session, peer=peer)["tempo"])
        return tempo if tempo > 0 else float("nan")

    async def _know(self, session: str, known: Mapping[str, Any], peer: Peer) -> None:
        try:
            clean, _ = check({"type": "know", "session": session, **known}, "in")
        except MessageError as error:
            raise HubError("bad_message", str(error)) from None
        await self._hub.know(clean, peer=peer)

    def _beat(self, session: str, arguments: Mapping[str, Any], peer: Peer) -> dict[str, Any]:
        """The first beat of a bar that puts a beat of the bar at the position the band has heard up to.

        Raises HubError: among others where the tempo is not known. Programs that send both for the same moment, each by itself,
        promise no order: such a beat waits for the tempo.
        """
        beats = arguments.get("beats_per_bar")
        if beats is not None and beats != int(beats):
            raise HubError("bad_message", f"{beats:g} beats per bar: a whole number is accepted")
        told = _Beat(
            arguments["beat"], self._position_s(session, peer), None if beats is None else int(beats)
        )
        tempo_bpm = self._told_tempo(session, peer)
        if not isfinite(tempo_bpm):
            self._heard[session] = replace(self._heard.get(session, _Heard()), beat=told)
            raise HubError(
                "bad_message",
                f"a beat says nothing without a tempo: it waits a second for /lb/{session}/tempo",
            )
        return told.known(tempo_bpm)

    def _position_s(self, session: str, peer: Peer) -> float:
        """What the band has heard up to. Raises HubError."""
        status = self._hub.sessions(peer=peer).get(session)
        if status is None:
            raise HubError("unknown_session", f"no session {session[:64]!r}, or it is not yours")
        return int(status["position"]) / int(status["rate_hz"])


def _can_be_read(chart: str) -> bool:
    try:
        parse_chart(chart)
    except LiveBandError:
        return False
    return True
