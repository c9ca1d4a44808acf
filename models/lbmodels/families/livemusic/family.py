# SPDX-License-Identifier: GPL-3.0-or-later
"""Live music: an endless stream that plays on from its own past, steered by style, classes, tempo and harmony."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.families.livemusic.live import LiveMusicBand
    from lbmodels.families.livemusic.network import LiveMusic


def _network() -> tuple[type, Callable[[Any], LiveMusic]]:
    from lbmodels.families.livemusic.network import LiveMusic, LiveMusicConfig

    return LiveMusicConfig, LiveMusic


def build(name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = "") -> LiveMusicBand:
    """The band of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.families.livemusic.live import LiveMusicBand

    return LiveMusicBand(
        name, parts["codec"], parts["livemusic"], weights_id=weights_id, recipe=recipe
    ).eval()


LIVEMUSIC = Part(
    name="livemusic",
    kind="livemusic",
    network=_network,
    help="its own past and what is asked for in, latents of the whole band out",
)

FAMILY = Family(
    name="livemusic",
    parts=(CODEC, LIVEMUSIC),
    build=build,
    identity=("livemusic",),
    builds_on=("liveband", "codec_lm", "cam"),
    graph=False,
    objectives={"livemusic": Objective(module="lbmodels.train.livemusic")},
)
