# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool such as an OSCQuery browser finds: every control, its range and its value."""

import asyncio
import json
import socket
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection, events

from lbmodels.contract.stems import STEMS
from lbserver.hub.hub import HubError
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.status import STATUS
from lbserver.transports.http import HttpConfig, http_server
from lbserver.transports.osc.addresses import understand
from lbserver.transports.osc.listening import listen
from lbserver.transports.osc.oscquery import describe, describer
from lbserver.transports.osc.packet import Message, parse

SESSIONS = {
    "guitar": {"state": "playing", "tempo": float("nan"), "latency_samples": 480, "rtf": 12.5},
    "keys.2": {"state": "late", "tempo": 120.0, "latency_samples": 0, "rtf": 9.0},
}
VALUES = {control.name: control.default for control in CONTROLS}


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("CONTENTS", {}).values():
        yield from nodes(inner)


def whole() -> dict[str, Any]:
    described = describe("/", "", SESSIONS, values=lambda _name: VALUES)
    assert described.status == 200
    return described.content


def test_the_tree_is_json_and_every_node_lies_at_its_path() -> None:
    tree = json.loads(json.dumps(whole(), allow_nan=False))
    for node in nodes(tree):
        assert describe(node["FULL_PATH"], "", SESSIONS, values=lambda _name: VALUES).content == node
        assert node["ACCESS"] in (0, 1, 2, 3)
        assert ("CONTENTS" in node) == (node["ACCESS"] == 0)
        if "VALUE" in node:
            assert node["ACCESS"] & 1
            assert len(node["VALUE"]) == len(node["TYPE"])


def test_every_control_and_figure_of_every_session_is_there() -> None:
    for name in SESSIONS:
        session = describe(f"/lb/{name}", "", SESSIONS).content["CONTENTS"]
        assert set(session["set"]["CONTENTS"]) == {one.name for one in CONTROLS}
        assert set(session["status"]["CONTENTS"]) == {one.name for one in STATUS}
        assert {"tempo", "beat", "chord", "chart", "key", "keep", "recall"} <= set(session)


def test_what_can_be_written_is_understood_by_the_server_with_the_types_it_names() -> None:
    """A description that the server itself would refuse."""
    examples = {"f": 0.5, "i": 1, "s": "C", "T": True, "v": 0.5}
    written = [node for node in nodes(whole()) if node["ACCESS"] & 2]
    assert len(written) > 20
    for node in written:
        tags = node.get("TYPE", "")
        tags_sent = tags.replace("v", "f")
        understand(Message(node["FULL_PATH"], tags_sent, tuple(examples[tag] for tag in tags)))


def test_ranges_units_and_values_are_those_of_the_table() -> None:
    gain = describe("/lb/guitar/set/gain", "", SESSIONS, values=lambda _name: VALUES).content
    assert gain["RANGE"] == [{"MIN": -60.0, "MAX": 24.0}]
    assert gain["UNIT"] == ["dB"]
    assert gain["VALUE"] == [0.0]
    assert gain["CLIPMODE"] == ["none"]
    assert gain["TYPE"] == "f"
    stem = describe("/lb/guitar/set/stem", "", SESSIONS, values=lambda _name: VALUES).content
    assert (stem["RANGE"], stem["VALUE"]) == ([{"VALS": list(STEMS)}], ["bass"])
    freeze = describe("/lb/guitar/set/freeze", "", SESSIONS, values=lambda _name: VALUES).content
    assert (freeze["TYPE"], freeze["VALUE"]) == ("T", [False])


def test_questions_for_one_attribute() -> None:
    assert describe("/lb/guitar/status/rtf", "VALUE", SESSIONS) == (200, {"VALUE": [12.5]})
    assert describe("/lb/guitar/status/tempo", "VALUE", SESSIONS).status == 204  # nobody knows the tempo
    assert describe("/lb/nobody", "", SESSIONS).status == 404
    assert describe("/lb/guitar/set/gain/x", "", SESSIONS).status == 404
    assert describe("/lb", "COLOUR", SESSIONS).status == 400
    info = describe("/anything", "HOST_INFO", SESSIONS, osc_port=1234).content
    assert info["OSC_PORT"] == 1234
    assert info["EXTENSIONS"]["RANGE"]
    assert info["EXTENSIONS"]["LISTEN"]


def test_over_http_with_a_hubs_own_values() -> None:
    class Watched:
        def sessions(self, *, peer: object = None) -> dict[str, Any]:
            return SESSIONS

        def controls(self, session: str, *, peer: object) -> dict[str, float]:
            return VALUES | {"gain": -6.0}

    async def test() -> None:
        hub: Any = Watched()
        config = HttpConfig(port=0, describe=describer(hub, 4711))
        async with http_server(hub, config) as server:
            url = f"http://127.0.0.1:{server.address[1]}"

            def get(path: str) -> Any:
                with urllib.request.urlopen(url + path, timeout=60) as answer:
                    return json.load(answer)

            assert (await asyncio.to_thread(get, "/?HOST_INFO"))["OSC_PORT"] == 4711
            assert (await asyncio.to_thread(get, "/lb/guitar/set/gain?VALUE")) == {"VALUE": [-6.0]}
            assert "guitar" in (await asyncio.to_thread(get, "/lb"))["CONTENTS"]

    asyncio.run(test())


class Tool:
    """A tool's WebSocket, over a plain socket."""

    def __init__(self, port: int, **headers: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.line = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        self.say(events.Request(host=f"localhost:{port}", target="/", extra_headers=extra))

    def say(self, event: events.Event) -> None:
        self.socket.sendall(self.line.send(event))

    def command(self, word: str, address: str) -> None:
        self.say(events.TextMessage(data=json.dumps({"COMMAND": word, "DATA": address})))

    def next(self) -> events.Event:
        while True:
            for event in self.line.events():
                return event
            self.line.receive_data(self.socket.recv(1 << 16))

    def heard(self) -> Message:
        """The next value."""
        event = self.next()
        assert isinstance(event, events.BytesMessage)
        return parse(bytes(event.data))  # type: ignore[return-value]


def test_a_tool_listens_to_what_it_named_and_hears_it_when_it_changes() -> None:
    """Catches faders of a surface that show what they were set to rather than what holds, and a flood of what does not change."""
    values = VALUES | {"gain": -6.0}

    class Watched:
        def sessions(self, *, peer: object = None) -> dict[str, Any]:
            return SESSIONS

        def controls(self, session: str, *, peer: object) -> dict[str, float]:
            if session not in SESSIONS:
                raise HubError("unknown_session", "no")
            return values

        def status(self, session: str, *, peer: object) -> dict[str, Any]:
            return SESSIONS[session]

    async def test() -> None:
        hub: Any = Watched()
        config = HttpConfig(port=0, describe=describer(hub, 4711), listen=partial(listen, hub))
        async with http_server(hub, config) as server:

            def play() -> None:
                tool = Tool(server.address[1])
                assert isinstance(tool.next(), events.AcceptConnection)
                for address in (
                    "/lb/nobody/set/gain",
                    "lb/guitar/set/gain",  # no address that a packet can have
                    "/lb/guitar/set/gain/ä",
                    "/lb/guitar/status/tempo",
                    "/lb",
                    "/lb/guitar/set/gain",
                ):
                    tool.command("LISTEN", address)
                assert tool.heard() == Message("/lb/guitar/set/gain", "f", (-6.0,))
                tool.say(events.TextMessage(data="[[[no command"))
                tool.command("LISTEN", "/lb/keys.2/status/tempo")
                assert tool.heard() == Message("/lb/keys.2/status/tempo", "f", (120.0,))
                tool.command("LISTEN", "/lb/guitar/set/stem")
                assert tool.heard() == Message("/lb/guitar/set/stem", "s", ("bass",))
                values["gain"] = 3.0
                assert tool.heard() == Message("/lb/guitar/set/gain", "f", (3.0,))
                tool.command("IGNORE", "/lb/guitar/set/gain")
                tool.say(events.Ping(b"x"))
                assert isinstance(tool.next(), events.Pong)
                tool.say(events.TextMessage(data="x" * 10_000))
                assert isinstance(tool.next(), events.CloseConnection)
                tool.socket.close()
                port = server.address[1]
                own = Tool(port, Origin=f"http://localhost:{port}")
                assert isinstance(own.next(), events.AcceptConnection)
                own.socket.close()
                for origin in (
                    "https://example.org",
                    f"http://127.0.0.1:{port + 1}",
                    "http://localhost",
                    "null",
                ):
                    page = Tool(port, Origin=origin)  # another port of this machine is another's page
                    refused = page.next()
                    assert isinstance(refused, events.RejectConnection), origin
                    assert refused.status_code == 403
                    page.socket.close()

            await asyncio.to_thread(play)

    asyncio.run(test())


@pytest.mark.parametrize("path", ["//", "/lb/", "lb", "/lb//guitar"])
def test_odd_paths_are_answered(path: str) -> None:
    assert describe(path, "", SESSIONS).status in (200, 404)
