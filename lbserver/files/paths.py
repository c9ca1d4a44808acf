# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that users give: what the system says of them in a sentence, and names beside theirs."""

import errno
import hashlib
import os
from pathlib import Path

_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the disk refuses a file of this size",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ELOOP: "too many symbolic links",
    errno.ENOENT: "there is no such file or folder",
    errno.ENOTDIR: "a part of it is not a folder",
    errno.EISDIR: "it is a folder",
}


def reason(error: OSError, *, named: bool = True) -> str:
    """What the system refused, in a line: `NAME: permission denied`; without the name if that is said already."""
    words = _WORDS.get(error.errno or 0) or (error.strerror or str(error) or type(error).__name__).lower()
    names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return f"{' -> '.join(names)}: {words}" if named and names else words


def beside(path: Path, ending: str) -> Path:
    """A path with `ending` behind its name; a name that would grow too long for its folder is shortened to a digest.

    The same path always gives the same one, so that what a killed process left is found again.
    """
    name = path.name + ending
    if len(os.fsencode(name)) > _longest_name(path.parent):
        name = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32] + ending
    return path.with_name(name)


def _longest_name(folder: Path) -> int:
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return 255
