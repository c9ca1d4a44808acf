# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that anybody may have written: no longer and no deeper than it need be, every number finite."""

import json
import math
from typing import Any, NoReturn

MOST_CHARACTERS = 1 << 16
MOST_DEPTH = 16
_LARGEST_INTEGER = 1 << 64


def read_json(text: str | bytes) -> Any:
    """What the text says. Raises ValueError, and nothing else: not JSON, too long, too deep, or NaN, infinite, huge."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"longer than {MOST_CHARACTERS} characters")
    try:
        value = json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_integer)
    except RecursionError:
        raise ValueError(f"nested deeper than {MOST_DEPTH}") from None
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [below for item in level if isinstance(item, dict | list) for below in _inside(item)]
        if not level:
            return value
    raise ValueError(f"nested deeper than {MOST_DEPTH}")


def _inside(item: dict[str, Any] | list[Any]) -> list[Any]:
    return list(item.values()) if isinstance(item, dict) else item


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text[:40])


def _integer(text: str) -> int:
    value = int(text)
    return value if abs(value) <= _LARGEST_INTEGER else _no_number(text[:40])
