# SPDX-License-Identifier: GPL-3.0-or-later
"""Values as JSON that every reader takes: a number that is none is null."""

import json
from typing import Any


def to_json(value: Any) -> str:
    """One line. JSON has no NaN and no infinity, though Python writes them; what is no JSON at all becomes its text."""
    return json.dumps(json.loads(json.dumps(value, default=str), parse_constant=lambda _name: None))
