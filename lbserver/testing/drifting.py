# SPDX-License-Identifier: GPL-3.0-or-later
"""Two clocks that disagree, on a virtual clock: a tone made by one and played by the other."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lbserver.audio.drift import DriftConfig, DriftFollower

RATE_HZ = 48000
BLOCK = 256
TONE_HZ = 1000.0


@dataclass
class Run:
    """Per block played: time, correction, fill off its middle in samples, and the tone's phase in radians."""

    time_s: NDArray[np.float64]
    correction: NDArray[np.float64]
    off_samples: NDArray[np.float64]
    phase: NDArray[np.float64]
    level: NDArray[np.float64]
    follower: DriftFollower
    cpu_s: float


def play(
    seconds: float,
    drift: Callable[[float], float],
    *,
    jitter_ms: float = 2.0,
    config: DriftConfig | None = None,
) -> Run:
    """A sender whose clock is off by `drift(now)` pushes a tone, a device pulls it, block by block."""
    config = DriftConfig(rate_hz=RATE_HZ, channels=1) if config is None else config
    follower = DriftFollower(config)
    rng = np.random.default_rng(3)
    blocks = int(seconds * RATE_HZ / BLOCK)
    jitter_s = (rng.random(2 * blocks) * jitter_ms / 1000).tolist()
    cycle = np.sin(2 * np.pi * TONE_HZ / RATE_HZ * np.arange(48 * 16 + BLOCK)).astype(np.float32)[None]
    window = np.hanning(BLOCK)
    probe = window * np.exp(-2j * np.pi * TONE_HZ / RATE_HZ * np.arange(BLOCK))
    correction, off = np.empty(blocks), np.empty(blocks)
    seen = np.empty(blocks, complex)
    sent, made_s, arrival_s = 0, 0.0, 0.0
    begin = time.process_time()
    for index in range(blocks):
        now_s = (index + 1) * BLOCK / RATE_HZ
        while arrival_s <= now_s:
            if sent:
                start = (sent - 1) * BLOCK % 48
                follower.push(cycle[:, start : start + BLOCK], arrival_s)
            made_s += BLOCK / RATE_HZ / (1.0 + drift(made_s))
            arrival_s = max(arrival_s, made_s + jitter_s[sent % len(jitter_s)])
            sent += 1
        out = follower.pull(BLOCK, now_s)
        seen[index] = out[0] @ probe
        correction[index] = follower.correction
        # The sender's own clock, without blocks and jitter: what it has made by now.
        made = (sent - (made_s - now_s) * RATE_HZ * (1.0 + drift(made_s)) / BLOCK) * BLOCK
        off[index] = made - follower._read - follower.target_samples
    return Run(
        time_s=np.arange(1, blocks + 1) * BLOCK / RATE_HZ,
        correction=correction,
        off_samples=off,
        phase=np.unwrap(np.angle(seen)),
        level=np.abs(seen) * 2 / window.sum(),
        follower=follower,
        cpu_s=time.process_time() - begin,
    )
