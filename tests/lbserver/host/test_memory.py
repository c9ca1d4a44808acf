# SPDX-License-Identifier: GPL-3.0-or-later
"""What processes hold, or that it is not known."""

import os

from lbserver.host.memory import resident_bytes


def test_memory_of_workers() -> None:
    own = resident_bytes([os.getpid()])
    assert own is not None
    assert own > 1e6
    twice = resident_bytes([os.getpid(), os.getpid()])
    assert twice is not None
    assert twice > 1.5 * own
    assert resident_bytes([2**22 + 1]) is None  # no such process: not zero
