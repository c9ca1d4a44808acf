# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing that lies in the folder a program of ours is started in becomes part of it, or of a program it starts.

A folder of downloads may hold a `msgpack.py`, a `gcc`, or settings for a library (CWE-427). Python looks for modules
in the current folder for `-m` and `-c`; an empty or relative entry of a search path names it too.
"""

import contextlib
import os
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path

SAFE_FOLDER = "/"
"""Where programs of ours work that are given no path of the user's: only root writes there."""

_SEARCHED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
_PLACES = ("LIVEBAND_RUN", "LIVEBAND_CACHE")


def isolate() -> None:
    """What a program of ours does before anything else: forget the current folder, for itself and its children."""
    _clean(os.environ)
    os.environ["PYTHONSAFEPATH"] = "1"  # for children that libraries start
    sys.path[:] = [entry for entry in sys.path if entry and not _names_current(entry)]
    with contextlib.suppress(OSError):
        try:
            Path.cwd()
        except FileNotFoundError:  # the folder was removed: libraries that ask for it fail
            os.chdir(SAFE_FOLDER)


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in a child; goes with `environment` and `SAFE_FOLDER` as its folder."""
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a child in another folder: relative names are made absolute or left out."""
    env = {**os.environ, **(more or {}), "PYTHONSAFEPATH": "1"}
    _clean(env)
    for name in _PLACES:
        if env.get(name):
            env[name] = str(Path(env[name]).absolute())
    return env


def _clean(env: MutableMapping[str, str]) -> None:
    """Only absolute entries stay in search paths; an empty one means the current folder."""
    for name in _SEARCHED:
        if name in env:
            kept = os.pathsep.join(
                entry for entry in env[name].split(os.pathsep) if Path(entry).is_absolute()
            )
            if kept:
                env[name] = kept
            else:
                del env[name]


def _names_current(entry: str) -> bool:
    """Whether an entry of `sys.path` is the current folder, and not where this package was found."""
    if Path(entry) == Path(__file__).resolve().parents[2]:
        return False
    try:
        return Path(entry).samefile(".")
    except OSError:
        return False
