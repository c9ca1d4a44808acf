# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that users give are names: no string leads out of the folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lbserver.errors import LiveBandError
from lbserver.files.named_files import names, open_for_reading, write_atomically

ATTACKS = [
    "", ".", "..", "../secret", "../../x", "/etc/passwd", "a/b", "a\\b", "..\\..\\x", "\\\\host\\share", "C:\\x", "C:x",
    "~", "~/x", "a\0b", "secret\0.moment", "x" * 65, "x" * 4096, ".hidden", "a\n", "\u202egnp", "ａ", "é", "٣", "%2e%2e%2f",
    "$(id)", "a;b", "a|b", "-rf\t", "sub/../../secret", "../secret.moment", "./a", "a/", "|x", "con:",
]  # fmt: skip


class Tape:
    """Every path that Python opens, makes, renames or removes while `running`."""

    def __init__(self) -> None:
        self.running = False
        self.paths: list[str] = []
        sys.addaudithook(self.hear)

    def hear(self, event: str, values: tuple[object, ...]) -> None:
        if self.running and (event == "open" or event.startswith("os.")):
            named = values[:1] if event == "open" else values  # open's second value is a mode
            self.paths += [
                os.fsdecode(value) for value in named if isinstance(value, str | bytes | os.PathLike)
            ]

    @contextmanager
    def recording(self) -> Iterator[list[str]]:
        self.paths = []
        self.running = True
        try:
            yield self.paths
        finally:
            self.running = False


TAPE = Tape()  # an audit hook cannot be taken back: one for the file, silent unless it records


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the root in it and secrets beside the root."""
    folder = tmp_path_factory.mktemp("around")
    for place in ("secret", "secret.moment", "x.moment"):
        (folder / place).write_bytes(b"secret")
    write_atomically(folder / "root", "good", ".moment", b"kept")
    return folder


def test_what_is_kept_is_read_and_listed(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "root"
    assert names(root, ".moment") == ()
    with pytest.raises(LiveBandError, match=r"there is no 'Take 2'"):
        open_for_reading(root, "Take 2", ".moment")
    for data in (b"first", b"", b"second"):
        write_atomically(root, "Take 2", ".moment", data)
        with open_for_reading(root, "Take 2", ".moment") as file:
            assert file.read() == data
    write_atomically(root, "a-b_c.d", ".moment", b"x")
    write_atomically(root, "other", ".preset", b"x")
    (root / "a:b.moment").touch()  # no name of ours: it could not be opened
    assert names(root, ".moment") == ("Take 2", "a-b_c.d")
    assert root.stat().st_mode & 0o777 == 0o700
    assert (root / "Take 2.moment").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in root.iterdir()) == [
        "Take 2.moment",
        "a-b_c.d.moment",
        "a:b.moment",
        "other.preset",
    ]


names_to_try = st.one_of(
    st.text(max_size=80),
    st.sampled_from(ATTACKS),
    st.from_regex(r"[A-Za-z0-9 _.-]{0,66}", fullmatch=True),
    st.lists(st.sampled_from(["..", ".", "/", "\\", "root", "secret", "good", "\0", " "]), max_size=8).map(
        "".join
    ),
)


@given(names_to_try, st.booleans())
@example("good", False)
@example("new", True)
def test_no_name_leads_out_of_the_folder(around: Path, name: str, writes: bool) -> None:
    root = around / "root"
    before = {k: v for k, v in tree(around).items() if not k.startswith("root/")}
    with TAPE.recording() as paths:
        try:
            if writes:
                write_atomically(root, name, ".moment", b"kept")
            else:
                open_for_reading(root, name, ".moment").close()
            said = ""
        except LiveBandError as error:
            said = str(error)
    accepted = said == "" or "there is no" in said
    assert "\n" not in said
    assert len(said) < 600
    inside = {name + ".moment", f".{name}.moment.part"} if accepted else set()
    assert set(paths) <= {str(root)} | inside, paths
    assert all(os.sep not in path and "\0" not in path for path in inside)
    assert {k: v for k, v in tree(around).items() if not k.startswith("root/")} == before
    if accepted and writes:
        assert name in names(root, ".moment")


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_and_say_what_is_accepted(around: Path, name: str) -> None:
    for act in (
        lambda: open_for_reading(around / "root", name, ".moment"),
        lambda: write_atomically(around / "root", name, ".moment", b"x"),
    ):
        with pytest.raises(LiveBandError, match="is not a name: 1 to 64 letters"):
            act()


def test_links_inside_the_folder_are_refused(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    secret.write_bytes(b"secret")
    write_atomically(root, "good", ".moment", b"kept")
    (root / "link.moment").symlink_to(secret)
    (root / "dangling.moment").symlink_to(tmp_path / "made")
    (root / ".good.moment.part").symlink_to(secret)
    for name in ("link", "dangling"):
        with pytest.raises(LiveBandError, match="link"):
            open_for_reading(root, name, ".moment")
        with pytest.raises(LiveBandError, match="not a plain file"):
            write_atomically(root, name, ".moment", b"x")
    write_atomically(root, "good", ".moment", b"kept again")
    assert secret.read_bytes() == b"secret"
    assert not (tmp_path / "made").exists()
    assert names(root, ".moment") == ("good",)


def test_pipes_folders_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_atomically(root, "good", ".moment", b"kept")
    os.mkfifo(root / "pipe.moment")
    (root / "folder.moment").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(LiveBandError, match=r"not a plain file|is a directory"):
            open_for_reading(root, name, ".moment").close()
        with pytest.raises(LiveBandError, match="not a plain file"):
            write_atomically(root, name, ".moment", b"x")
    assert names(root, ".moment") == ("good",)


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_atomically(root, "good", ".moment", b"kept")
    root.chmod(0o777)
    for act in (lambda: open_for_reading(root, "good", ".moment"), lambda: names(root, ".moment")):
        with pytest.raises(LiveBandError, match="written to by others"):
            act()


def test_a_full_disk_keeps_the_older_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    root = tmp_path / "root"
    write_atomically(root, "take", ".moment", b"older")
    program = """
import resource, signal, sys
from pathlib import Path
from lbserver.errors import LiveBandError
from lbserver.files.named_files import write_atomically
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(Path(sys.argv[1]), "take", ".moment", bytes(5000))
except LiveBandError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(root)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("cannot keep 'take'")
    assert [p.name for p in root.iterdir()] == ["take.moment"]
    assert (root / "take.moment").read_bytes() == b"older"


def test_a_writer_that_was_killed_leaves_nothing_in_the_way(tmp_path: Path) -> None:
    """Killed between the first byte and the rename; the next writer cleans up."""
    root = tmp_path / "root"
    write_atomically(root, "take", ".moment", b"older")
    program = """
import os, signal, sys
from pathlib import Path
from lbserver.files import named_files
named_files.os.fsync = lambda _descriptor: os.kill(os.getpid(), signal.SIGKILL)
named_files.write_atomically(Path(sys.argv[1]), "take", ".moment", bytes(5000))
"""
    done = subprocess.run([sys.executable, "-c", program, str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (root / ".take.moment.part").exists()
    assert names(root, ".moment") == ("take",)
    with open_for_reading(root, "take", ".moment") as file:
        assert file.read() == b"older"
    write_atomically(root, "take", ".moment", b"newer")
    assert [p.name for p in root.iterdir()] == ["take.moment"]
