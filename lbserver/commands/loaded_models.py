# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models a server holds and what they take, as `top` and `doctor` say it."""

from collections.abc import Mapping
from typing import Any

from lbserver.host.logs import shown


def loaded_models(answer: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Of a `session_list`: workers, sessions and resident_bytes by model; nothing from a server of before."""
    return {
        shown(name, 64): {key: value for key, value in told.items() if type(value) is int and value >= 0}
        for name, told in answer.get("models", {}).items()
        if isinstance(told, Mapping)
    }


def model_words(name: str, told: Mapping[str, int]) -> str:
    """`tiny: 2 workers, 5 sessions, 312 MB`; sessions of a worker share its weights."""
    counted = (
        f"{told[what]} {what[: -1 if told[what] == 1 else None]}"
        for what in ("workers", "sessions")
        if what in told
    )
    memory = [f"{told['resident_bytes'] / 1e6:.0f} MB"] if "resident_bytes" in told else []
    return f"{name}: {', '.join([*counted, *memory])}"
