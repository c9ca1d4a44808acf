# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates for Open Stage Control (JSON) and TouchOSC (XML, zlib): every control, and status where it is shown. Not run."""

import json
import zlib
from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from xml.etree import ElementTree

from lbserver.protocol import osc
from lbserver.protocol.controls import CONTROLS, ControlInfo
from lbserver.protocol.status import BY_NAME as STATUS
from max_patches.generator.views import SHOWN
from max_patches.generator.widgets import largest, title

SESSION = "*"
"""Every session on the server's machine; write another name over it in the template."""
STEERED = tuple(control for control in CONTROLS if control.acts != "epoch")
_COLUMNS, _WIDTH, _HEIGHT = 5, 150, 90


def address(control: ControlInfo) -> str:
    """Where a control is set."""
    return f"/lb/{SESSION}/set/{control.name}"


def _place(index: int) -> tuple[int, int]:
    return 10 + index % _COLUMNS * (_WIDTH + 10), 10 + index // _COLUMNS * (_HEIGHT + 10)


def _stage_widget(control: ControlInfo, index: int) -> dict[str, Any]:
    x, y = _place(index)
    unit = f" ({control.unit})" if control.unit else ""
    widget: dict[str, Any] = {
        "id": control.name, "label": title(control.name) + unit, "left": x, "top": y, "width": _WIDTH,
        "height": _HEIGHT, "address": address(control), "target": [f"127.0.0.1:{osc.PORT}"], "default": control.default,
    }  # fmt: skip
    match control.kind:
        case "choice":
            return widget | {
                "type": "menu",
                "values": {word: number for number, word in enumerate(control.choices)},
            }
        case "trigger":
            return widget | {"type": "button", "mode": "tap", "on": 1, "off": 0}
        case "bool":
            return widget | {"type": "button", "mode": "toggle", "on": 1, "off": 0}
        case "int":
            return widget | {"type": "input", "numeric": True}
    return widget | {
        "type": "fader",
        "horizontal": True,
        "range": {"min": control.minimum, "max": control.maximum},
    }


def open_stage_control() -> bytes:
    """A session file."""
    widgets: list[dict[str, Any]] = [_stage_widget(control, index) for index, control in enumerate(STEERED)]
    rows = -(-len(STEERED) // _COLUMNS)
    for index, name in enumerate(SHOWN):
        x, y = 10 + index % 4 * 200, 20 + rows * (_HEIGHT + 10) + index // 4 * 60
        widgets.append({
            "type": "text", "id": f"status_{name}", "label": title(name) + (f" ({STATUS[name].unit})" if STATUS[name].unit else ""),
            "left": x, "top": y, "width": 190, "height": 50, "address": f"/lb/{SESSION}/status/{name}",
        })  # fmt: skip
    root = {"type": "root", "id": "root", "tabs": [], "widgets": widgets}
    return (json.dumps({"type": "session", "content": root}, indent=1) + "\n").encode()


def _property(parent: ElementTree.Element, kind: str, key: str, value: Any) -> None:
    one = ElementTree.SubElement(parent, "property", {"type": kind})
    ElementTree.SubElement(one, "key").text = key
    holder = ElementTree.SubElement(one, "value")
    if isinstance(value, dict):
        for name, part in value.items():
            ElementTree.SubElement(holder, name).text = str(part)
    else:
        holder.text = str(value)


def _node(
    kind: str, name: str, frame: tuple[int, int, int, int]
) -> tuple[ElementTree.Element, ElementTree.Element]:
    node = ElementTree.Element("node", {"ID": str(uuid5(NAMESPACE_URL, f"liveband/{name}")), "type": kind})
    properties = ElementTree.SubElement(node, "properties")
    _property(properties, "s", "name", name)
    _property(properties, "r", "frame", dict(zip("xywh", frame, strict=True)))
    return node, properties


def _touch_widget(control: ControlInfo, index: int) -> ElementTree.Element:
    kind = {"trigger": "BUTTON", "bool": "BUTTON"}.get(control.kind, "FADER")
    node, properties = _node(kind, control.name, (*_place(index), _WIDTH, _HEIGHT))
    if kind == "BUTTON":
        _property(properties, "i", "buttonType", 0 if control.kind == "trigger" else 2)
    else:
        _property(properties, "i", "orientation", 1)
    values = ElementTree.SubElement(node, "values")
    value = ElementTree.SubElement(values, "value")
    top = largest(control)
    share = (control.default - control.minimum) / (top - control.minimum)
    for key, text in (
        ("key", "x"),
        ("locked", "0"),
        ("lockedDefaultCurrent", "0"),
        ("default", f"{share:.6g}"),
    ):
        ElementTree.SubElement(value, key).text = text
    message = ElementTree.SubElement(ElementTree.SubElement(node, "messages"), "osc")
    for key, text in (
        ("enabled", "1"),
        ("send", "1"),
        ("receive", "1"),
        ("feedback", "0"),
        ("connections", "00001"),
    ):
        ElementTree.SubElement(message, key).text = text
    trigger = ElementTree.SubElement(ElementTree.SubElement(message, "triggers"), "trigger")
    ElementTree.SubElement(trigger, "var").text = "x"
    ElementTree.SubElement(trigger, "con").text = "ANY"
    _partial(ElementTree.SubElement(message, "path"), "CONSTANT", "STRING", address(control), 0, 1)
    whole = control.kind in ("choice", "int", "bool", "trigger")
    _partial(
        ElementTree.SubElement(message, "arguments"),
        "VALUE",
        "INTEGER" if whole else "FLOAT",
        "x",
        control.minimum,
        top,
    )
    return node


def _partial(
    parent: ElementTree.Element, kind: str, conversion: str, value: str, low: float, high: float
) -> None:
    one = ElementTree.SubElement(parent, "partial")
    for key, text in (
        ("type", kind),
        ("conversion", conversion),
        ("value", value),
        ("scaleMin", f"{low:g}"),
        ("scaleMax", f"{high:.8g}"),
    ):
        ElementTree.SubElement(one, key).text = text


def touch_osc() -> bytes:
    """A layout file."""
    rows = -(-len(STEERED) // _COLUMNS)
    size = (10 + _COLUMNS * (_WIDTH + 10), 10 + rows * (_HEIGHT + 10))
    root = ElementTree.Element("lexml", {"version": "3"})
    group, _ = _node("GROUP", "LiveBand", (0, 0, *size))
    root.append(group)
    children = ElementTree.SubElement(group, "children")
    children.extend(_touch_widget(control, index) for index, control in enumerate(STEERED))
    return zlib.compress(ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True), 9)


FILES: dict[str, Callable[[], bytes]] = {
    "LiveBand.open-stage-control.json": open_stage_control,
    "LiveBand.tosc": touch_osc,
}
"""Files by name. None of them was opened in its program."""
