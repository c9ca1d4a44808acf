# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that users name (kept moments, presets): a name is never a path, and nothing outside of one folder is touched.

The folder is opened once and all else goes through its descriptor, so no link and no `..` can lead out of it, and a
folder that is swapped meanwhile changes nothing.
"""

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lbserver.errors import LiveBandError, refused
from lbserver.files.locks import seize
from lbserver.protocol.names import KEPT

_NAME = re.compile(KEPT, re.ASCII)
_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}", re.ASCII)
_ACCEPTED = "1 to 64 letters, digits, spaces, and _ . -, not starting with a dot"


def open_for_reading(root: Path, name: str, suffix: str) -> BinaryIO:
    """The file `name` of the folder; `suffix` (`.moment`) is the program's, not the user's.

    Raises LiveBandError: a name that is none, nothing of that name, or something that is not a plain file.
    """
    file_name = _file_name(name, suffix)
    with _folder(root) as folder:
        if folder is None:
            raise LiveBandError(f"there is no {name!r} in {root}")
        try:
            # NONBLOCK: a named pipe would wait for a writer for ever.
            descriptor = os.open(
                file_name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
            )
        except OSError as error:
            raise _refused("open", name, root, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LiveBandError(f"{name!r} in {root} is not a plain file")
    return os.fdopen(descriptor, "rb")


def write_atomically(root: Path, name: str, suffix: str, data: bytes) -> None:
    """Keep `data` under `name`, readable by this user only; an older file is replaced at once, or stays untouched.

    The folder is made if need be. Raises LiveBandError: a name that is none, something in the way that is not a
    plain file, or a disk that refuses; then nothing half-written is left.
    """
    file_name = _file_name(name, suffix)
    part = f".{file_name}.part"
    with _folder(root, make=True) as folder:
        assert folder is not None
        # One writer at a time: a part file found here was left by a process that was killed.
        seize(folder, wait=True)
        try:
            if not _plain_or_absent(folder, file_name):
                raise LiveBandError(f"{name!r} in {root} is not a plain file: choose another name")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(part, flags, 0o600, dir_fd=folder), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.rename(part, file_name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except OSError as error:
            raise _refused("keep", name, root, error) from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=folder)


def names(root: Path, suffix: str) -> tuple[str, ...]:
    """The names that can be opened, sorted; none where there is no folder. Raises LiveBandError."""
    _check_suffix(suffix)
    found: list[str] = []
    with _folder(root) as folder:
        if folder is not None:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name.removesuffix(suffix)
                    named = entry.name.endswith(suffix) and _NAME.fullmatch(name)
                    if named and entry.is_file(follow_symlinks=False):
                        found.append(name)
    return tuple(sorted(found))


def _file_name(name: str, suffix: str) -> str:
    _check_suffix(suffix)
    if not _NAME.fullmatch(name):
        raise LiveBandError(f"{name[:80]!r} is not a name: {_ACCEPTED}")
    return name + suffix


def _check_suffix(suffix: str) -> None:
    if not _SUFFIX.fullmatch(suffix):
        raise AssertionError(f"a suffix is a dot and letters or digits, not {suffix!r}")


@contextlib.contextmanager
def _folder(root: Path, *, make: bool = False) -> Iterator[int | None]:
    """A descriptor of the folder, which must be this user's alone; None where there is none and none is to be made."""
    try:
        if make:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        if make:
            raise LiveBandError(f"cannot make the folder {root}") from None
        yield None
        return
    except (OSError, ValueError) as error:
        raise LiveBandError(f"cannot use the folder {root}: {_reason(error)}") from None
    try:
        about = os.fstat(descriptor)
        if about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise LiveBandError(
                f"the folder {root} can be written to by others: give one of mode 0700 of your own"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _plain_or_absent(folder: int, file_name: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(file_name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return True


def _refused(verb: str, name: str, root: Path, error: OSError) -> LiveBandError:
    if isinstance(error, FileNotFoundError):
        return LiveBandError(f"there is no {name!r} in {root}")
    if error.errno == errno.ELOOP:
        return LiveBandError(f"cannot {verb} {name!r} in {root}: it is a link, and links are not followed")
    return refused(f"cannot {verb} {name!r} in {root}", error)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
