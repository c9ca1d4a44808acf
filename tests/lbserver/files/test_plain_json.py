# SPDX-License-Identifier: GPL-3.0-or-later
import json
from pathlib import Path

import pytest

from lbmodels import plain_json as model_json
from lbserver.files import plain_json


@pytest.mark.parametrize("to_json", [plain_json.to_json, model_json.to_json])
def test_no_nan_is_in_any_json(to_json: object) -> None:
    """Python writes NaN and Infinity, which no other reader takes."""
    assert callable(to_json)
    odd = {"a": [float("nan"), 1.5, {"b": float("inf")}], "c": (float("-inf"),), "path": Path("x")}
    text = to_json(odd)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "a": [None, 1.5, {"b": None}],
        "c": [None],
        "path": "x",
    }
