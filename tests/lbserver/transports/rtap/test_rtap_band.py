# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model that plays chunks is asked for when r and w change: no more than it takes, and it remembers. Without a server."""

from typing import Any

import numpy as np
import pytest

from lbserver.testing import accompanists
from lbserver.testing.rtap_client import FRAME, RATE, WINDOW, copied, music
from lbserver.transports.rtap.band import Band, Task

CHUNK = 16


@pytest.mark.parametrize(
    ("lasts_s", "settings"),
    [
        (9.0, [(0.125, 1), (0.125, 0), (0.125, 1)]),
        (9.0, [(0.0625, 1), (0.25, 1), (0.0625, 0), (0.125, -1)]),
        (1.6, [(0.125, 1)] * 5 + [(0.25, 1), (0.125, -1), (0.125, 1), (0.0625, -1), (0.25, 0), (0.0625, 1)]),
    ],
)
def test_other_settings_forget_nothing_and_hear_little_again(
    lasts_s: float, settings: list[tuple[float, int]]
) -> None:
    """A model that hears its last 6 s again at each change takes two seconds for it, during which nothing is played, and its
    beat tracker forgets the minutes before.
    """
    plain = accompanists.copy(chunk_frames=CHUNK, anticipation_frames=(0, 80))
    heard: list[int] = []

    def play(spec: Any, mix: Any, conditions: Any, state: Any) -> Any:
        heard.append(int(state.steps[0]))
        return plain.play(spec, mix, conditions, state)

    given = 0  # up to where the settings before have played: there it goes on
    band, mix, cursor = Band(accompanists.SmallAccompanist(spec=plain.spec, play=play)), music(40), 0
    for ratio, ahead in settings:
        step, earlier = int(WINDOW * ratio), given
        for number in range(int(lasts_s * RATE / step)):
            cursor += step
            start = cursor + ahead * step
            task = Task(
                take=0, cursor=cursor, start=start - 882, end=start + step, ahead_samples=(ahead + 1) * step,
                stems=("bass",), mix=mix[max(0, cursor - WINDOW) : cursor],
            )  # fmt: skip
            before = len(heard)
            found = band.play(task)["bass"]
            given = max(given, task.end)
            if cursor < 5 * RATE:
                continue
            # A step, what lies between the first chunk and where it is asked for, and what was kept a little earlier.
            most = (2 * step + 882) / (CHUNK * FRAME) + 3
            assert len(heard) - before <= most, (ratio, ahead, number)
            wanted = copied(mix, band.anticipation_frames(task.ahead_samples) + CHUNK - 1)[
                task.start : task.end
            ]
            new = max(0, earlier + CHUNK * FRAME - task.start)
            assert np.abs(wanted).max() > 0.1
            assert np.abs(found[new:] - wanted[new:]).max(initial=0.0) < 2e-3, (ratio, ahead, number)
            assert np.abs(np.convolve(found**2, np.ones(441) / 441, "valid")).min() > 1e-4, "no hole"
    assert heard.count(0) == 1
