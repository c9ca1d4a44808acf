# SPDX-License-Identifier: GPL-3.0-or-later
"""Which address of the protocol's table a message is for, and its arguments by name.

Senders differ in what they call a number: what each kind of argument is taken from is a table of the protocol.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from math import isfinite

from lbserver.protocol.controls import BY_NAME, CONTROLS, ControlInfo
from lbserver.protocol.messages import accepted, number_in, switch_in
from lbserver.protocol.osc import ADDRESSES, KINDS, LAST, Address
from lbserver.transports.osc.packet import Argument, Message, OscError, message
from lbserver.transports.osc.patterns import matching

Value = int | float | str | bytes

_SESSION = ["lb", "<session>"]
_STREAMS = ("audio", "resend")
_LONGEST_TEXT = 4096
_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a message asks: the table's pattern, names from the address (session, control), arguments by name."""

    address: str
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
_REACHED = [
    parts for parts, _, _ in _TABLE["in"].values() if parts[:2] == _SESSION and parts[2] not in _STREAMS
]
_SETTABLE = [control.name for control in CONTROLS if control.acts != "epoch"]
_DOORS = [parts[1] for parts, _, _ in _TABLE["in"].values() if len(parts) == 2]
_TOLD = ["/".join(parts[2:]) for parts, _, _ in _TABLE["in"].values() if parts[:2] == _SESSION]


def understand(one: Message, direction: str = "in") -> Call:
    """The call in a message. Raises OscError naming the argument, and KeyError for an address that is not in the table."""
    parts = one.address.split("/")[1:]
    table = _TABLE[direction]
    # A pattern ends in a word, or in a name behind a word.
    for last in parts[:-3:-1]:
        pattern, parameters, name = table.get((len(parts), last), ((), (), ""))
        names = _names(pattern, parts)
        if names is not None:
            arguments = _arguments(one, parameters, BY_NAME.get(names.get("control", "")))
            return Call(address=one.address, pattern=name, names=names, arguments=arguments)
    raise KeyError(one.address)


def meant(address: str, sessions: Iterable[str]) -> str:
    """The address with the name of the session that was opened last, where it says `last` and none is called so."""
    parts, names = address.split("/"), list(sessions)
    if len(parts) < 4 or parts[2] != LAST or LAST in names or not names:
        return address
    return "/".join((*parts[:2], names[-1], *parts[3:]))


def reached(address: str, sessions: Iterable[str]) -> list[str]:
    """The addresses of these sessions that an OSC pattern matches: what can be set or told, never streams.

    Raises OscError for a pattern that is not well formed.
    """
    wanted, names = address.split("/")[1:], list(sessions)
    found = []
    for parts in _REACHED:
        if len(parts) == len(wanted):
            words = ({"<session>": names, "<control>": _SETTABLE}.get(part, [part]) for part in parts)
            fitting = [matching(part, some) for part, some in zip(wanted, words, strict=True)]
            found += ["/" + "/".join(choice) for choice in product(*fitting)]
    return found


def known(address: str) -> str:
    """What there is instead of an address that is not in the table, in words."""
    parts = address.split("/")
    session = parts[2] if len(parts) > 3 else "<session>"
    near = get_close_matches(parts[-1][:_SHOWN], (*_TOLD, *_SETTABLE), n=1)
    likely = [f"/lb/{session}/{'set/' * (one in _SETTABLE)}{one}" for one in near]
    return "".join(f"did you mean {one}? " for one in likely) + (
        f"/lb/ takes {', '.join(_DOORS)}, /lb/<session>/ takes {', '.join(_TOLD)}"
    )


def compose(pattern: str, *arguments: Argument, **names: str) -> Message:
    """A message of ours, its types as in the table: numbers become what the table says."""
    address = pattern
    for name, part in names.items():
        address = address.replace(f"<{name}>", part)
    tags: list[str] = []
    values: list[Argument] = []
    for parameter, value in zip(PARAMETERS[pattern], arguments, strict=False):
        tag = {"l": "s"}.get(parameter.kind) or (
            parameter.kind if parameter.kind not in "vI" else message("/", value).tags
        )
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


def _arguments(
    one: Message, parameters: tuple[_Parameter, ...], control: ControlInfo | None
) -> dict[str, Value]:
    if control is not None and control.kind == "trigger":
        parameters = (_Parameter("I", "value", True),)
    atoms = list(one.atoms)
    if parameters and parameters[-1].kind == "l":  # whatever is left is its text
        first = len(parameters) - 1
        texts = [str(_value(one.address, parameters[-1], tag, value)) for tag, value in atoms[first:]]
        atoms[first:] = [("s", " ".join(texts))] if len(atoms) >= first else []
    needed = sum(not parameter.optional for parameter in parameters)
    if not needed <= len(atoms) <= len(parameters):
        names = " ".join(parameter.name for parameter in parameters) or "nothing"
        raise OscError(f"{one.address} takes {names}, got {len(atoms)} arguments")
    given = {
        parameter.name: _value(one.address, parameter, tag, value)
        for parameter, (tag, value) in zip(parameters, atoms, strict=False)
    }
    for missing in parameters[len(atoms) :]:
        if missing.kind == "I":
            given[missing.name] = 1.0
        elif missing.kind == "v":
            raise OscError(f"{one.address} takes a value{f': {accepted(control)}' if control else ''}")
    return given


def _value(address: str, parameter: _Parameter, tag: str, value: Argument) -> Value:
    kind = KINDS[parameter.kind]
    taken = _taken(parameter.kind, value) if tag in kind.taken else None
    if taken is None or (isinstance(taken, str) and not _is_text(taken)):
        raise OscError(f"{address}: {parameter.name} must be {kind.meaning}, not {_shown(tag, value)}")
    return taken


def _taken(kind: str, value: Argument) -> Value | None:
    """A value as its kind is taken, None if it cannot be."""
    if kind == "I":
        return _pressed(value)
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return None
    match kind:
        case "i" | "h" | "f":
            number = number_in(value) if isinstance(value, str) else value
            if number is None or isinstance(number, bytes):
                return None
            return float(number) if kind == "f" else _whole(number, 32 if kind == "i" else 63)
        case "s" | "l":
            return f"{value:.7g}" if isinstance(value, float) else str(value)
        case "v":
            return float(value) if isinstance(value, bool) else value
    return value


def _whole(number: float, bits: int) -> int | None:
    """A number without a fraction, if it has so many bits and a sign."""
    return int(number) if abs(number) < 1 << bits and number == int(number) else None


def _pressed(value: Argument) -> float | None:
    """1 for a press, 0 for a button let go, None for what is neither."""
    if value is None or value == "bang":
        return 1.0
    pressed = switch_in(value) if isinstance(value, str) else value
    return None if not isinstance(pressed, int | float) or pressed != pressed else float(pressed != 0)


def _is_text(text: str) -> bool:
    return len(text) <= _LONGEST_TEXT and text.replace("\n", " ").isprintable()


def _shown(tag: str, value: Argument) -> str:
    words = {"b": "a blob", "t": "a time tag", "T": "true", "F": "false", "N": "nil", "I": "a bang"}
    return words.get(tag, ascii(value)[:_SHOWN])
