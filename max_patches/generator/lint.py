# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a patch: addresses, controls, what is reached, what is seen, lines. Judges the JSON, not the board."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from lbserver.protocol.controls import BY_NAME, CONTROLS
from lbserver.protocol.osc import ADDRESSES
from max_patches.generator.views import WINDOW, plugin_number

_TOLD = {parts[-1] for address in ADDRESSES if len(parts := address.pattern.split("/")) == 4}
_TO_SIDECAR = {"set", "run", "host", "port", "session", "protocol", "panic", "rate", "playhead", *_TOLD,
               *(name for name, _, _ in WINDOW)}  # fmt: skip
WIDGETS = {"live.dial", "live.numbox", "live.menu", "live.text"}

Boxes = dict[str, Mapping[str, Any]]


def boxes_of(tree: Mapping[str, Any]) -> Boxes:
    """Boxes by id."""
    return {box["box"]["id"]: box["box"] for box in tree["patcher"]["boxes"]}


def texts(tree: Mapping[str, Any]) -> list[str]:
    """What stands in object and message boxes."""
    return [box["text"] for box in boxes_of(tree).values() if box["maxclass"] in ("newobj", "message")]


def address_faults(text: str, directions: tuple[str, ...] = ("in", "both")) -> Iterator[str]:
    """Literal addresses in a text that the table lacks, or controls."""
    known = {address.pattern for address in ADDRESSES if address.direction in directions}
    for found in re.findall(r"/lb/[^\s\"'`,;)]*", text):
        parts = found.split("/")[1:]
        if re.fullmatch(r"\*|%s|\$\{\w+\}|<session>", parts[1]):
            parts[1] = "<session>"
        if parts[2:3] == ["set"] and len(parts) == 4:
            if parts[3] not in BY_NAME and parts[3] not in ("<control>", "${control}"):
                yield f"{found}: there is no control {parts[3]}"
            parts[3] = "<control>"
        if "/" + "/".join(parts) not in known:
            yield f"{found}: there is no such address"


def address_lint(tree: Mapping[str, Any]) -> Iterator[str]:
    """Every address that a box says is one that the server hears."""
    for text in texts(tree):
        yield from address_faults(text)
        match text.split():
            case ["prepend", "set", name] if not name.startswith("/") and name not in BY_NAME:
                yield f"{text}: there is no control {name}"


def _sinks(tree: Mapping[str, Any]) -> dict[str, set[tuple[str, int]]]:
    after = defaultdict(set)
    for line in tree["patcher"]["lines"]:
        (source, _), (target, inlet) = line["patchline"]["source"], line["patchline"]["destination"]
        after[source].add((target, inlet))
    return after


def _ends(boxes: Boxes, after: dict[str, set[tuple[str, int]]], key: str) -> set[str]:
    """The objects that a box's lines lead to, a gate looked through."""
    found = set()
    for target, inlet in after[key]:
        name = boxes[target].get("text", "").split(" ")[0]
        found |= _ends(boxes, after, target) if (name, inlet) == ("gate", 1) else {name}
    return found


def reach_lint(tree: Mapping[str, Any], *, epoch: bool) -> Iterator[str]:
    """Every control has one widget in the presentation whose line ends at the band, under the control's own name.

    epoch: whether the front end sets the controls that begin a new epoch too.
    """
    boxes, after = boxes_of(tree), _sinks(tree)
    for control in CONTROLS:
        if control.acts == "epoch" and not epoch:
            continue
        shown = [
            key
            for key, box in boxes.items()
            if box.get("varname") == control.name and box["maxclass"] in WIDGETS and box.get("presentation")
        ]
        if len(shown) != 1:
            yield f"{control.name}: {len(shown)} widgets in the presentation, one is wanted"
            continue
        names = {
            f"prepend /lb/*/set/{control.name}",
            f"prepend set {control.name}",
            f"prepend {plugin_number(control)}",
        }
        seen, front, ends = set(), [shown[0]], set()
        while front:
            key = front.pop()
            for target, _ in after[key] - seen:
                seen.add((target, 0))
                text = boxes[target].get("text", "")
                if text in names:
                    ends |= _ends(boxes, after, target)
                elif text.split(" ")[0] in ("scale", "expr", "1."):
                    front.append(target)
        if not ends & {"udpsend", "node.script", "vst~"}:
            yield f"{control.name}: its widget does not reach the band"


def view_lint(tree: Mapping[str, Any]) -> Iterator[str]:
    """What is seen lies inside the view, and nothing on another thing."""
    _, _, width, height = tree["patcher"]["rect"]
    seen = [box for box in boxes_of(tree).values() if box.get("presentation")]

    def name(box: Mapping[str, Any]) -> str:
        return str(box.get("varname") or box.get("text") or box["id"])

    for box in seen:
        x, y, w, h = box["presentation_rect"]
        if x < 0 or y < 0 or x + w > width or y + h > height:
            yield f"{name(box)} leaves the view of {width:g} x {height:g}"
        if box["maxclass"] == "comment" and len(box["text"]) * box["fontsize"] * 0.5 > w:
            yield f"{name(box)!r}: the words do not fit {w:g}"
    for one, other in combinations(seen, 2):
        (ax, ay, aw, ah), (bx, by, bw, bh) = one["presentation_rect"], other["presentation_rect"]
        if ax < bx + bw and bx < ax + aw and ay < by + bh and by < ay + ah:
            yield f"{name(one)} lies on {name(other)}"


def line_lint(tree: Mapping[str, Any]) -> Iterator[str]:
    """Lines end at boxes and ports that are there; boxes that work are on a line."""
    boxes = boxes_of(tree)
    if len(boxes) != len(tree["patcher"]["boxes"]):
        yield "an id is there twice"
    touched, said = set(), set()
    for line in tree["patcher"]["lines"]:
        ends = line["patchline"]["source"], line["patchline"]["destination"]
        if str(ends) in said:
            yield f"the line {ends} is there twice"
        said.add(str(ends))
        for (key, port), count in zip(ends, ("numoutlets", "numinlets"), strict=True):
            touched.add(key)
            if key not in boxes or not 0 <= port < boxes[key][count]:
                yield f"a line to or from {key} {port}: there is nothing"
    for key, box in boxes.items():
        if (
            key not in touched
            and box["maxclass"] != "comment"
            and not str(box.get("text", "")).startswith("buffer~")
        ):
            yield f"{box.get('text', box['maxclass'])}: on no line"


def sidecar_lint(tree: Mapping[str, Any]) -> Iterator[str]:
    """What is said to the sidecar is what it hears, and what it says is routed."""
    boxes = boxes_of(tree)
    for line in tree["patcher"]["lines"]:
        source, target = (boxes[line["patchline"][end][0]] for end in ("source", "destination"))
        if target.get("text", "").startswith("node.script") and source.get("text", "").startswith("prepend "):
            word = source["text"].split(" ")[1]
            if word not in _TO_SIDECAR:
                yield f"{source['text']}: the sidecar hears no {word}"


def varname_lint(tree: Mapping[str, Any]) -> Iterator[str]:
    """A name stands for one box: Max gives a second one another name, and what is stored is lost."""
    names = [box["varname"] for box in boxes_of(tree).values() if "varname" in box]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: two boxes have this name"


def lint(tree: Mapping[str, Any], *, epoch: bool = False) -> list[str]:
    """All that is wrong, in words."""
    every = (address_lint(tree), reach_lint(tree, epoch=epoch), view_lint(tree), line_lint(tree), sidecar_lint(tree), varname_lint(tree))  # fmt: skip
    return [fault for faults in every for fault in faults]
