# SPDX-License-Identifier: GPL-3.0-or-later
"""What an accompanist declares about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Control:
    """One knob: its name is the same in the plug-in, OSC, CLI and here."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    description: str


@dataclass(frozen=True, kw_only=True)
class AccompanistSpec:
    """Sizes and abilities of one accompanist; rates in Hz, `hop` in samples, the rest in frames."""

    name: str
    sample_rate: int
    channels: int
    hop: int
    chunk_frames: int
    anticipation_frames: tuple[int, int]
    stems: tuple[str, ...]
    controls: tuple[Control, ...]
    conditions: tuple[str, ...]
    context_frames: int
    parameters: int
    recipe: str
    weights_id: str
