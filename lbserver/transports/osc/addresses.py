# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address of the protocol's table a message is for, and its arguments by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from lbserver.protocol.osc import ADDRESSES, Address
from lbserver.transports.osc.packet import Argument, Message, OscError, message

Value = int | float | str | bytes

_NUMBERS = "ihfdTF"
_ACCEPTED = {"i": _NUMBERS, "h": _NUMBERS, "f": _NUMBERS, "s": "s", "b": "b", "v": _NUMBERS + "s"}
_WORDS = {
    "i": "a whole number",
    "h": "a whole number",
    "f": "a number",
    "s": "text",
    "b": "a blob",
    "v": "a number or text",
}
_LONGEST_TEXT = 4096


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a message asks: the table's pattern, names from the address (session, control), arguments by name."""

    pattern: str
    names: dict[str, str]
    arguments: dict[str, Value]


@dataclass(frozen=True)
class _Parameter:
    kind: str
    name: str
    optional: bool


def _parameters(address: Address) -> tuple[_Parameter, ...]:
    return tuple(
        _Parameter(kind, name.removesuffix("?"), name.endswith("?"))
        for kind, name in (word.split(":") for word in address.arguments.split())
    )


def _table(direction: str) -> dict[tuple[int, str], tuple[list[str], tuple[_Parameter, ...], str]]:
    """The patterns of a direction by their number of parts and the last part that is no name."""
    table = {}
    for address in ADDRESSES:
        if address.direction in (direction, "both"):
            parts = address.pattern.split("/")[1:]
            fixed = [part for part in parts if not part.startswith("<")]
            table[len(parts), fixed[-1]] = (parts, _parameters(address), address.pattern)
    return table


_TABLE = {direction: _table(direction) for direction in ("in", "out")}
PARAMETERS = {address.pattern: _parameters(address) for address in ADDRESSES}


def understand(one: Message, direction: str = "in") -> Call:
    """The call in a message. Raises OscError naming the argument, and KeyError for an address that is not in the table."""
    parts = one.address.split("/")[1:]
    table = _TABLE[direction]
    # A pattern ends in a word, or in a name behind a word.
    for last in parts[:-3:-1]:
        pattern, parameters, name = table.get((len(parts), last), ((), (), ""))
        names = _names(pattern, parts)
        if names is not None:
            return Call(pattern=name, names=names, arguments=_arguments(one, parameters))
    raise KeyError(one.address)


def compose(pattern: str, *arguments: Argument, **names: str) -> Message:
    """A message of ours, its types as in the table: numbers become what the table says."""
    address = pattern
    for name, part in names.items():
        address = address.replace(f"<{name}>", part)
    tags: list[str] = []
    values: list[Argument] = []
    for parameter, value in zip(PARAMETERS[pattern], arguments, strict=False):
        tag = parameter.kind if parameter.kind != "v" else message("/", value).tags
        tags.append(tag)
        values.append(float(value) if tag == "f" and isinstance(value, int) else value)
    return Message(address, "".join(tags), tuple(values))


def _names(pattern: Sequence[str], parts: Sequence[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    names = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("<"):
            names[expected[1:-1]] = part
        elif expected != part:
            return None
    return names


def _arguments(one: Message, parameters: tuple[_Parameter, ...]) -> dict[str, Value]:
    needed = sum(not parameter.optional for parameter in parameters)
    if not needed <= len(one.arguments) <= len(parameters):
        names = " ".join(parameter.name for parameter in parameters) or "nothing"
        raise OscError(f"{one.address} takes {names}, got {len(one.arguments)} arguments")
    return {
        parameter.name: _value(one.address, parameter, tag, value)
        for parameter, tag, value in zip(parameters, one.tags, one.arguments, strict=False)
    }


def _value(address: str, parameter: _Parameter, tag: str, value: Argument) -> Value:
    good = tag in _ACCEPTED[parameter.kind] and value is not None
    if good and not isinstance(value, str | bytes):
        assert value is not None
        if isinstance(value, float) and not isfinite(value):
            good = False
        elif parameter.kind in "ih":
            good = int(value) == value
            value = int(value) if good else value
        elif parameter.kind == "f" or isinstance(value, bool):
            value = float(value)
    if isinstance(value, str) and (len(value) > _LONGEST_TEXT or not value.replace("\n", " ").isprintable()):
        good = False
    if not good or value is None:
        raise OscError(f"{address}: {parameter.name} must be {_WORDS[parameter.kind]}")
    return value
