# SPDX-License-Identifier: GPL-3.0-or-later
"""The sounds of the sampler baseline, by own synthesis: drum hits, a bass note, a chord stab."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from lbmodels.evaluate.causal_ear import RATE_HZ
from lbmodels.evaluate.metrics import Audio, Floats

NOTE_S = 1.2
_LEVEL = {"kick": 0.3, "snare": 0.2, "hat": 0.06, "bass": 0.16, "chord": 0.045}


@lru_cache(maxsize=64)
def drum(name: str) -> Audio:
    """A hit [T]: kick, snare or hat."""
    t = np.arange(round(0.35 * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(7).standard_normal(len(t))
    if name == "kick":
        x = np.sin(2 * np.pi * (48 * t + 3.5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.12)
    elif name == "snare":
        x = 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.06) + 0.5 * noise * np.exp(-t / 0.08)
    else:
        x = np.diff(noise, n=2, prepend=[0.0, 0.0]) * np.exp(-t / 0.03)
    return (_LEVEL[name] * x).astype(np.float32)


@lru_cache(maxsize=256)
def _note(midi: int, harmonics: int, decay_s: float) -> Floats:
    t = np.arange(round(NOTE_S * RATE_HZ)) / RATE_HZ
    hz = 440 * 2 ** ((midi - 69) / 12)
    x = np.sum([np.sin(2 * np.pi * hz * h * t) / h**1.3 for h in range(1, harmonics + 1)], axis=0)
    return np.asarray(x * np.exp(-t / decay_s) * np.minimum(t / 0.004, 1))


def bass(pitch_class: int, length_s: float) -> Audio:
    """A note [T] of a bass guitar's octave, cut after `length_s`."""
    return _cut(_LEVEL["bass"] * _note(28 + (pitch_class - 4) % 12, 8, 0.5), length_s)


def chord(tones: Floats, length_s: float, *, low: int) -> Audio:
    """A stab [T] of every tone of [12], each in the octave from MIDI key `low` up, cut after `length_s`."""
    notes = [_note(low + (int(tone) - low) % 12, 6, 0.35) for tone in np.flatnonzero(tones > 0.5)]
    total = np.sum(notes, axis=0) if notes else np.zeros(round(NOTE_S * RATE_HZ))
    return _cut(_LEVEL["chord"] * total, length_s)


def _cut(x: Floats, length_s: float) -> Audio:
    count = min(round(length_s * RATE_HZ), len(x))
    fade = min(480, count)
    cut = x[:count].copy()
    cut[count - fade :] *= np.linspace(1, 0, fade)
    return cut.astype(np.float32)
