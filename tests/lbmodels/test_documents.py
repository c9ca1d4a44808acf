# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON, TOML, YAML and XML that anybody may have written."""

import json
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbmodels.data.errors import DataError
from lbmodels.data.slakh import load_yaml
from lbmodels.documents import MOST_DEPTH, read_json, read_toml, read_xml, read_yaml

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


@pytest.mark.parametrize(
    "text",
    [
        "a =",
        "a = nan",
        "a = -inf",
        "a = 1e999",
        "a = " + "1" * 400,
        "a = " + "[" * 5000,
        "a = " + "[" * 40 + "]" * 40,
    ],
    ids=lambda text: text[:12],
)
def test_toml_that_no_program_of_ours_wrote_is_a_value_error(text: str) -> None:
    """Catches a recipe or a manifest that ends in a traceback, or whose NaN becomes a learning rate."""
    with pytest.raises(ValueError, match=r"\w"):
        read_toml(text)


def test_xml_is_bounded_and_read_as_before() -> None:
    root = read_xml(b"<kit><layer><gain>0.5</gain></layer></kit>", most_bytes=1000)
    assert root.findtext("layer/gain") == "0.5"
    with pytest.raises(ValueError, match="deeper"):
        read_xml(b"<a>" * 100_000, most_bytes=1 << 20)
    with pytest.raises(ValueError, match="longer"):
        read_xml(b"<a></a>", most_bytes=3)


@given(
    st.recursive(
        st.booleans()
        | st.integers(-(2**63), 2**63)
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
    assert read_toml(f"a = {deep[1:-1]}") == tomllib.loads(f"a = {deep[1:-1]}")


@pytest.mark.parametrize("text", ["a: {}", "a: !!int '{}'", "a: !!float 1e3:{}", "a: ! '{}'", "? {}.5\n: b"])
def test_numbers_by_sixties_do_not_cost_their_length_squared(text: str, tmp_path: Path) -> None:
    """1 MB of 1:1:1:... took minutes, here and in a data set's metadata."""
    text = text.format("1" + ":1" * 10_000)
    with pytest.raises(ValueError, match="characters is no number"):
        read_yaml(text)
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(DataError, match="cannot be read as YAML"):
        load_yaml(tmp_path / "metadata.yaml")
