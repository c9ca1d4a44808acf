# SPDX-License-Identifier: GPL-3.0-or-later
"""One widget for each kind of control, with the table's range, default and choices. Live's objects: they can be automated."""

from typing import Any

from lbserver.protocol.controls import ControlInfo
from max_patches.generator.board import INK, LIT, PAPER, Board, Node, Rect

_EXACT_WHOLE = 2**24 - 1
"""Max keeps a parameter in 32 bits: whole numbers beyond it would be others."""

CELL = (104.0, 84.0)
"""Width and height of a control with its name."""


def title(name: str) -> str:
    """A control's name for a reader: tempo_low as tempo low."""
    return name.replace("_", " ")


def largest(control: ControlInfo) -> float:
    """The greatest value that a parameter of Max's carries."""
    return min(control.maximum, _EXACT_WHOLE) if control.kind == "int" else control.maximum


def _parameter(name: str, kind: int, **more: Any) -> dict[str, Any]:
    names = {"parameter_longname": name, "parameter_shortname": title(name), "parameter_type": kind}
    return {
        "parameter_enable": 1,
        "varname": name,
        "saved_attribute_attributes": {"valueof": {**names, "parameter_initial_enable": 1, **more}},
    }


def control(board: Board, info: ControlInfo, x: float, y: float) -> Node:
    """The control's widget below its name; its first outlet gives the value in the control's own unit."""
    unit = f" ({info.unit})" if info.unit else ""
    width = CELL[0] - 8.0
    board.label(title(info.name) + unit, (x, y, width, 20.0), size=11.0)
    rect = (x, y + 22.0, width, 24.0)
    initial = {"parameter_initial": [info.default]}
    span = {"parameter_mmin": info.minimum, "parameter_mmax": largest(info)}
    if info.kind == "choice":
        names = {"parameter_enum": list(info.choices), "parameter_mmax": len(info.choices) - 1}
        return board.show(
            "live.menu", rect, 1, "--f", fontsize=12.0, **_parameter(info.name, 2, **names, **initial)
        )
    if info.kind == "bool":
        return toggle(board, info.name, rect, ("off", "on"), info.default)
    if info.kind == "trigger":
        return button(board, info.name, rect)
    if info.kind == "int":
        return board.show(
            "live.numbox", rect, 1, "-f", fontsize=12.0,
            **_parameter(info.name, 0, parameter_unitstyle=0, **span, **initial),
        )  # fmt: skip
    return board.show(
        "live.dial", (x, y + 20.0, width, 58.0), 1, "-f", fontsize=11.0, showname=0,
        activedialcolor=list(LIT), **_parameter(info.name, 0, parameter_unitstyle=1, **span, **initial),
    )  # fmt: skip


def button(board: Board, name: str, rect: Rect) -> Node:
    """A button that bangs."""
    return board.show(
        "live.text", rect, 1, "--", mode=0, text=title(name), texton=title(name), fontsize=12.0,
        **_parameter(name, 2, parameter_enum=["off", "on"], parameter_mmax=1),
    )  # fmt: skip


def toggle(board: Board, name: str, rect: Rect, words: tuple[str, str], default: float = 0.0) -> Node:
    """A switch that gives 0 or 1."""
    return board.show(
        "live.text", rect, 1, "--", mode=1, text=words[0], texton=words[1], fontsize=12.0,
        **_parameter(name, 2, parameter_enum=list(words), parameter_mmax=1, parameter_initial=[default]),
    )  # fmt: skip


def number(board: Board, name: str, rect: Rect, span: tuple[float, float, float]) -> Node:
    """A number box from `span[0]` to `span[1]`, at `span[2]` first; whole numbers if all three are."""
    low, high, initial = span
    whole = all(isinstance(one, int) for one in span)
    return board.show(
        "live.numbox", rect, 1, "-f", fontsize=14.0,
        **_parameter(
            name, int(whole), parameter_unitstyle=int(not whole), parameter_mmin=low, parameter_mmax=high,
            parameter_initial=[initial],
        ),
    )  # fmt: skip


def menu(board: Board, name: str, rect: Rect, words: tuple[str, ...], first: int = 0) -> Node:
    """A menu; its second outlet gives the word."""
    return board.show(
        "live.menu", rect, 1, "--f", fontsize=12.0,
        **_parameter(
            name, 2, parameter_enum=list(words), parameter_mmax=len(words) - 1, parameter_initial=[first]
        ),
    )  # fmt: skip


def entry(board: Board, name: str, rect: Rect, text: str = "") -> Node:
    """A line to type in, given on by return: all of it as one symbol, commas and bars in it included."""
    field = board.show(
        "textedit", rect, 1, "----", text=text, keymode=1, outputmode=1, lines=1, fontsize=14.0, varname=name,
        textcolor=list(INK), bgcolor=[*(2.2 * part for part in PAPER[:3]), 1.0],
    )  # fmt: skip
    typed = board.box("route text")
    return board.chain(field, typed)
