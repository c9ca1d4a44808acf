# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ahead: diffusion that fills the masked tail of a window of latents, a chunk a step, and its consistency student."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lbmodels.families.parts import CODEC, Family, Objective
from lbmodels.weights.part import Part

if TYPE_CHECKING:
    from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
    from lbmodels.families.lookahead.network import WindowNetwork


def _network() -> tuple[type, Callable[[Any], WindowNetwork]]:
    from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork

    return LookaheadConfig, WindowNetwork


def build(
    name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = ""
) -> LookaheadAccompanist:
    """The accompanist of these parts. Raises LiveBandModelError: they do not go together."""
    from lbmodels.families.lookahead.accompanist import LookaheadAccompanist

    del recipe  # it is its own
    teacher, student = parts.get("teacher"), parts.get("student")
    return LookaheadAccompanist(
        name, parts["codec"], teacher=teacher, student=student, weights_id=weights_id
    ).eval()


KIND = "lookahead-network"
FAMILY = Family(
    name="lookahead",
    parts=(
        CODEC,
        Part(
            name="teacher", kind=KIND, network=_network, help="draws a window in many steps", required=False
        ),
        Part(name="student", kind=KIND, network=_network, help="draws a window in few steps", required=False),
    ),
    build=build,
    identity=("teacher", "student"),
    objectives={
        "lookahead": Objective(module="lbmodels.train.lookahead"),
        "consistency": Objective(module="lbmodels.train.consistency"),
    },
)
