# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between the engine and whatever plays: torch-free, batch first, state passed in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec

Audio: TypeAlias = NDArray[np.float32]
"""Float32 samples; the last axis is time, the one before it the channel."""


class Streaming(Protocol):
    """Plays chunk by chunk. The state is opaque to the caller and is consumed by `step`."""

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
        """Hear mix [B, C, k*H], give stem [B, C, k*H]; rows with active [B] False keep their state, give silence.

        Step n hears mix frames [n*k, (n+1)*k) and plays output frames [(n+1)*k + A, (n+2)*k + A), of which `conditions`
        tell what is known, each [B, k, width].
        """
        ...


class Accompanist(Streaming, Protocol):
    """What the engine plays: its sessions come and go, move and are kept."""

    def heard_beat(self, state: Any) -> NDArray[np.float64]:
        """What it would tell itself of the next chunk's output frames by its own ear: beat phase, bar phase, tempo, beats
        of a bar [B, k, 4]; NaN where it does not know.
        """
        ...

    def heard_chord(self, state: Any) -> NDArray[np.float64]:
        """The chord that it hears now: 1 or 0 for each pitch class from C, and the lowest tone, 0 to 11 [B, 13]; NaN where it
        hears none.
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
        """The state that `snapshot` or `compact` saved. Raises ValueError, in words, when the bytes are not such a state."""
        ...
