# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's folders that are ours to write in."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$LIVEBAND_CACHE, or `liveband` in $XDG_CACHE_HOME, by default in ~/.cache."""
    chosen = os.environ.get("LIVEBAND_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "liveband"
