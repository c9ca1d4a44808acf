# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the band hears: the side chain once it has sounded, and the main input again after a long silence."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

RATE_HZ = 1000  # 10 s are 10000 samples
PATIENCE = 10 * RATE_HZ


@pytest.fixture(scope="module")
def heard(build: Callable[..., Path]) -> Callable[[NDArray[np.float32], int], NDArray[np.uint8]]:
    """For each sample of a side chain [T, channels], given in blocks: 1 if it is heard."""
    program = build("tests/side_chain.cpp", "side")

    def run(side: NDArray[np.float32], block: int) -> NDArray[np.uint8]:
        command = [str(program), str(RATE_HZ), str(side.shape[1]), str(block)]
        done = subprocess.run(command, input=side.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, np.uint8)

    return run


def side_chain(length: int, *sounds: tuple[int, int], channels: int = 2) -> NDArray[np.float32]:
    """Silence with sounds [begin, end) in its last channel."""
    audio = np.zeros((length, channels), np.float32)
    for begin, end in sounds:
        audio[begin:end, -1] = 0.25
    return audio


def test_a_side_chain_that_is_on_and_silent_is_not_heard(heard: Callable[..., NDArray[np.uint8]]) -> None:
    """Hosts that activate and connect every bus would have the band listen to silence for ever."""
    assert not heard(side_chain(50000), 512).any()


@pytest.mark.parametrize("block", [1, 64, 4096, 100000])
def test_it_counts_from_its_first_sound_to_the_sample(
    heard: Callable[..., NDArray[np.uint8]], block: int
) -> None:
    """A switch at the edge of a block would make a render another one with other blocks."""
    side = side_chain(60000, (1234, 1300), (11000, 11001), (40001, 60000))
    found = heard(side, block)
    wanted = np.zeros(60000, np.uint8)
    wanted[1234 : 11000 + PATIENCE] = 1  # the rest in between is shorter than the patience
    wanted[40001:] = 1
    assert np.array_equal(found, wanted)


def test_it_goes_back_after_a_long_silence_and_comes_again(
    heard: Callable[..., NDArray[np.uint8]],
) -> None:
    """A side chain that was taken away would leave the band deaf."""
    found = heard(side_chain(3 * PATIENCE, (0, 1), (2 * PATIENCE, 2 * PATIENCE + 1), channels=1), 480)
    assert np.flatnonzero(np.diff(found)).tolist() == [PATIENCE - 1, 2 * PATIENCE - 1]


def test_what_is_no_number_does_not_count(heard: Callable[..., NDArray[np.uint8]]) -> None:
    """A NaN or an infinity out of a broken plug-in is no music."""
    side = side_chain(1000)
    side[100, 0], side[200, 1], side[300, 1] = np.nan, np.inf, -0.0
    assert not heard(side, 64).any()
