# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock on an open file: it ends with its process, however that ends."""

import sys

if sys.platform == "win32":
    import ctypes
    import msvcrt
else:
    import fcntl

_PLACE = 1 << 62  # Windows locks bytes, and nobody may read them then: these are beyond any file
_AT_ONCE, _EXCLUSIVE, _HELD = (
    1,
    2,
    33,
)  # LOCKFILE_FAIL_IMMEDIATELY, LOCKFILE_EXCLUSIVE_LOCK, ERROR_LOCK_VIOLATION


def seize(descriptor: int, *, shared: bool = False, wait: bool = False) -> None:
    """Hold the lock of an open file until the descriptor and its copies are closed.

    Raises BlockingIOError where another holds it and `wait` is not set, OSError where the file takes none.
    """
    if sys.platform == "win32":
        _seize_bytes(descriptor, (0 if wait else _AT_ONCE) | (0 if shared else _EXCLUSIVE))
    else:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def _seize_bytes(descriptor: int, flags: int) -> None:
    if sys.platform == "win32":
        # OVERLAPPED: two words of the system's, the place in two halves, an event.
        place = (ctypes.c_uint64 * 4)(0, 0, _PLACE, 0)
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        lock = ctypes.WinDLL("kernel32", use_last_error=True).LockFileEx
        if not lock(handle, flags, 0, 1, 0, place):
            code = ctypes.get_last_error()
            if code == _HELD:
                raise BlockingIOError
            raise ctypes.WinError(code)
