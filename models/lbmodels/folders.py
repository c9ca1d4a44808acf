# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's folder that is ours to write in, by the XDG rules: what is told as a relative path is not told."""

import os
from pathlib import Path

from platformdirs.unix import Unix


def cache_folder() -> Path:
    """$LIVEBAND_CACHE, or `liveband` in $XDG_CACHE_HOME, by default in ~/.cache; /dev/null for who has no home."""
    told = os.environ.get("LIVEBAND_CACHE")
    if told:
        return Path(told).absolute()
    try:
        return Path(Unix("liveband").user_cache_dir)
    except RuntimeError:
        return Path(os.devnull) / "liveband"
