# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between the engine and whatever plays: torch-free, batch first, state passed in and out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbserver.errors import LiveBandError

Audio: TypeAlias = NDArray[np.float32]
"""Float32 samples; the last axis is time, the one before it the channel."""

Conditions: TypeAlias = Mapping[str, NDArray[np.float32]]
"""What is known about the output frame, one row per session, NaN = unknown. See `CONDITION_WIDTHS`."""

CONDITION_WIDTHS: Mapping[str, int] = {
    "stem": 1,  # index into spec.stems, always known
    "anticipation": 1,  # frames, always known
    "variation": 1,  # temperature of the noise, 1.0 by default
    "adherence": 1,  # these three: a control of those models that list it, unknown = the model's own choice
    "density": 1,
    "brightness": 1,
    "beat_phase": 1,  # [0, 1) at the start of the output frame
    "bar_phase": 1,  # [0, 1) at the start of the output frame
    "tempo": 1,  # beats per minute
    "chord": 12,  # 0/1 per pitch class from C; all 0 = "no chord"
    "chord_bass": 1,  # 0..11
    "key": 1,  # 0..11 major by tonic, 12..23 minor
    "tempo_low": 1,  # beats per minute: the slowest and
    "tempo_high": 1,  # the fastest tempo to be believed where the host tells none
    "tempo_scale": 1,  # by which a tempo that the model hears itself is to be told: half and double time
    "rests": 1,  # these two are for the shell: 1 rests when the player stops,
    "time_feel": 1,  # and the factor of half and double time that is wished for
}
"""Name -> columns. A width of 1 is carried as [B], more as [B, width]."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """One knob of an accompanist, in its own unit."""

    name: str
    unit: str
    minimum: float
    maximum: float
    default: float
    description: str


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What an accompanist is, fixed for its life.

    `hop` is in samples at `sample_rate`; one step takes and gives `chunk_frames` frames of `hop` samples;
    `anticipation_frames` is the range (least, most) it was made for.
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

    @property
    def frame_ms(self) -> float:
        """Length of one frame."""
        return 1000.0 * self.hop / self.sample_rate

    def stem_index(self, stem: str) -> int:
        """Index of a stem class; raises LiveBandError naming the ones that exist."""
        if stem not in self.stems:
            raise LiveBandError(f"unknown stem {stem!r}: {self.name} plays {', '.join(self.stems)}")
        return self.stems.index(stem)


class Accompanist(Protocol):
    """Plays frame by frame. `State` is opaque to the caller and is consumed by `step`."""

    @property
    def spec(self) -> Spec:
        """What it is."""
        ...

    def init_state(self, seeds: Sequence[int]) -> Any:
        """A fresh state with one batch row per seed."""
        ...

    def step(
        self, mix: Audio, conditions: Conditions, state: Any, active: NDArray[np.bool_]
    ) -> tuple[Audio, Any]:
        """Hear mix [B, C, k*H], give stem [B, C, k*H]; rows with active [B] False keep their state, give silence."""
        ...

    def heard_beat(self, state: Any) -> NDArray[np.float64]:
        """What it would tell itself of the next output frame by its own ear: beat phase, bar phase, tempo [B, 3]; NaN
        where it does not know.
        """
        ...

    def join(self, states: Sequence[Any]) -> Any:
        """One state with the rows of all, in order; the states given may not be used again."""
        ...

    def row(self, state: Any, index: int) -> Any:
        """A copy of one row, as a state of one; it shares no memory with `state`."""
        ...

    def snapshot(self, state: Any) -> bytes:
        """The whole state, random generators included; `restore` continues bit-exactly on the CPU."""
        ...

    def compact(self, snapshot: bytes) -> bytes:
        """The same snapshot in fewer bytes, for a file that travels: `restore` takes it, but it may be off a little."""
        ...

    def restore(self, snapshot: bytes) -> Any:
        """The state that `snapshot` or `compact` saved. Raises LiveBandError when the bytes are not such a state."""
        ...
