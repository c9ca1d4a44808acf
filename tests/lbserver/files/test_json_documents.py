# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON that anybody may have written."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbserver.engine import calibrate
from lbserver.files.documents import MOST_CHARACTERS, MOST_DEPTH, read_json
from lbserver.plugin import bundles
from lbserver.testing import accompanists

BAD = [
    "",
    "{",
    "NaN",
    '{"a": [Infinity]}',
    "-Infinity",
    "1e999",
    "-1e400",
    "1" * 400,
    "1" * 5000,
    "[" * 100_000,
    "[" * 50 + "]" * 50,
    '{"a":' * 900 + "1" + "}" * 900,
]


@pytest.mark.parametrize("text", BAD, ids=lambda text: text[:12])
def test_json_that_no_program_of_ours_wrote_is_a_value_error(text: str) -> None:
    """Catches a RecursionError of 100,000 brackets, an OverflowError of a long integer, and NaN taken for a number."""
    with pytest.raises(ValueError, match=r"\w"):
        read_json(text)


def test_what_is_too_long_is_not_even_parsed() -> None:
    with pytest.raises(ValueError, match="longer than"):
        read_json(b" " * (MOST_CHARACTERS + 1))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=9),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
        max_leaves=9,
    )
)
def test_what_is_json_comes_back(value: object) -> None:
    assert read_json(json.dumps(value)) == value


def test_as_deep_as_allowed() -> None:
    deep = "[" * (MOST_DEPTH - 1) + "1" + "]" * (MOST_DEPTH - 1)
    assert read_json(deep) == json.loads(deep)


def test_a_calibration_that_makes_no_sense_is_measured_anew(tmp_path: Path) -> None:
    """Catches a worker that cannot start because of a file in the cache."""
    accompanist = accompanists.copy(hop=480)
    made = calibrate.load_or_measure(accompanist, folder=tmp_path)
    (path,) = tmp_path.iterdir()
    assert calibrate.load_or_measure(accompanist, folder=tmp_path) == made
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"format": 2, "wake_high_s": 5.0}))  # of a model without its shell
    assert calibrate.load_or_measure(accompanist, folder=tmp_path).wake_high_s < 5.0
    path.write_text("[" * 100_000)
    again = calibrate.load_or_measure(accompanist, folder=tmp_path)
    assert calibrate.load_or_measure(accompanist, folder=tmp_path) == again


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "NaN", '{"LiveBand.vst3": {"x": ' + "[" * 60 + "]" * 60 + "}}"]
)
def test_a_record_of_installed_plugins_that_makes_no_sense_lists_none(tmp_path: Path, text: str) -> None:
    (tmp_path / bundles.RECORD).write_text(text)
    assert bundles._record(tmp_path) == {}
