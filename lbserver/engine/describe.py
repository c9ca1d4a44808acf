# SPDX-License-Identifier: GPL-3.0-or-later
"""What is played somewhere and how long that takes, as the plain values of a `description` message and back."""

from collections.abc import Mapping
from typing import Any

from lbmodels.contract.spec import Control, Spec
from lbserver.engine.budget import Budget
from lbserver.errors import LiveBandError
from lbserver.protocol.segment import MAX_CHANNELS, MAX_RATE_HZ

_RANGES = {
    "sample_rate": (1000, MAX_RATE_HZ),
    "channels": (1, MAX_CHANNELS),
    "hop": (1, 1 << 20),
    "chunk_frames": (1, 1 << 12),
    "context_frames": (0, 1 << 32),
    "parameters": (0, 1 << 48),
    "anticipation_step": (1, 1 << 20),
}
_SINCE = {"anticipation_step": 1}
"""What earlier releases do not tell, and what it is with them."""
_MOST_ENTRIES = 64
_LONGEST_TEXT = 256


def spec_to_map(spec: Spec) -> dict[str, Any]:
    """A spec as plain values."""
    return {**vars(spec), "controls": [dict(vars(control)) for control in spec.controls]}


def spec_from_map(values: Mapping[str, Any]) -> Spec:
    """The spec in a map from elsewhere; fields that are not known are left out.

    Raises LiveBandError naming the field that is missing or out of range.
    """
    values = {**_SINCE, **values}
    made: dict[str, Any] = {name: _whole(values, name, low, high) for name, (low, high) in _RANGES.items()}
    for name in ("name", "recipe", "weights_id"):
        made[name] = _text(values.get(name), name)
    for name in ("stems", "conditions"):
        made[name] = tuple(_text(item, name) for item in _items(values, name))
    span = _items(values, "anticipation_frames")
    if len(span) != 2 or not all(type(end) is int for end in span) or not 0 <= span[0] <= span[1] <= 1 << 20:
        raise LiveBandError("a description's anticipation_frames are no range")
    made["anticipation_frames"] = tuple(span)
    made["controls"] = tuple(_control(item) for item in _items(values, "controls"))
    return Spec(**made)


def description(model: str, spec: Spec, budget: Budget) -> dict[str, Any]:
    """The `description` message of a model here."""
    return {
        "type": "description",
        "model": model,
        "spec": spec_to_map(spec),
        "compute_ms": 1000.0 * budget.compute_s,
        "margin_ms": 1000.0 * budget.margin_s,
    }


def understood(message: Mapping[str, Any]) -> tuple[Spec, Budget]:
    """What a checked `description` message says. Raises LiveBandError."""
    budget = Budget(compute_s=message["compute_ms"] / 1000.0, margin_s=message["margin_ms"] / 1000.0)
    return spec_from_map(message["spec"]), budget


def _whole(values: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = values.get(name)
    if type(value) is not int or not low <= value <= high:
        raise LiveBandError(f"a description's {name} is not a whole number from {low} to {high}")
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise LiveBandError(f"a description's {name} is no text of at most {_LONGEST_TEXT} characters")
    return value


def _items(values: Mapping[str, Any], name: str) -> list[Any]:
    items = values.get(name)
    if not isinstance(items, list) or len(items) > _MOST_ENTRIES:
        raise LiveBandError(f"a description's {name} is no list of at most {_MOST_ENTRIES} entries")
    return items


def _control(item: Any) -> Control:
    if not isinstance(item, Mapping):
        raise LiveBandError("a description's control is no map")
    texts = {name: _text(item.get(name), name) for name in ("name", "unit", "description")}
    numbers = {name: item.get(name) for name in ("minimum", "maximum", "default")}
    if not all(isinstance(value, int | float) for value in numbers.values()):
        raise LiveBandError("a description's control has no range")
    return Control(**texts, **numbers)  # type: ignore[arg-type]
