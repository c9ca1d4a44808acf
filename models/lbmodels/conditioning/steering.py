# SPDX-License-Identifier: GPL-3.0-or-later
"""How a player may be steered: how busy, how bright, and how much what it hears binds it.

`density` and `brightness` are ranks within the stem's class, 0 to 1: 0.9 is busier than nine tenths of what such stems
play. In the middle, 0.5, and where nothing is told, the choice is the model's own. `adherence` is 1 for a player who fits
what it hears as players do; 0 plays without regard for it, above 1 seeks the part that fits most surely.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from lbmodels.contract.spec import Control

WIDTH = 4
"""Features of `Steer.ranks`."""
ADHERENCE_MOST = 4.0
"""What is asked for above it is taken for it."""

_OWN_CHOICE = 0.5
_NEAR = 0.005

TEMPERATURE = Control(
    name="variation",
    unit="",
    minimum=0.0,
    maximum=2.0,
    default=1.0,
    description="temperature: 0 plays the likeliest tokens, above 1 takes more risks",
)
"""Of families that draw tokens."""

STEERING_CONTROLS = (
    Control(
        name="adherence",
        unit="",
        minimum=0.0,
        maximum=ADHERENCE_MOST,
        default=1.0,
        description="how strictly it follows what it hears and is told: 0 plays whatever is heard, above 1 follows more closely",
    ),
    Control(
        name="density",
        unit="",
        minimum=0.0,
        maximum=1.0,
        default=_OWN_CHOICE,
        description="few notes to many, as a rank among stems of its class; 0.5 leaves it to the model",
    ),
    Control(
        name="brightness",
        unit="",
        minimum=0.0,
        maximum=1.0,
        default=_OWN_CHOICE,
        description="dark to bright, as a rank among stems of its class; 0.5 leaves it to the model",
    ),
)


class Steer(NamedTuple):
    """What a player is told, all zeros for one that is told nothing.

    `ranks` [..., WIDTH]: density and brightness, -1 to 1, each with whether it is told. `bond` [..., 1]: by how much more
    than usual what it hears and is told counts; -1 at an adherence of 0, 0 at 1, 0.5 at 4.
    """

    ranks: Tensor
    bond: Tensor


def steering_features(conditions: Mapping[str, Tensor]) -> Steer:
    """Controls of those names, each [...], absent or NaN where nothing is told."""
    unknown = torch.full_like(conditions["variation"], torch.nan)
    adherence = conditions.get("adherence", unknown)
    adherence = torch.where(adherence.isnan(), 1.0, adherence.clamp(0, ADHERENCE_MOST))
    asked = torch.stack([conditions.get(name, unknown) for name in ("density", "brightness")], dim=-1)
    known = (~asked.isnan()) & ((asked - _OWN_CHOICE).abs() > _NEAR)
    rank = torch.where(known, 2 * (asked.clamp(0, 1) - _OWN_CHOICE), 0.0)
    ranks = torch.stack([rank, known.float()], dim=-1).flatten(-2)
    bond = adherence.clamp(max=1) - 1 + adherence.clamp(min=1).log2() / 4
    return Steer(ranks, bond.unsqueeze(-1))
