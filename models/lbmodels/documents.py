# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON, TOML, YAML and XML that anybody may have written: no longer and no deeper than it need be, every number finite."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable
from typing import Any, NoReturn
from xml.etree import ElementTree

MOST_CHARACTERS = 1 << 20
MOST_FIGURES_CHARACTERS = 1 << 28
"""Of results that we wrote ourselves, which list every excerpt."""
MOST_DEPTH = 32
MOST_XML_DEPTH = 64
_LARGEST_INTEGER = 1 << 64
_MOST_NUMBER_CHARACTERS = 64


def read_json(
    text: str | bytes,
    *,
    most_characters: int = MOST_CHARACTERS,
    pairs: Callable[[list[tuple[str, Any]]], dict[str, Any]] = dict,
) -> Any:
    """What the text says; `pairs` makes a table of its entries.

    Raises:
        ValueError: and nothing else: not JSON, too long, too deep, or a number that is NaN, infinite or huge.
    """
    _check_length(text, most_characters)
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=pairs)
    except RecursionError:
        raise _too_deep(MOST_DEPTH) from None
    _check(value)
    return value


def read_toml(text: str) -> dict[str, Any]:
    """The tables of the text.

    Raises:
        ValueError: and nothing else: not TOML, too long, too deep, or a number that is NaN, infinite or huge.
    """
    _check_length(text, MOST_CHARACTERS)
    try:
        tables = tomllib.loads(text, parse_float=_finite)
    except RecursionError:
        raise _too_deep(MOST_DEPTH) from None
    _check(tables)
    return tables


def read_yaml(text: str | bytes) -> Any:
    """What the text says: tables, lists, texts, numbers; a tuple is a list, and no other tag is taken.

    Raises:
        ValueError: and nothing else: not YAML, too long, too deep, with aliases or tags, or a huge number.
    """
    import yaml

    _check_length(text, MOST_CHARACTERS)
    text = text.decode("utf-8") if isinstance(text, bytes) else text
    text = re.sub(r"(?<=[:-]) +!!python/tuple(?=\s)", "", text)
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # events do not recurse, objects do
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MOST_DEPTH:
                raise _too_deep(MOST_DEPTH)
            check_scalar(event)
            if isinstance(event, yaml.AliasEvent):
                raise ValueError("aliases are not taken")  # noqa: TRY004 (the text's fault)
        value = yaml.load(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, TypeError, AttributeError) as error:
        raise ValueError(
            f"not YAML of tables, lists, texts and numbers: {' '.join(str(error).split())[:120]}"
        ) from None
    _check(value)
    return value


def check_scalar(event: Any) -> None:
    """A number of YAML that costs the square of its length: 1:1:1:... counts by sixties.

    Raises:
        ValueError: one of more than 64 characters.
    """
    value, tag = getattr(event, "value", ""), event.tag if hasattr(event, "tag") else None
    if len(value) <= _MOST_NUMBER_CHARACTERS:
        return
    read_as_number = event.implicit[0] and ":" in value and re.fullmatch(r"[-+0-9_:.]+", value)
    if read_as_number or str(tag).endswith((":int", ":float")):
        _no_number(f"{value[:40]}... of {len(value)} characters")


def read_xml(data: bytes, *, most_bytes: int) -> ElementTree.Element:
    """The root of a document; what its entities expand to is limited by the parser.

    Raises:
        ValueError: too long or too deep.
        ElementTree.ParseError: not XML.
    """
    _check_length(data, most_bytes)
    parser = ElementTree.XMLParser(target=_Shallow())
    parser.feed(data)
    root = parser.close()
    assert isinstance(root, ElementTree.Element)
    return root


class _Shallow(ElementTree.TreeBuilder):
    """Refuses what is nested too deep as soon as it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: Any, attrs: dict[Any, Any], /) -> ElementTree.Element:
        self._depth += 1
        if self._depth > MOST_XML_DEPTH:
            raise _too_deep(MOST_XML_DEPTH)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def _check_length(text: str | bytes, most: int) -> None:
    if len(text) > most:
        raise ValueError(f"longer than {most} characters")


def _check(value: Any) -> None:
    """Level by level, so that no stack grows. Raises ValueError."""
    level = [value]
    for _ in range(MOST_DEPTH):
        for item in level:
            if isinstance(item, int) and abs(item) > _LARGEST_INTEGER:
                _no_number(f"{item:.3g}" if abs(item) < 10**300 else "an integer of hundreds of digits")
        level = [below for item in level if isinstance(item, dict | list) for below in _inside(item)]
        if not level:
            return
    raise _too_deep(MOST_DEPTH)


def _inside(item: dict[str, Any] | list[Any]) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item


def _too_deep(most: int) -> ValueError:
    return ValueError(f"nested deeper than {most}")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text[:40])
