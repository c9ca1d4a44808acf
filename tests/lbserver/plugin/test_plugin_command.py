# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband plugin`: what a user finds in the plug-in folders afterwards."""

import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lbserver.cli import main
from lbserver.host import program_file
from lbserver.plugin import bundles

VST3, LV2 = ".vst3/LiveBand.vst3", ".lv2/LiveBand.lv2"
BINARY = "Contents/x86_64-linux/LiveBand.so"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")


def make_bundles(folder: Path, content: bytes = b"first") -> Path:
    """Folders as a build leaves them, small."""
    binary = folder / "VST3" / "LiveBand.vst3" / BINARY
    manifest = folder / "LV2" / "LiveBand.lv2" / "manifest.ttl"
    for path in (binary, manifest):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    binary.chmod(0o755)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return make_bundles(tmp_path / "release")


def where(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    """State of the user's VST3."""
    capsys.readouterr()
    assert main(["plugin", "where", "--json", *options]) == 0
    places = json.loads(capsys.readouterr().out)["places"]
    found: dict[str, Any] = next(p for p in places if p["scope"] == "user" and p["format"] == "VST3")
    return found


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


def test_install_where_uninstall(home: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was built lies where hosts look, may be executed, and is gone again without a trace."""
    assert where(capsys)["state"] == "absent"
    assert main(["plugin", "install", "--from", str(release)]) == 0
    binary = home / VST3 / BINARY
    assert binary.read_bytes() == b"first"
    assert os.access(binary, os.X_OK)
    assert (home / LV2 / "manifest.ttl").is_file()
    found = where(capsys, "--from", str(release))
    assert (found["state"], found["same_as_built"]) == ("ours", True)
    assert main(["plugin", "uninstall"]) == 0
    assert everything(home) == set()
    assert main(["plugin", "uninstall"]) == 0


def test_an_update_replaces_all_of_it(home: Path, release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No file of the old one stays, and a host that has the old one open keeps what it had."""
    (release / "VST3" / "LiveBand.vst3" / "old.txt").write_text("old")
    main(["plugin", "install", "--from", str(release)])
    with (home / VST3 / BINARY).open("rb") as opened:
        (release / "VST3" / "LiveBand.vst3" / "old.txt").unlink()
        make_bundles(release, b"second")
        assert where(capsys, "--from", str(release))["same_as_built"] is False
        assert main(["plugin", "install", "--from", str(release)]) == 0
        assert "updated" in capsys.readouterr().out
        assert opened.read() == b"first"
    assert (home / VST3 / BINARY).read_bytes() == b"second"
    assert not (home / VST3 / "old.txt").exists()
    assert not list(home.glob(".*/*.part"))
    main(["plugin", "install", "--from", str(release)])
    assert "unchanged" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["folder", "link", "file", "changed"])
def test_what_is_not_ours_stays(
    home: Path, release: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another hand's plug-in is neither replaced nor removed; the message names it."""
    theirs = home / VST3
    theirs.parent.mkdir()
    if kind == "changed":
        main(["plugin", "install", "--from", str(release)])
        (theirs / "mine.txt").write_text("mine")
        make_bundles(release, b"second")
    elif kind == "folder":
        theirs.mkdir()
        (theirs / "mine.txt").write_text("mine")
    elif kind == "file":
        theirs.write_text("mine")
    else:
        target = home / "elsewhere"
        target.mkdir()
        (target / "mine.txt").write_text("mine")
        theirs.symlink_to(target)
    before = {path: (home / path).read_bytes() for path in everything(home)}
    for action in (["install", "--from", str(release)], ["uninstall"]):
        assert main(["plugin", *action]) == 2
        message = capsys.readouterr().err
        assert str(theirs) in message
        assert message.count("\n") == 1
        for path in before:
            if "LiveBand.vst3" in path or "elsewhere" in path:
                assert (home / path).read_bytes() == before[path]
    forced = main(["plugin", "install", "--force", "--from", str(release)])
    assert forced == (0 if kind in ("folder", "changed") else 2)
    assert theirs.is_symlink() == (kind == "link")


def test_the_same_copied_by_hand_is_no_fault_and_not_removed(
    home: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bundles(home / "copy")
    (home / ".vst3").mkdir()
    (home / "copy" / "VST3" / "LiveBand.vst3").rename(home / VST3)
    assert main(["plugin", "install", "--from", str(release)]) == 0
    assert where(capsys)["state"] == "foreign"
    assert main(["plugin", "uninstall"]) == 2
    assert (home / VST3 / BINARY).exists()


def test_a_killed_install_leaves_the_old_one_or_the_new_one(
    home: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Killed between the two names, the old one is back with the next call; what was copied half is removed."""
    main(["plugin", "install", "--from", str(release)])
    part = home / ".vst3" / ".LiveBand.vst3.abc.part"
    (part / "LiveBand.vst3").mkdir(parents=True)
    (home / VST3).rename(part / "before")
    assert main(["plugin", "install", "--from", str(release)]) == 0
    assert "unchanged  VST3" in capsys.readouterr().out
    assert not part.exists()


def pack(release: Path, archive: Path) -> None:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as zipped:
            for path in release.rglob("*"):
                zipped.write(path, f"LiveBand-0.1.0/{path.relative_to(release)}")
    else:
        with tarfile.open(archive, "w:gz") as tape:
            tape.add(release, "LiveBand-0.1.0")


@pytest.mark.parametrize("name", ["release.zip", "release.tar.gz"])
def test_from_an_archive(home: Path, release: Path, tmp_path: Path, name: str) -> None:
    pack(release, tmp_path / name)
    assert main(["plugin", "install", "--from", str(tmp_path / name)]) == 0
    assert os.access(home / VST3 / BINARY, os.X_OK)
    assert (home / LV2 / "manifest.ttl").is_file()


@pytest.mark.parametrize("kind", ["outside", "link", "damaged", "no archive", "empty"])
def test_a_bad_archive_is_refused_and_writes_nothing(
    home: Path, release: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stranger's archive gets nowhere but into the plug-in's own folder."""
    archive = tmp_path / "release.tar.gz"
    pack(release, archive)
    if kind == "outside":
        archive = tmp_path / "release.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("../../LiveBand.vst3/evil", "evil")
    elif kind == "link":
        (release / "VST3" / "LiveBand.vst3" / "link").symlink_to("/etc/passwd")
        pack(release, archive)
    elif kind == "damaged":
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    elif kind == "no archive":
        archive.write_text("no archive")
    else:
        (tmp_path / "nothing").mkdir()
        archive = tmp_path / "nothing"
    assert main(["plugin", "install", "--from", str(archive)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("liveband: error: ")
    assert str(archive) in message
    assert everything(home) == set()


def test_program_is_named_for_the_plug_in(home: Path, release: Path) -> None:
    """The plug-in trusts the file only if nobody else may write it."""
    assert main(["plugin", "install", "--from", str(release)]) == 0
    path = home / ".config" / "liveband" / "server.toml"
    if program_file.this_program() is None:
        pytest.skip("liveband is not installed as a program here")
    assert path.read_text() == f'program = "{program_file.this_program()}"\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ['with "quotes"', "with\\backslash", "with\nline", "relative"])
def test_odd_programs_are_not_named(home: Path, name: str) -> None:
    """What could be read in two ways is not written."""
    program = Path(name) if name == "relative" else home / name
    assert not program_file.write_program(program)
    assert program_file.named_program() is None


def test_a_users_own_program_file_stays(home: Path, release: Path) -> None:
    path = home / ".config" / "liveband" / "server.toml"
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text("# mine\nprogram = '/opt/mine'\n")
    assert main(["plugin", "install", "--from", str(release)]) == 0
    assert main(["plugin", "uninstall"]) == 0
    assert path.read_text() == "# mine\nprogram = '/opt/mine'\n"


def test_a_folder_that_cannot_be_written_to(
    home: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".vst3").write_text("a file where the folder should be")
    assert main(["plugin", "install", "--from", str(release)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("liveband: error: cannot install")
    assert message.count("\n") == 1


def test_folders_of_each_system() -> None:
    """Where the formats' documents say that hosts look."""
    env = {"HOME": "/ann", "LOCALAPPDATA": "C:/ann/AppData/Local"}
    mac = bundles.folders(system=False, platform="darwin", environment=env)
    assert mac["VST3"] == Path("/ann/Library/Audio/Plug-Ins/VST3")
    assert mac["AU"] == Path("/ann/Library/Audio/Plug-Ins/Components")
    assert bundles.folders(system=True, platform="darwin", environment=env)["AU"] == Path(
        "/Library/Audio/Plug-Ins/Components"
    )
    windows = bundles.folders(system=False, platform="win32", environment=env)
    assert windows["VST3"] == Path("C:/ann/AppData/Local/Programs/Common/VST3")
    linux = bundles.folders(system=True, platform="linux", environment=env)
    assert linux == {
        "VST3": Path("/usr/local/lib/vst3"),
        "LV2": Path("/usr/local/lib/lv2"),
        "Pd": Path("/usr/local/lib/pd-externals"),
        "SuperCollider": Path("/usr/share/SuperCollider/Extensions"),
    }


def test_externals_only_when_asked_for(
    home: Path, release: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody finds things of Pd or SuperCollider in his home who asked for a plug-in, nor the other way round."""
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    external = home / ".local/lib/pd/extra/liveband~/liveband~.pd_linux"
    ugen = home / ".local/share/SuperCollider/Extensions/LiveBand/plugins/LiveBand.so"
    assert main(["plugin", "install", "--pd", "--from", str(release)]) == 2
    assert "nothing for Pd" in capsys.readouterr().err
    for built in (
        release / "Pd/liveband~/liveband~.pd_linux",
        release / "SuperCollider/LiveBand/plugins/LiveBand.so",
    ):
        built.parent.mkdir(parents=True)
        built.write_bytes(b"built")
    assert main(["plugin", "install", "--from", str(release)]) == 0
    assert (home / VST3 / BINARY).is_file()
    assert not external.exists()
    assert not ugen.exists()
    assert main(["plugin", "uninstall"]) == 0
    assert main(["plugin", "install", "--pd", "--from", str(release)]) == 0
    assert everything(home) == {
        str(path.relative_to(home)) for path in (external, external.parents[1] / bundles.RECORD)
    }
    assert main(["plugin", "install", "--pd", "--sc", "--from", str(release)]) == 0
    assert ugen.is_file()
    assert "recompile the class library" in capsys.readouterr().out
    assert main(["plugin", "uninstall"]) == 0
    assert everything(home) == set()


def test_two_installs_at_once(home: Path, release: Path) -> None:
    command = [sys.executable, "-m", "lbserver", "plugin", "install", "--from", str(release)]
    both = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=60) for process in both] == [0, 0]
    assert (home / VST3 / BINARY).read_bytes() == b"first"
    assert not list(home.glob(".*/*.part"))
