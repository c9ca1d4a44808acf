# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches drawn while the last one is trained on: the same ones in the same order, and no thread is left behind."""

import itertools
import threading
from collections.abc import Iterator

import pytest

from lbmodels.train.loop import read_ahead


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "batches"]


def test_the_same_in_the_same_order() -> None:
    assert list(read_ahead(iter(range(50)))) == list(range(50))


def test_it_reads_ahead_and_only_so_far() -> None:
    drawn: list[int] = []
    three = threading.Event()

    def batches() -> Iterator[int]:
        for n in itertools.count():
            drawn.append(n)
            if n == 3:
                three.set()
            yield n

    ahead = read_ahead(batches(), count=3)
    assert next(ahead) == 0
    assert three.wait(10), "nothing is drawn while the first batch is used"
    # One taken, three waiting, one in the reader's hand.
    assert len(drawn) <= 5
    ahead.close()
    assert not readers()


def test_a_failure_comes_after_what_was_drawn_before_it() -> None:
    def batches() -> Iterator[int]:
        yield 1
        raise ValueError("no such song")

    ahead = read_ahead(batches())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="no such song"):
        next(ahead)
    assert not readers()
