# SPDX-License-Identifier: GPL-3.0-or-later
"""A family of the tests: RVQ tokens, four frames a step. All that a family is lies in this folder and its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lbmodels.families.parts import CODEC, Family, Objective
from lbmodels.weights.part import Part


def _rvq() -> tuple[type, Callable[[Any], Any]]:
    from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig

    return RvqConfig, ResidualQuantiser


def _model() -> tuple[type, Callable[[Any], Any]]:
    from lbmodels.families.toy.network import TokenConfig, TokenModel

    return TokenConfig, TokenModel


def build(name: str, parts: Mapping[str, Any], *, weights_id: str = "", recipe: str = "") -> Any:
    from lbmodels.families.toy.network import TokenPlayer

    from lbmodels.band import Band

    player = TokenPlayer(parts["rvq"], parts["model"])
    return Band(name, parts["codec"], player, weights_id=weights_id, recipe=recipe).eval()


FAMILY = Family(
    name="toy",
    parts=(
        CODEC,
        Part(name="rvq", kind="rvq", network=_rvq, help="tokens of the latents"),
        Part(name="model", kind="toy-tokens", network=_model, help="tokens to tokens"),
    ),
    build=build,
    identity=("model", "rvq"),
    position="generator.position",
    graph=False,
    objectives={"toy": Objective(module="lbmodels.families.toy.training", from_latents=False)},
)
