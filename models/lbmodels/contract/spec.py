# SPDX-License-Identifier: GPL-3.0-or-later
"""What an accompanist declares about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Control:
    """One knob of an accompanist, in its own unit. Its name is the same in the plug-in, OSC, CLI and here."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    description: str


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an accompanist is, fixed for its life.

    `hop` is in samples at `sample_rate`; one step takes and gives `chunk_frames` frames of `hop` samples.
    `anticipation_frames` is the range (least, most) it was made for; between these it comes in steps of
    `anticipation_step` frames. A window model of step ratio r and look-ahead w has k = r*T, and A = w*k.
    """

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
    anticipation_step: int = 1

    @property
    def frame_ms(self) -> float:
        """Length of one frame."""
        return 1000.0 * self.hop / self.sample_rate

    @property
    def anticipations(self) -> range:
        """Every anticipation it was made for, in frames."""
        least, most = self.anticipation_frames
        return range(least, most + 1, self.anticipation_step)

    @property
    def usual_anticipation(self) -> int:
        """In frames, where nobody asks for another: the least above none, if there is one."""
        return next((frames for frames in self.anticipations if frames), self.anticipations[-1])
