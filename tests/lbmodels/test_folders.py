# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process writes beside its place, and what of it is left when the process has gone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lbmodels.folders import is_left, own_part, whole_file


def test_only_what_nobody_is_writing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that machines share, a process of another machine was asked for here, and its work taken away under it."""
    ours = own_part(tmp_path / "Track00001")
    ours.mkdir()
    assert not is_left(ours)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    gone = ours.with_name(ours.name.replace(f".{os.getpid()}.", f".{ended.pid}."))
    gone.mkdir()
    assert is_left(gone)
    assert is_left(tmp_path / "Track00001.999999999.part")  # as older releases named it
    assert is_left(tmp_path / "Track00001.part")
    monkeypatch.setattr("lbmodels.folders._machine", lambda: "at-another")
    assert not is_left(gone)
    yesterday_s = time.time() - 90_000
    os.utime(gone, (yesterday_s, yesterday_s))
    assert is_left(gone)


def test_writers_of_one_file_do_not_meet_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    """Two runs into one folder: catches a half file of the one under the other's name, and leftovers that pile up."""
    path = tmp_path / "checkpoint.pt"
    dead = tmp_path / f"{path.name}.00000000.{own_part(path).name.split('.')[-3]}.999999999.part"
    dead.write_bytes(b"left by a kill")
    other = tmp_path / "other.pt.999999999.part"
    other.write_bytes(b"not this file's")
    with whole_file(path) as one:
        one.write_bytes(b"one")
        with whole_file(path) as two:
            two.write_bytes(b"two")
            assert one != two
        assert path.read_bytes() == b"two"
    assert path.read_bytes() == b"one"

    def stop_half_way() -> None:
        with whole_file(path) as part:
            part.write_bytes(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stop_half_way()
    assert path.read_bytes() == b"one"
    assert sorted(tmp_path.iterdir()) == [path, other]
