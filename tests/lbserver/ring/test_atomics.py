# SPDX-License-Identifier: GPL-3.0-or-later
"""Words in shared memory: whole, in order, seen by other threads."""

import re
import threading
from typing import Any

import numba
import numpy as np
import pytest

from lbserver.ring import atomics


def test_every_bit_goes_through() -> None:
    words = np.zeros(4, np.uint64)
    base = int(words.ctypes.data)
    for value in (0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1):
        atomics.store_release(base + 8, value)
        assert atomics.load_acquire(base + 8) == value
        assert words.tolist() == [0, value, 0, 0]


@pytest.mark.parametrize(
    ("function", "signature", "instruction", "order"),
    [
        (atomics.load_acquire, "uint64(uint64)", "load atomic", "acquire"),
        (atomics.store_release, "void(uint64, uint64)", "store atomic", "release"),
    ],
)
def test_compiled_code_is_one_ordered_access(
    function: Any, signature: str, instruction: str, order: str
) -> None:
    """On x86 a plain access would pass every run-time test; on ARM it would not. The compiler's own text tells."""
    compiled = numba.njit(signature)(function.py_func)  # cached code cannot be inspected
    texts = compiled.inspect_llvm()
    assert texts
    for text in texts.values():
        accesses = [line for line in text.splitlines() if re.search(rf"\b{instruction}\b", line)]
        assert accesses
        assert all(order in line and "align 8" in line and "i64" in line for line in accesses)


def test_a_message_is_seen_whole_by_another_thread() -> None:
    """The pattern of the ring: data first, then the word that says it is there."""
    words = np.zeros(1, np.uint64)
    data = np.zeros(256, np.int64)
    address = int(words.ctypes.data)
    rounds, torn = 20000, []

    def write() -> None:
        for number in range(1, rounds + 1):
            data[:] = number
            atomics.store_release(address, number)

    thread = threading.Thread(target=write)
    thread.start()
    seen = 0
    while seen < rounds:
        seen = atomics.load_acquire(address)
        if data.min() < seen:
            torn.append(seen)
    thread.join()
    assert not torn
