# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch while it is written: boxes with their ports, lines, and where they lie in both views. Over py2max.

py2max's reference of objects gives counts that do not hold for every argument (`udpsend` has an inlet, `route` as many
outlets as it has words, `node.script` is missing), so ports are said here.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from py2max import Box, Patcher

Rect = tuple[float, float, float, float]
"""x, y, width, height."""

INK, PAPER, DIM, LIT = (0.93, 0.94, 0.95, 1.0), (0.10, 0.11, 0.13, 1.0), (0.62, 0.66, 0.70, 1.0), (0.36, 0.78, 0.62, 1.0)  # fmt: skip

_PORTS: dict[str, tuple[int, str]] = {
    # inlets, and a letter for each outlet: ~ signal, b bang, i int, f float, - anything
    "udpsend": (1, ""),
    "prepend": (1, "-"),
    "sprintf": (1, "-"),
    "loadbang": (1, "b"),
    "loadmess": (1, "-"),
    "deferlow": (1, "-"),
    "gate": (2, "-"),
    "delay": (2, "b"),
    "change": (1, "iii"),
    "metro": (2, "b"),
    "transport": (2, "iifff-ifi"),
    "vst~": (2, "~~-----"),
    "node.script": (1, "--"),
    "js": (1, "-"),
    "count~": (2, "~"),
    "buffer~": (1, "fb"),
    "poke~": (3, "~"),
    "index~": (2, "~"),
    "snapshot~": (2, "f"),
    "dspstate~": (1, "iffi"),
    "plugin~": (2, "~~"),
    "plugout~": (2, "~~"),
    "adc~": (1, "~~"),
    "dac~": (2, ""),
    "*~": (2, "~"),
    "+~": (2, "~"),
    "expr": (1, "f"),
    "live.thisdevice": (1, "bii"),
}
_KINDS = {"~": "signal", "b": "bang", "i": "int", "f": "float", "-": ""}


@dataclass(frozen=True)
class Node:
    """A box: its id and how many ports it has."""

    id: str
    inlets: int
    outlets: int


def ports(text: str) -> tuple[int, str]:
    """Inlets and kinds of outlets of an object box.

    Raises ValueError for an object that the table lacks.
    """
    name, *words = text.split(" ")
    match name:
        case "route":
            return 1, "-" * (len(words) + 1)
        case "t" | "trigger":
            return 1, "".join({"b": "b", "i": "i", "f": "f"}.get(word, "-") for word in words)
        case "pack" | "pak" | "join":
            return max(1, len(words)), "-"
        case "unpack":
            return 1, "-" * len(words)
        case "inlet" | "inlet~":
            return 0, "-"
        case "outlet" | "outlet~":
            return 1, ""
        case "scale":
            return 6, "-"
        case "s" | "send":
            return 1, ""
        case "r" | "receive":
            return 0, "-"
    if name not in _PORTS:
        raise ValueError(f"{name}: its ports are not said")
    return _PORTS[name]


class Board:
    """A patcher that grows. In patching view boxes go down columns; in presentation they lie where they are put.

    own: what names of sends and buffers begin with, so that two of a kind do not meet: `#0-` in a patch, `---` in a
    device of Live's.
    """

    def __init__(self, title: str, size: tuple[float, float], about: str, *, own: str = "#0-") -> None:
        self.title, self.size, self.own = title, size, own
        self.patcher = Patcher(
            f"{title}.maxpat", title=title, openinpresentation=1, on_invalid="ignore", validate_attrs=False
        )
        self.patcher.rect = [60.0, 80.0, size[0], size[1]]
        self.patcher.description = about
        self.patcher.bgcolor = self.patcher.editing_bgcolor = list(PAPER)
        self._column, self._row, self._ids = 0, 0, 0

    def column(self) -> None:
        """What follows stands in the next column of the patching view."""
        self._column, self._row = self._column + 1, 0

    def box(self, text: str, **attributes: Any) -> Node:
        """An object box."""
        inlets, outlets = ports(text)
        return self._add("newobj", inlets, outlets, text=text, **attributes)

    def message(self, text: str) -> Node:
        """A message box."""
        return self._add("message", 2, "-", text=text)

    def show(self, maxclass: str, rect: Rect, inlets: int, outlets: str, **attributes: Any) -> Node:
        """A box that is seen in the presentation."""
        return self._add(
            maxclass, inlets, outlets, presentation=1, presentation_rect=list(rect), **attributes
        )

    def label(self, text: str, rect: Rect, *, size: float = 12.0, colour: tuple[float, ...] = DIM) -> Node:
        """Words in the presentation; `set` changes them."""
        return self.show("comment", rect, 1, "", text=text, fontsize=size, textcolor=list(colour))

    def wire(self, source: Node, target: Node, *, outlet: int = 0, inlet: int = 0) -> None:
        """A line. Raises ValueError for a port that is not there."""
        if not (0 <= outlet < source.outlets and 0 <= inlet < target.inlets):
            raise ValueError(f"{source.id} {outlet} to {target.id} {inlet}: no such port")
        self.patcher.add_patchline(source.id, outlet, target.id, inlet)

    def chain(self, *nodes: Node) -> Node:
        """Lines from each first outlet to the next's first inlet; returns the last."""
        for source, target in pairwise(nodes):
            self.wire(source, target)
        return nodes[-1]

    def tree(self) -> dict[str, Any]:
        """The patcher as Max's JSON has it."""
        return self.patcher.to_dict()

    def _add(self, maxclass: str, inlets: int, outlets: str, **attributes: Any) -> Node:
        self._ids += 1
        node = Node(f"obj-{self._ids}", inlets, len(outlets))
        width = 44.0 + 6.6 * len(str(attributes.get("text", maxclass)))
        rect = [20.0 + 330.0 * self._column, 20.0 + 64.0 * self._row, min(310.0, max(60.0, width)), 22.0]
        if "presentation_rect" in attributes:
            rect[2:] = [
                min(310.0, attributes["presentation_rect"][2]),
                min(56.0, attributes["presentation_rect"][3]),
            ]
        self._row += 1
        kinds = {"outlettype": [_KINDS[one] for one in outlets]} if outlets else {}
        self.patcher.add_box(
            Box(
                id=node.id, maxclass=maxclass, numinlets=inlets, numoutlets=len(outlets), patching_rect=rect,
                **kinds, **attributes,
            )
        )  # fmt: skip
        return node
