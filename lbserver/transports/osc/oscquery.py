# SPDX-License-Identifier: GPL-3.0-or-later
"""OSCQuery: what can be sent and seen over OSC, as JSON, made from the protocol's tables and the sessions there are.

After the OSCQuery proposal (Vidvox): a tree of nodes by address, each with its attributes; `?ATTRIBUTE` asks for one
attribute of a node, `?HOST_INFO` for where OSC is spoken. Tools build their controls from it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any, TypeAlias

from lbserver.hub.hub import Hub, HubError, Peer
from lbserver.protocol.controls import CONTROLS, ControlInfo
from lbserver.protocol.osc import ADDRESSES, PORT, Address
from lbserver.protocol.status import STATUS, StatusInfo
from lbserver.transports.http import Described
from lbserver.transports.osc.addresses import PARAMETERS
from lbserver.transports.osc.listening import control_as_told

Node: TypeAlias = dict[str, Any]
Sessions: TypeAlias = Mapping[str, Mapping[str, float | int | str]]
Values: TypeAlias = Callable[[str], Mapping[str, float]]

READ, WRITE, BOTH = 1, 2, 3
ATTRIBUTES = (
    "FULL_PATH",
    "CONTENTS",
    "ACCESS",
    "TYPE",
    "RANGE",
    "UNIT",
    "DESCRIPTION",
    "VALUE",
    "CRITICAL",
    "CLIPMODE",
)
_SESSION = "/lb/<session>/"
_STREAMS = ("audio", "resend")  # nothing for a slider
_STATUS_TYPES = {"float": "f", "int": "i", "str": "s"}
_CONTROL_TYPES = {"float": "f", "int": "i", "trigger": "i", "bool": "T", "choice": "s"}


def describe(
    path: str, query: str, sessions: Sessions, *, values: Values = lambda _name: {}, osc_port: int = PORT
) -> Described:
    """The answer to a path and the query behind it. `values` gives a session's controls by name."""
    if query == "HOST_INFO":
        return Described(200, host_info(osc_port))
    node = tree(sessions, values)
    for part in path.strip("/").split("/") if path.strip("/") else ():
        node = node.get("CONTENTS", {}).get(part)
        if node is None:
            return Described(404, {"error": f"no such address: {path[:128]}"})
    if not query:
        return Described(200, node)
    if query not in ATTRIBUTES:
        return Described(400, {"error": f"no attribute {query[:40]!r}: HOST_INFO, {', '.join(ATTRIBUTES)}"})
    return Described(200, {query: node[query]}) if query in node else Described(204, None)


def describer(hub: Hub, osc_port: int) -> Callable[[str, str, Any], Described]:
    """`describe` with the values of a hub's controls, for the HTTP server."""
    monitor = Peer(kind="osc", identity="oscquery", trusted=True)

    def values(session: str) -> Mapping[str, float]:
        try:
            return hub.controls(session, peer=monitor)
        except HubError:
            return {}

    return partial(describe, values=values, osc_port=osc_port)


def host_info(osc_port: int) -> Node:
    """Where OSC is spoken, and which attributes there are."""
    return {
        "NAME": "LiveBand",
        "OSC_PORT": osc_port,
        "OSC_TRANSPORT": "UDP",
        "EXTENSIONS": {
            name: name in ATTRIBUTES or name == "LISTEN"
            for name in (
                "ACCESS",
                "VALUE",
                "RANGE",
                "DESCRIPTION",
                "UNIT",
                "CRITICAL",
                "TAGS",
                "CLIPMODE",
                "LISTEN",
            )
        },
    }


def tree(sessions: Sessions, values: Values) -> Node:
    """The whole address space."""
    contents = {name: _session(name, status, values(name)) for name, status in sessions.items()}
    contents["panic"] = _call(next(one for one in ADDRESSES if one.pattern == "/lb/panic"), "/lb/panic")
    root = _container("/", {"lb": _container("/lb", contents)})
    root["DESCRIPTION"] = "LiveBand"
    return root


def _session(name: str, status: Mapping[str, float | int | str], values: Mapping[str, float]) -> Node:
    base = f"/lb/{name}"
    contents: dict[str, Node] = {
        "set": _container(
            f"{base}/set",
            {one.name: _control(one, f"{base}/set/{one.name}", values) for one in CONTROLS},
        ),
        "status": _container(
            f"{base}/status", {one.name: _status(one, f"{base}/status/{one.name}", status) for one in STATUS}
        ),
    }
    for address in ADDRESSES:
        what = address.pattern.removeprefix(_SESSION)
        if address.direction == "in" and what != address.pattern and "/" not in what and what not in _STREAMS:
            contents[what] = _call(address, f"{base}/{what}")
    return _container(base, contents)


def _container(path: str, contents: dict[str, Node]) -> Node:
    return {"FULL_PATH": path, "ACCESS": 0, "CONTENTS": contents}


def _control(control: ControlInfo, path: str, values: Mapping[str, float]) -> Node:
    node: Node = {
        "FULL_PATH": path,
        "ACCESS": WRITE,
        "TYPE": _CONTROL_TYPES[control.kind],
        "DESCRIPTION": control.meaning,
        "CRITICAL": control.kind == "trigger",
    }
    if control.kind == "choice":
        node["RANGE"] = [{"VALS": list(control.choices)}]
    elif control.kind != "bool":
        numeric = float if control.kind == "float" else int
        node["RANGE"] = [{"MIN": numeric(control.minimum), "MAX": numeric(control.maximum)}]
        node["CLIPMODE"] = ["none"]  # what is out of range is refused, in words
    if control.unit:
        node["UNIT"] = [control.unit]
    if control.name in values and control.kind != "trigger":
        node |= {"ACCESS": BOTH, "VALUE": [control_as_told(control, values[control.name])]}
    return node


def _status(info: StatusInfo, path: str, status: Mapping[str, float | int | str]) -> Node:
    node: Node = {
        "FULL_PATH": path,
        "ACCESS": READ,
        "TYPE": _STATUS_TYPES[info.kind],
        "DESCRIPTION": info.meaning,
    }
    if info.unit:
        node["UNIT"] = [info.unit]
    value = status.get(info.name)
    if value is not None and (isinstance(value, str) or isfinite(value)):
        node["VALUE"] = [value]
    return node


def _call(address: Address, path: str) -> Node:
    node: Node = {"FULL_PATH": path, "ACCESS": WRITE, "DESCRIPTION": address.meaning, "CRITICAL": True}
    kinds = (parameter.kind for parameter in PARAMETERS[address.pattern])
    types = "".join({"l": "s", "I": ""}.get(kind, kind) for kind in kinds)  # a press needs no argument
    if types:
        node["TYPE"] = types
    return node
