# SPDX-License-Identifier: GPL-3.0-or-later
"""OSCQuery's LISTEN: values as OSC messages over a WebSocket when they change, for the addresses that were named.

After the OSCQuery proposal (Vidvox): text messages `{"COMMAND": "LISTEN", "DATA": "/address"}` and `IGNORE` from the tool,
binary ones, an OSC packet each, to it.
"""

import asyncio
from collections.abc import Mapping
from math import isnan

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, RejectConnection, Request, TextMessage
from wsproto.events import BytesMessage as Binary
from wsproto.utilities import ProtocolError

from lbserver.files.documents import read_json
from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.protocol import limits
from lbserver.protocol.controls import BY_NAME, ControlInfo
from lbserver.transports.osc.packet import message, write

Value = float | int | bool | str

_LARGEST_COMMAND_BYTES = 4096
_READ_BYTES = 4096
_MONITOR = Peer(kind="osc", identity="oscquery", trusted=True)


class Listener:
    """The addresses that one tool listens to, and what it was told of each last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._told: dict[str, Value | None] = {}

    def take(self, command: str) -> None:
        """A text message; what is none of the commands does nothing."""
        try:
            said = read_json(command)
        except ValueError:
            return
        if not isinstance(said, Mapping) or not isinstance(address := said.get("DATA"), str):
            return
        if said.get("COMMAND") == "LISTEN" and len(self._told) < limits.OSC_LISTENED:
            self._told.setdefault(address, None)
        elif said.get("COMMAND") == "IGNORE":
            self._told.pop(address, None)

    def changed(self) -> list[bytes]:
        """An OSC packet for each value that is another than it was."""
        packets = []
        seen: dict[tuple[str, str], Mapping[str, Value]] = {}
        for address, before in self._told.items():
            value = self._value(address, seen)
            if value is not None and value != before:
                self._told[address] = value
                packets.append(write(message(address, value)))
        return packets

    def _value(self, address: str, seen: dict[tuple[str, str], Mapping[str, Value]]) -> Value | None:
        match address.split("/"):
            case ["", "lb", session, "set" | "status" as kind, name]:
                pass
            case _:
                return None
        if (session, kind) not in seen:
            try:
                if kind == "status":
                    seen[session, kind] = self._hub.status(session, peer=_MONITOR)
                else:
                    seen[session, kind] = self._hub.controls(session, peer=_MONITOR)
            except HubError:
                seen[session, kind] = {}
        value = seen[session, kind].get(name)
        if value is None or (isinstance(value, float) and isnan(value)):
            return None
        return value if kind == "status" else control_as_told(BY_NAME[name], float(value))


def control_as_told(control: ControlInfo, value: float) -> Value:
    """A control's number as OSC tells it: a choice by its word, a switch as true or false."""
    match control.kind:
        case "choice":
            return control.choices[int(value)]
        case "bool":
            return bool(value)
        case "int" | "trigger":
            return int(value)
    return float(value)


async def listen(
    hub: Hub, request: h11.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Be one tool's WebSocket until either side ends it. Raises OSError."""
    line = WSConnection(ConnectionType.SERVER)
    headers = [(bytes(name), bytes(value)) for name, value in request.headers]
    try:
        line.initiate_upgrade_connection(headers, request.target.decode("ascii", "replace"))
        if not any(isinstance(event, Request) for event in line.events()):
            return
        writer.write(line.send(AcceptConnection()))
    except ProtocolError:
        writer.write(line.send(RejectConnection(status_code=400)))
        return
    listener = Listener(hub)
    pushing = asyncio.create_task(_push(listener, line, writer))
    try:
        await _hear(listener, line, reader, writer)
    except ProtocolError:
        pass
    finally:
        pushing.cancel()
        await asyncio.gather(pushing, return_exceptions=True)


async def _push(listener: Listener, line: WSConnection, writer: asyncio.StreamWriter) -> None:
    while True:
        for packet in listener.changed():
            writer.write(line.send(Binary(data=packet)))
        await writer.drain()
        await asyncio.sleep(limits.OSC_STATUS_S)


async def _hear(
    listener: Listener, line: WSConnection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    command = ""
    while data := await reader.read(_READ_BYTES):
        line.receive_data(data)
        for event in line.events():
            if isinstance(event, TextMessage):
                command += event.data
                if len(command) > _LARGEST_COMMAND_BYTES:
                    writer.write(line.send(CloseConnection(code=1009)))
                    return
                if event.message_finished:
                    listener.take(command)
                    command = ""
            elif isinstance(event, Ping):
                writer.write(line.send(event.response()))
                await writer.drain()  # who reads no answers is not read either
            elif isinstance(event, CloseConnection):
                writer.write(line.send(event.response()))
                return
