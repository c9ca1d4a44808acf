# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be known about an output frame: names, widths and meaning, and the table that a step is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Conditions: TypeAlias = Mapping[str, NDArray[np.float32]]
"""Name -> [B, k, width]: a row for each session, what is known about each output frame of the chunk. NaN = unknown."""

FrameConditions: TypeAlias = Mapping[str, float | NDArray[np.float32]]
"""What is known about one output frame; names left out are unknown."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One entry of the table. `source`: who tells it, the session's settings, a control, the shell, whoever asks for a style or steers a
    stream, or the host, which may know the beat and the harmony.
    """

    name: str
    source: Literal["session", "control", "shell", "beat", "harmony", "style", "stream"]
    meaning: str
    width: int = 1


CONDITIONS = (
    Condition(name="stem", source="session", meaning="index into spec.stems, always known"),
    Condition(name="anticipation", source="session", meaning="frames, always known"),
    Condition(name="variation", source="control", meaning="temperature of the noise, 1.0 by default"),
    # A control of those models that list it; unknown is the model's own choice.
    Condition(name="adherence", source="control", meaning="how strictly what is heard and told is followed"),
    Condition(name="density", source="control", meaning="few notes (0) to many (1)"),
    Condition(name="brightness", source="control", meaning="dark (0) to bright (1)"),
    Condition(name="beat_phase", source="beat", meaning="[0, 1) at the start of the output frame"),
    Condition(name="bar_phase", source="beat", meaning="[0, 1) at the start of the output frame"),
    Condition(name="tempo", source="beat", meaning="beats per minute"),
    Condition(
        name="chord", source="harmony", meaning="0/1 per pitch class from C; all 0 = no chord", width=12
    ),
    Condition(name="chord_bass", source="harmony", meaning="pitch class, 0..11"),
    Condition(name="key", source="harmony", meaning="0..11 major by tonic, 12..23 minor"),
    Condition(
        name="style", source="style", meaning="unit vector of the style space, what is asked for", width=64
    ),
    Condition(
        name="classes",
        source="stream",
        meaning="drums, bass, piano, guitar, others: 1 sounds, -1 does not, of a whole band",
        width=5,
    ),
    Condition(
        name="injection",
        source="stream",
        meaning="0 off, 1 free, 2 looper; gain; loop, latency and gap in seconds, of a stream that hears itself",
        width=5,
    ),
    Condition(
        name="tempo_low", source="control", meaning="beats per minute: the slowest tempo to be believed"
    ),
    Condition(
        name="tempo_high", source="control", meaning="beats per minute: the fastest tempo to be believed"
    ),
    Condition(name="quality", source="control", meaning="how much work a step gets, an index into QUALITIES"),
    Condition(name="tempo_scale", source="shell", meaning="factor of a tempo that the model hears itself"),
    Condition(name="rests", source="shell", meaning="1 rests when the player stops"),
    Condition(name="time_feel", source="shell", meaning="factor of half and double time that is wished for"),
    Condition(name="play", source="shell", meaning="1 plays, 0 is silent"),
    Condition(name="fade", source="shell", meaning="beats that it takes to stop and to begin"),
    Condition(
        name="intensity",
        source="shell",
        meaning="0 to 1: softer and sparser below 0.5, louder and busier above",
    ),
    Condition(name="count_in", source="shell", meaning="1 begins to count in, if it was not 1 before"),
)

WIDTHS: Mapping[str, int] = {one.name: one.width for one in CONDITIONS}
"""Name -> width."""
BEAT = tuple(one.name for one in CONDITIONS if one.source == "beat")
"""What a host may know of time."""
HARMONY = tuple(one.name for one in CONDITIONS if one.source == "harmony")
"""What a host may know of chords."""
HOST = (*BEAT, *HARMONY)
"""All that a host may know of an output frame."""


def table(
    always: FrameConditions, known: Sequence[FrameConditions], rows: int
) -> dict[str, NDArray[np.float32]]:
    """The conditions of a chunk, name -> float32 [rows, k, width]; NaN where nobody knows.

    Args:
        always: what holds for the whole chunk: a number, [width], or [rows] where each row has its own.
        known: what is known of each of the k output frames, the same for all rows; `always` goes before it.
        rows: sessions in the batch.
    """
    made = {}
    for name, width in WIDTHS.items():
        values = np.full((rows, len(known), width), np.nan, np.float32)
        if name in always:
            value = np.asarray(always[name], np.float32)
            values[:] = value[:, None, None] if width == 1 and value.ndim else value
        else:
            for frame, one in enumerate(known):
                values[:, frame] = one.get(name, np.nan)
        made[name] = values
    return made
