# SPDX-License-Identifier: GPL-3.0-or-later
"""LiveBand: a continuous generator that plays one frame a step, trained by a game on its own outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import BEAT_TRACKER, CHORD_TRACKER, CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.band import Band
    from lbmodels.families.liveband.generator import Generator


def _generator() -> tuple[type, Callable[[Any], Generator]]:
    from lbmodels.families.liveband.generator import Generator, GeneratorConfig

    return GeneratorConfig, Generator


def build(name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = "") -> Band:
    """The band of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.band import Band

    trackers = parts.get("beat_tracker"), parts.get("chord_tracker")
    return Band(
        name, parts["codec"], parts["generator"], *trackers, weights_id=weights_id, recipe=recipe
    ).eval()


GENERATOR = Part(
    name="generator",
    kind="liveband-generator",
    network=_generator,
    help="what is heard and told in, stem latents out",
)

FAMILY = Family(
    name="liveband",
    parts=(CODEC, GENERATOR, BEAT_TRACKER, CHORD_TRACKER),
    build=build,
    identity=("generator", "beat_tracker", "chord_tracker"),
    # In 8 bits the matrix that writes the spectrum would cost more of the sound (0.8 dB of log spectrum) than all others
    # together; the trackers' are small, and decide between tempi and chords.
    exact=("codec.decoder.head.weight", "beat_tracker.", "chord_tracker."),
    objectives={
        "tempogram": Objective(module="lbmodels.train.tempogram"),
        "liveband": Objective(module="lbmodels.train.liveband"),
        "latent_matching": Objective(module="lbmodels.train.latent_matching", ranks=False),
    },
)
