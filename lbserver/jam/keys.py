# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys that are pressed in the terminal, without waiting for a line to end."""

import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def pressed_keys() -> Iterator[Any]:
    """A function that waits up to so many seconds and returns the keys pressed; none without a terminal."""
    if not sys.stdin.isatty():

        def wait(patience_s: float) -> str:
            time.sleep(patience_s)
            return ""

        yield wait
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)

    def pressed(patience_s: float) -> str:
        ready, _, _ = select.select([descriptor], [], [], patience_s)
        return os.read(descriptor, 64).decode(errors="ignore") if ready else ""

    try:
        tty.setcbreak(descriptor)
        yield pressed
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
