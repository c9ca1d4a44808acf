# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tool such as an OSCQuery browser finds: every control, its range and its value."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from lbmodels.contract.stems import STEMS
from lbserver.protocol.controls import CONTROLS
from lbserver.protocol.status import STATUS
from lbserver.transports.http import HttpConfig, http_server
from lbserver.transports.osc.addresses import understand
from lbserver.transports.osc.oscquery import describe, describer
from lbserver.transports.osc.packet import Message

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
        assert set(session["set"]["CONTENTS"]) == {one.name for one in CONTROLS if one.acts != "epoch"}
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
    assert not info["EXTENSIONS"]["LISTEN"]


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


@pytest.mark.parametrize("path", ["//", "/lb/", "lb", "/lb//guitar"])
def test_odd_paths_are_answered(path: str) -> None:
    assert describe(path, "", SESSIONS).status in (200, 404)
