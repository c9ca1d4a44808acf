# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process writes beside its place, and what of it is left when the process has gone."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lbmodels.folders import is_left, own_part


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
