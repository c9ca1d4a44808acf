# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to numba: functions compiled when they are defined, and kept in a folder of ours.

numba reads settings from the current folder whenever it compiles, among them where to find compiled code, and by
itself makes a cache beside ours where the package's own folder cannot be written. To see whether it could multiply
matrices it loads scipy's linear algebra: a quarter of the time that a process of ours takes to start, for nothing.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

from lbserver.files.folders import cache_folder
from lbserver.host.isolation import SAFE_FOLDER

Function = TypeVar("Function", bound=Callable[..., Any])


def _undisturbed() -> contextlib.AbstractContextManager[None]:
    """Another folder, if settings for numba lie in this one."""
    return contextlib.chdir(SAFE_FOLDER) if Path(".numba_config.yaml").exists() else contextlib.nullcontext()


@contextlib.contextmanager
def _without_matrices() -> Iterator[None]:
    """Until numba has looked for it, once: no scipy.linalg, unless somebody else needs it anyway."""
    if {"scipy.linalg", "numba.np.arraymath"} & set(sys.modules):
        yield
        return
    sys.modules["scipy.linalg"] = cast(Any, None)
    try:
        yield
    finally:
        sys.modules.pop("scipy.linalg")


with _undisturbed(), _without_matrices():
    import numba
    from numba import types as types
    from numba.core import config
    from numba.extending import intrinsic as intrinsic

_settings: Any = config


@contextlib.contextmanager
def _own_cache() -> Iterator[None]:
    """Compiled code lies beside its source, or in our cache where that cannot be written."""
    before = _settings.CACHE_DIR
    if not before and not os.access(Path(__file__).parent, os.W_OK):
        _settings.CACHE_DIR = str(cache_folder() / "numba")
    try:
        yield
    finally:
        _settings.CACHE_DIR = before


def compiled(signature: str, *, fastmath: set[str] | None = None) -> Callable[[Function], Function]:
    """A decorator: machine code for one signature, from the cache if it is there."""

    def decorate(function: Function) -> Function:
        with _undisturbed(), _without_matrices(), _own_cache():
            made: Any = numba.njit(signature, cache=True, fastmath=fastmath or False)(function)
        return cast(Function, made)

    return decorate
