# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the doctor's report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEVELS = ("ok", "warning", "bad")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: `text` says what is, `advice` what to do (empty if nothing), `data` the same for programs."""

    topic: str
    level: str
    text: str
    advice: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def ok(topic: str, text: str, advice: str = "", data: Mapping[str, Any] | None = None) -> Finding:
    return Finding(topic=topic, level="ok", text=text, advice=advice, data=data or {})


def warning(topic: str, text: str, advice: str, data: Mapping[str, Any] | None = None) -> Finding:
    return Finding(topic=topic, level="warning", text=text, advice=advice, data=data or {})


def bad(topic: str, text: str, advice: str, data: Mapping[str, Any] | None = None) -> Finding:
    return Finding(topic=topic, level="bad", text=text, advice=advice, data=data or {})
