# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ahead: diffusion that fills the masked tail of a window of latents, a chunk a step, and its consistency student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import BEAT_TRACKER, CHORD_TRACKER, CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
    from lbmodels.families.lookahead.music2latent import Music2Latent
    from lbmodels.families.lookahead.network import WindowNetwork
    from lbmodels.families.lookahead.published import PublishedNetwork
    from lbmodels.families.lookahead.published_accompanist import PublishedAccompanist


def _network() -> tuple[type, Callable[[Any], WindowNetwork]]:
    from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork

    return LookaheadConfig, WindowNetwork


def _published() -> tuple[type, Callable[[Any], PublishedNetwork]]:
    from lbmodels.families.lookahead.published import PublishedConfig, PublishedNetwork

    return PublishedConfig, PublishedNetwork


def _music2latent() -> tuple[type, Callable[[Any], Music2Latent]]:
    from lbmodels.families.lookahead.music2latent import Music2Latent, Music2LatentConfig

    return Music2LatentConfig, Music2Latent


def build(
    name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = ""
) -> LookaheadAccompanist | PublishedAccompanist:
    """The accompanist of these parts: the published network with its autoencoder, or ours with ours.

    Raises:
        LiveBandModelError: they do not go together, or one is missing.
    """
    from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
    from lbmodels.families.lookahead.published_accompanist import PublishedAccompanist

    del recipe  # it is its own
    if (network := parts.get("published")) is not None:
        if "music2latent" not in parts:
            raise LiveBandModelError(
                f"{name} was imported without its autoencoder: import it again with --codec music2latent.pt"
            )
        return PublishedAccompanist(
            name,
            network,
            parts["music2latent"],
            network.tier,
            as_published=network.told.as_published,
            weights_id=weights_id,
        ).eval()
    if "codec" not in parts:
        raise LiveBandModelError(f"{name} has no codec: a look-ahead model needs one")
    teacher, student = parts.get("teacher"), parts.get("student")
    return LookaheadAccompanist(
        name,
        parts["codec"],
        teacher=teacher,
        student=student,
        beat_tracker=parts.get("beat_tracker"),
        chord_tracker=parts.get("chord_tracker"),
        weights_id=weights_id,
    ).eval()


KIND = "lookahead-network"
PUBLISHED = Part(
    name="published",
    kind="lookahead-published",
    network=_published,
    help="the published U-Net, diffusion model or student",
    required=False,
)
MUSIC2LATENT = Part(
    name="music2latent",
    kind="music2latent",
    network=_music2latent,
    help="its autoencoder, by the package of that name",
    required=False,
)
FAMILY = Family(
    name="lookahead",
    parts=(
        replace(CODEC, required=False),
        Part(
            name="teacher", kind=KIND, network=_network, help="draws a window in many steps", required=False
        ),
        Part(name="student", kind=KIND, network=_network, help="draws a window in few steps", required=False),
        BEAT_TRACKER,
        CHORD_TRACKER,
        PUBLISHED,
        MUSIC2LATENT,
    ),
    build=build,
    identity=("teacher", "student", "beat_tracker", "chord_tracker", "published"),
    builds_on=("liveband",),
    graph=False,
    objectives={
        "lookahead": Objective(module="lbmodels.train.lookahead"),
        "consistency": Objective(module="lbmodels.train.consistency"),
    },
)
