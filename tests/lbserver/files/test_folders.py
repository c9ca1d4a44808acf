# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import pwd
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels import folders as model_folders
from lbserver import cli
from lbserver.commands.checks.machine import check_cache
from lbserver.files import folders


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LIVEBAND_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("told", ["rel", "./rel", "", "~/rel"])
def test_a_relative_folder_is_as_good_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str
) -> None:
    """The XDG rules say so; ./rel/liveband was made in whatever folder a program was started."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, told)
    for cache in (folders.cache_folder(), model_folders.cache_folder()):
        assert cache == tmp_path / ".cache" / "liveband"
    assert folders.data_folder() == tmp_path / ".local" / "share" / "liveband"
    assert folders.config_folder() == tmp_path / ".config" / "liveband"


def test_absolute_ones_are_taken_and_both_packages_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, expected in (("XDG_CACHE_HOME", tmp_path / "liveband"), ("LIVEBAND_CACHE", tmp_path)):
        monkeypatch.setenv(variable, str(tmp_path))
        assert folders.cache_folder() == model_folders.cache_folder() == expected
    monkeypatch.setenv("LIVEBAND_CACHE", "near")
    assert folders.cache_folder() == model_folders.cache_folder() == Path.cwd() / "near"
    monkeypatch.setenv("LIVEBAND_CACHE", str(tmp_path / "made"))
    assert folders.cache_fault() == ""
    assert list((tmp_path / "made").iterdir()) == []


@pytest.mark.parametrize("home", ["", "rel", None])
def test_who_tells_no_home_has_the_one_of_the_system_or_none(
    monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    """An empty HOME was the root folder, a relative one the current folder, no HOME and no entry a traceback."""
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    system = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert folders.cache_folder() == model_folders.cache_folder() == system / ".cache" / "liveband"

    def nobody(_uid: int) -> object:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for cache in (folders.cache_folder(), model_folders.cache_folder()):
        assert cache.parent == Path(os.devnull)
    assert "cannot be written to" in folders.cache_fault()


def test_a_cache_that_keeps_nothing_is_told_once_and_by_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each start took half a minute, and nobody said why. A file in the place of the folder refuses even root."""
    monkeypatch.setenv("LIVEBAND_CACHE", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").touch()
    soundfile.write(tmp_path / "song.wav", np.full((4800, 2), 0.1), 48000)
    out = str(tmp_path / "o.wav")
    assert cli.main(["bounce", str(tmp_path / "song.wav"), "-o", out, "--model", "test:copy", "--json"]) == 0
    printed = capsys.readouterr()
    json.loads(printed.out)
    assert printed.err.count("warning") == 1
    assert "cannot be written to (a part of it is not a folder)" in printed.err
    assert "LIVEBAND_CACHE" in printed.err
    finding = check_cache("cache", folders.cache_fault(), folders.CACHE_ADVICE)
    assert (finding.level, finding.advice) == ("warning", folders.CACHE_ADVICE)
    assert check_cache("cache", "", folders.CACHE_ADVICE).level == "ok"
