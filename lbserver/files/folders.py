# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's folders that are ours to write in, by the XDG rules: what is told as a relative path is not told."""

import os
from pathlib import Path

from platformdirs.unix import Unix

from lbserver.files.paths import reason

_NOWHERE = Path(os.devnull) / "liveband"  # who has no home keeps nothing


def cache_folder() -> Path:
    """`LIVEBAND_CACHE`, else `$XDG_CACHE_HOME/liveband`, else `~/.cache/liveband`."""
    told = os.environ.get("LIVEBAND_CACHE")
    return Path(told).absolute() if told else _of_user("cache")


def data_folder() -> Path:
    """`$XDG_DATA_HOME/liveband`, else `~/.local/share/liveband`."""
    return _of_user("data")


def config_folder() -> Path:
    """`$XDG_CONFIG_HOME/liveband`, else `~/.config/liveband`."""
    return _of_user("config")


def cache_fault() -> str:
    """Why nothing can be kept in the cache folder; empty if it can. The folder is made if it can be."""
    folder = cache_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return (
            f"the cache folder {folder} cannot be written to ({reason(error, named=False)}): the model is prepared "
            "anew at every start, which takes half a minute"
        )
    return ""


CACHE_ADVICE = "mend its owner and mode, or set LIVEBAND_CACHE to a folder of yours"


def _of_user(kind: str) -> Path:
    try:
        return Path(getattr(Unix("liveband"), f"user_{kind}_dir"))
    except RuntimeError:
        return _NOWHERE
