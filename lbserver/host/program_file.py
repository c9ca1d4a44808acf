# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the `liveband` program is, written down for the plug-in: a host seldom has it on its PATH.

`$XDG_CONFIG_HOME/liveband/server.toml`, else `~/.config/liveband/server.toml`, one line: `program = "/path"`. The
plug-in believes it only if nobody but the user, or root, could have written it.
"""

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from pathlib import Path

from lbserver.files.folders import config_folder

NAME = "server.toml"
_LINE = re.compile(r'program = "([^"\\\x00-\x1f\x7f]+)"\n')


def program_file() -> Path:
    """Where the file is, whether it exists or not."""
    return config_folder() / NAME


def this_program() -> Path | None:
    """The `liveband` that runs now, absolute; None if it was started in a way that leaves no such program."""
    beside = Path(sys.executable).with_name("liveband")
    found = shutil.which("liveband")
    candidates = [Path(sys.argv[0]), beside, *([Path(found)] if found else [])]
    for path in candidates:
        if path.name == "liveband" and path.is_file() and os.access(path, os.X_OK):
            return path.absolute()
    return None


def named_program(path: Path | None = None) -> Path | None:
    """The program that the file names; None without a file, or with one that says something else."""
    try:
        text = (program_file() if path is None else path).read_bytes()[:65536].decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    found = _LINE.fullmatch(text)
    return Path(found.group(1)) if found else None


def write_program(program: Path, path: Path | None = None) -> bool:
    """Name the program, mode 0600, whole or not at all; whether the file names it now.

    A file of the user's own making, a link, or a folder open to others is left as it is. Raises OSError.
    """
    path = program_file() if path is None else path
    line = f'program = "{program}"\n'
    if not program.is_absolute() or not _LINE.fullmatch(line):
        return False
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.lstat()
    if not stat.S_ISDIR(folder.st_mode) or folder.st_mode & 0o022:
        return False
    if os.path.lexists(path):
        if path.is_symlink() or named_program(path) is None:
            return False
        if path.read_bytes() == line.encode() and not path.stat().st_mode & 0o077:
            return True
    handle, part = tempfile.mkstemp(prefix=f".{NAME}.", suffix=".part", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(line)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return True


def note_program() -> None:
    """What `liveband serve` does at its start: name itself where no program is named that is still there.

    It never fails: the server plays without.
    """
    with contextlib.suppress(OSError):
        named = named_program()
        if Path(sys.argv[0]).name != "liveband" or (named is not None and os.access(named, os.X_OK)):
            return
        if (program := this_program()) is not None:
            write_program(program)


def remove_program(path: Path | None = None) -> bool:
    """Remove the file if it is as we write it; whether it was. Raises OSError."""
    path = program_file() if path is None else path
    if path.is_symlink() or named_program(path) is None:
        return False
    path.unlink()
    with contextlib.suppress(OSError):
        path.parent.rmdir()  # if nothing else lies there
    return True
