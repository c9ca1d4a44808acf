# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stem passes through before the desk: an amplifier, pedals, tone, a compressor, echo, a room. None adds latency."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pedalboard as pb

Audio = npt.NDArray[np.float32]

DISTORTED_PROGRAMS = (29, 30)
_WETNESS = {"bass": 0.3, "drums": 0.8}


def _amplifier(stem_class: str, program: int, rng: np.random.Generator) -> list[pb.Plugin]:
    import pedalboard as pb

    if stem_class == "guitar" and program in DISTORTED_PROGRAMS:
        drive = [pb.Distortion(drive_db=float(rng.uniform(6, 24)))] if rng.random() < 0.75 else []
        return [
            pb.HighpassFilter(cutoff_frequency_hz=float(rng.uniform(60, 140))), *drive,
            pb.PeakFilter(cutoff_frequency_hz=float(rng.uniform(500, 2500)), gain_db=float(rng.normal(0, 4)), q=0.8),
            pb.LowpassFilter(cutoff_frequency_hz=float(rng.uniform(3500, 8000))),
        ]  # fmt: skip
    chance = {"guitar": 0.2, "bass": 0.15, "drums": 0.05, "piano": 0.05}.get(stem_class, 0.1)
    if rng.random() < chance:
        return [
            pb.Distortion(drive_db=float(rng.uniform(2, 14))),
            pb.LowpassFilter(cutoff_frequency_hz=float(rng.uniform(4000, 9000))),
        ]
    return []


def _tone(rng: np.random.Generator) -> list[pb.Plugin]:
    import pedalboard as pb

    tilt = float(rng.normal(0, 2.5))
    chain: list[pb.Plugin] = []
    if rng.random() < 0.7:
        low = float(rng.uniform(90, 350))
        chain.append(pb.LowShelfFilter(cutoff_frequency_hz=low, gain_db=-tilt + float(rng.normal(0, 1.5))))
        high = float(rng.uniform(2500, 9000))
        chain.append(pb.HighShelfFilter(cutoff_frequency_hz=high, gain_db=tilt + float(rng.normal(0, 1.5))))
    if rng.random() < 0.3:
        centre = float(np.exp(rng.uniform(np.log(250), np.log(5000))))
        chain.append(
            pb.PeakFilter(
                cutoff_frequency_hz=centre, gain_db=float(rng.normal(0, 4)), q=float(rng.uniform(0.5, 2.5))
            )
        )
    return chain


def _pedals(stem_class: str, rng: np.random.Generator) -> list[pb.Plugin]:
    import pedalboard as pb

    chain: list[pb.Plugin] = []
    if stem_class in ("guitar", "piano", "other") and rng.random() < 0.15:
        chain.append(
            pb.Chorus(
                rate_hz=float(rng.uniform(0.3, 2.5)),
                depth=float(rng.uniform(0.05, 0.3)),
                mix=float(rng.uniform(0.1, 0.5)),
            )
        )
    elif stem_class in ("guitar", "piano", "other") and rng.random() < 0.06:
        chain.append(
            pb.Phaser(
                rate_hz=float(rng.uniform(0.1, 1.5)),
                depth=float(rng.uniform(0.2, 0.6)),
                mix=float(rng.uniform(0.2, 0.5)),
            )
        )
    if rng.random() < 0.45:
        chain.append(
            pb.Compressor(
                threshold_db=float(rng.uniform(-34, -16)), ratio=float(rng.uniform(1.8, 8.0)),
                attack_ms=float(rng.uniform(1, 25)), release_ms=float(rng.uniform(50, 250)),
            )
        )  # fmt: skip
    return chain


def _space(stem_class: str, beat_s: float, rng: np.random.Generator) -> list[pb.Plugin]:
    import pedalboard as pb

    chain: list[pb.Plugin] = []
    if stem_class in ("guitar", "piano", "other") and rng.random() < 0.1:
        delay = beat_s * float(rng.choice([0.5, 0.75, 1.0, 1 / 3]))
        chain.append(
            pb.Delay(
                delay_seconds=min(delay, 1.2),
                feedback=float(rng.uniform(0.05, 0.4)),
                mix=float(rng.uniform(0.05, 0.25)),
            )
        )
    if rng.random() < 0.35:
        wet = float(rng.uniform(0.02, 0.3)) * _WETNESS.get(stem_class, 1.0)
        chain.append(
            pb.Reverb(
                room_size=float(rng.uniform(0.1, 0.85)), wet_level=wet, dry_level=1.0 - wet,
                damping=float(rng.uniform(0.2, 0.8)), width=float(rng.uniform(0.5, 1.0)),
            )
        )  # fmt: skip
    return chain


def apply_effects(
    audio: Audio,
    stem_class: str,
    program: int,
    sample_rate: int,
    rng: np.random.Generator,
    *,
    beat_s: float = 0.5,
) -> Audio:
    """The stem through a random chain. [2, T] -> [2, T]; echoes keep the time of the song's beat."""
    import pedalboard as pb

    chain = [
        *_amplifier(stem_class, program, rng), *_tone(rng), *_pedals(stem_class, rng), *_space(stem_class, beat_s, rng)
    ]  # fmt: skip
    if not chain:
        return audio
    return np.ascontiguousarray(pb.Pedalboard(chain)(audio, sample_rate), dtype=np.float32)
