# SPDX-License-Identifier: GPL-3.0-or-later
"""A thread whose work is long lets those go first that play frame by frame."""

import contextlib
import os
import sys
import threading

NICE = 5
"""A third of the processor's time where a thread of normal priority wants it too."""


def give_way() -> None:
    """Lower the calling thread's priority where the system knows priorities of threads, and lets it."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
