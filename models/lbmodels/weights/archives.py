# SPDX-License-Identifier: GPL-3.0-or-later
"""Zip archives (training checkpoints, cached features) checked before they are unpacked: nothing in them may grow."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lbmodels.errors import LiveBandModelError

MOST_ENTRIES = 65_536


def check_stored(path: Path) -> None:
    """Accepts a zip archive whose entries are stored as they are, so that it unpacks to no more than its own size.

    torch and numpy write such archives. A deflated one of 1 MB became a tensor of 1 GiB.

    Raises:
        LiveBandModelError: no zip archive, compressed or encrypted entries, too many, or more than the file holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RecursionError) as error:
        raise LiveBandModelError(f"{path} is damaged or no archive: {' '.join(str(error).split())}") from None
    if len(entries) > MOST_ENTRIES:
        raise LiveBandModelError(f"{path} has {len(entries)} entries; accepted are up to {MOST_ENTRIES}")
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
