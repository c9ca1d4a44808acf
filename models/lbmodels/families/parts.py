# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model family is: its parts, how they are put together, its objectives, what a graph must know; and shared parts.

Nothing here and in a `family.py` imports torch: networks are named by functions that import them when they are built.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lbmodels.errors import LiveBandModelError
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.codec.autoencoder import Codec
    from lbmodels.listening.beat_tracker import BeatTracker
    from lbmodels.listening.chord_tracker import ChordTracker


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A training program: the module whose `main(tables, out, quiet)` it is, and whether it learns from latents.

    `ranks`: whether several processes may share the work; not where nothing is learnt step by step.
    """

    module: str
    from_latents: bool = True
    ranks: bool = True


@dataclass(frozen=True, kw_only=True)
class Family:
    """One folder of `lbmodels.families`.

    build: (name, modules by part, weights_id, recipe) -> an accompanist on torch.
    identity: the parts whose digests name the weights; a saved state goes on with the same only.
    exact: parts of the names of tensors that an 8-bit graph keeps in float32.
    graph: whether its step can be exported; otherwise it runs on torch alone.
    builds_on: names of families whose code it uses; a graph of it is made anew when theirs changes.
    seed: the field of the state that takes a session's seed. position: the one that counts frames, by which the rings of
    attention are written.
    """

    name: str
    parts: tuple[Part[Any], ...]
    build: Callable[..., Any]
    identity: tuple[str, ...]
    exact: tuple[str, ...] = ()
    graph: bool = True
    builds_on: tuple[str, ...] = ()
    seed: str = "seed"
    position: str = "generator.trunk.position"
    objectives: Mapping[str, Objective] = field(default_factory=dict)

    def part(self, name: str) -> Part[Any]:
        """Raises LiveBandModelError: it has none of that name."""
        for part in self.parts:
            if part.name == name:
                return part
        known = ", ".join(part.name for part in self.parts)
        raise LiveBandModelError(f"family {self.name} has no part {name[:80]!r}; it has {known}")


def _codec() -> tuple[type, Callable[[Any], Codec]]:
    from lbmodels.codec.autoencoder import Codec, CodecConfig

    return CodecConfig, Codec


def _beat_tracker() -> tuple[type, Callable[[Any], BeatTracker]]:
    from lbmodels.listening.beat_tracker import BeatTracker, BeatTrackerConfig

    return BeatTrackerConfig, BeatTracker


def _chord_tracker() -> tuple[type, Callable[[Any], ChordTracker]]:
    from lbmodels.listening.chord_tracker import ChordTracker, ChordTrackerConfig

    return ChordTrackerConfig, ChordTracker


CODEC = Part(name="codec", kind="codec", network=_codec, help="the autoencoder: audio to latents and back")
BEAT_TRACKER = Part(
    name="beat_tracker",
    kind="beat_tracker",
    network=_beat_tracker,
    help="hears the beat where no host tells it",
    required=False,
)
CHORD_TRACKER = Part(
    name="chord_tracker",
    kind="chord_tracker",
    network=_chord_tracker,
    help="hears the chord where no host tells it",
    required=False,
)
