# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's folders that are ours to write in."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`LIVEBAND_CACHE`, else `$XDG_CACHE_HOME/liveband`, else `~/.cache/liveband`."""
    if os.environ.get("LIVEBAND_CACHE"):
        return Path(os.environ["LIVEBAND_CACHE"])
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "liveband"
