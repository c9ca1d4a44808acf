# SPDX-License-Identifier: GPL-3.0-or-later
"""Frozen dataclasses from nested tables (TOML recipes, weights headers), unknown keys refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from lbmodels.errors import LiveBandModelError
from lbmodels.former_names import today

T = TypeVar("T")

_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a list"}


def _is(value: Any, kind: type) -> bool:
    """Whether a value may stand where `kind` is asked for: a whole number for a number, but no truth for either, and
    nothing that is not finite.
    """
    fits = isinstance(value, (int, float) if kind is float else kind)
    finite = not isinstance(value, float) or math.isfinite(value)
    return fits and finite and not (isinstance(value, bool) and kind is not bool)


def build(config: type[T], values: Mapping[str, Any], where: str = "recipe") -> T:
    """A frozen dataclass from nested tables; unknown keys and values of another kind are refused, former names are not.

    Raises:
        LiveBandModelError: names the key and says what is accepted.
    """
    known = {f.name for f in fields(config)}  # type: ignore[arg-type]
    values = {key if key in known else today(key): value for key, value in values.items()}
    for key in values:
        if key not in known:
            raise LiveBandModelError(f"{where}: unknown key {key!r}; accepted: {', '.join(sorted(known))}")
    hints = get_type_hints(config)
    parsed: dict[str, Any] = {}
    for key, value in values.items():
        kind = hints[key]
        if is_dataclass(kind) and isinstance(value, Mapping):
            parsed[key] = build(kind, value, f"{where}.{key}")  # type: ignore[arg-type]
        else:
            value = tuple(value) if isinstance(value, list) else value
            accepted = get_origin(kind) or kind
            items = get_args(kind)[:1] if accepted is tuple else ()
            fits = _is(value, accepted) and all(_is(item, items[0]) for item in (value if items else ()))
            if not fits:
                each = f" of which each is {_NAMES.get(items[0], 'a value')}" if items else ""
                raise LiveBandModelError(
                    f"{where}: {key} must be {_NAMES.get(accepted, 'a table')}{each}, not {value!r}"
                )
            parsed[key] = value
    return config(**parsed)
