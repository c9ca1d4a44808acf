# SPDX-License-Identifier: GPL-3.0-or-later
"""Zip archives (training checkpoints, cached features) checked before they are unpacked: nothing in them may grow."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path

from lbmodels.errors import LiveBandModelError

MOST_ENTRIES = 65_536
MOST_DIRECTORY_BYTES = 1 << 24
# The records at an archive's end: APPNOTE.TXT 6.3.10, 4.3.14 to 4.3.16. The sixth and the ninth number are the directory's size.
_END, _END_MARK = struct.Struct("<4s4H2LH"), b"PK\x05\x06"
_END_64, _END_64_MARK = struct.Struct("<4sQ2H2L4Q"), b"PK\x06\x06"
_LOCATOR_BYTES, _LOCATOR_MARK = 20, b"PK\x06\x07"
_ENTRY_MARK = b"PK\x01\x02"
_MOST_COMMENT = 1 << 16


def check_directory(path: Path) -> None:
    """Counts a zip archive's entries before `zipfile` makes an object of each; what is no archive is left to it.

    Raises:
        LiveBandModelError: more than `MOST_ENTRIES`, or a directory of more than `MOST_DIRECTORY_BYTES`.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _END.size - _MOST_COMMENT - _LOCATOR_BYTES - _END_64.size)
        file.seek(start)
        tail = file.read(size - start)
        place = (
            len(tail) - _END.size
        )  # the usual end, without a comment, is looked for first, as zipfile does
        if place < 0 or tail[place : place + 4] != _END_MARK or tail[-2:] != b"\0\0":
            place = tail.rfind(_END_MARK, max(0, len(tail) - _END.size - _MOST_COMMENT))
        if not 0 <= place <= len(tail) - _END.size:
            return
        directory, end = _END.unpack_from(tail, place)[5], start + place
        if tail[max(0, place - _LOCATOR_BYTES) : place].startswith(_LOCATOR_MARK):
            place -= _LOCATOR_BYTES + _END_64.size
            if place < 0 or tail[place : place + 4] != _END_64_MARK:
                raise LiveBandModelError(
                    f"{path} is damaged or no archive: its 64-bit directory is not at its end"
                )
            directory, end = _END_64.unpack_from(tail, place)[8], start + place
        if directory > MOST_DIRECTORY_BYTES:
            raise LiveBandModelError(
                f"{path} has a directory of {directory} bytes; accepted are up to {MOST_DIRECTORY_BYTES}"
            )
        file.seek(max(0, end - directory))
        count = file.read(directory).count(_ENTRY_MARK)
    if count > MOST_ENTRIES:
        raise LiveBandModelError(f"{path} has {count} entries; accepted are up to {MOST_ENTRIES}")


def check_stored(path: Path) -> None:
    """Accepts a zip archive whose entries are stored as they are, so that it unpacks to no more than its own size.

    torch and numpy write such archives. A deflated one of 1 MB became a tensor of 1 GiB.

    Raises:
        LiveBandModelError: no zip archive, compressed or encrypted entries, too many, or more than the file holds.
    """
    try:
        check_directory(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except LiveBandModelError:
        raise
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError) as error:
        raise LiveBandModelError(f"{path} is damaged or no archive: {' '.join(str(error).split())}") from None
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise LiveBandModelError(
                f"{path}: entry {entry.filename[:80]!r} is compressed; only stored entries are accepted"
            )
        if entry.flag_bits & 1:
            raise LiveBandModelError(f"{path}: entry {entry.filename[:80]!r} is encrypted")
    total, size = sum(entry.file_size for entry in entries), path.stat().st_size
    if total > size:
        raise LiveBandModelError(f"{path} is {size} bytes and claims to hold {total}")
