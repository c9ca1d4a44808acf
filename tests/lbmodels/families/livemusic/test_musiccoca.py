# SPDX-License-Identifier: GPL-3.0-or-later
"""Style tokens from a file; what is missing for MusicCoCa is said. Its networks are not here to be run."""

import json
from pathlib import Path

import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.musiccoca import MusicCoCa, read_token_file


def test_token_files(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({"upright bass": list(range(12)), "coarse": [1023]}))
    assert read_token_file(path) == {"upright bass": tuple(range(12)), "coarse": (1023,)}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"a": []}', '{"a": [1024]}', '{"a": [-1]}', '{"a": [1.5]}', '{"a": [true]}',
             '{"a": [1,2,3,4,5,6,7,8,9,10,11,12,13]}', '{"a": "1"}', "\ufeff{", "{'a': [1]}"]
)  # fmt: skip
def test_what_is_no_token_file_is_refused(tmp_path: Path, text: str) -> None:
    """A token out of its table would read another channel's row and steer by something else."""
    path = tmp_path / "tokens.json"
    path.write_text(text)
    with pytest.raises(LiveBandModelError, match="token file"):
        read_token_file(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(LiveBandModelError, match=r"spm\.model is missing; pip install"):
        MusicCoCa(tmp_path).of_text("upright bass")
