# SPDX-License-Identifier: GPL-3.0-or-later
"""When a part plays and how loud: a class of level for each frame, drawn before the frame's latents.

A chain of its own, whose past is its own classes and never what was made of them. They are few and drawn whole, so that a past of drawn
ones is as good as a true one, and it rests as often and as long as it was taught to. A draw of latents alone is pulled
into silence by the small errors of its own past.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.conditioning.steering import STEERING_CONTROLS, steering_features
from lbmodels.errors import LiveBandModelError
from lbmodels.families.codec_lm.continuation import CONTROLS, Continuation, ContinuationPlayer
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.streaming.noise import gumbel

EDGES_DB = (-60.0, -52.0, -48.0, -44.0, -40.0, -36.0, -32.0, -28.0, -24.0, -20.0, -16.0)
"""Levels between the classes, in dBFS; what is softer than the first rests."""
CLASSES = len(EDGES_DB) + 1
DENSITY = replace(
    next(control for control in STEERING_CONTROLS if control.name == "density"),
    description="many rests to few; 0.5 leaves it to the model",
)
_DENSITY_NATS = 3.0
"""How much less likely a rest becomes against the rest of the classes at the highest density, and more at the lowest."""
_SEED = 0xA55E
"""Added to a seed: the latents' noise is of the seed itself."""


def classes_of(level_db: Tensor) -> Tensor:
    """Classes of levels, one-hot [..., CLASSES]."""
    found = torch.bucketize(level_db.contiguous(), torch.tensor(EDGES_DB, device=level_db.device), right=True)
    return F.one_hot(found, CLASSES).float()


@dataclass(frozen=True, kw_only=True)
class ArrangementConfig:
    """Sizes; `hearing` are those of the part that is LiveBand's. Classes are drawn at a temperature of `heat` where the variation is 1."""

    hearing: GeneratorConfig = field(default_factory=lambda: GeneratorConfig(depth=3, window=512))
    heat: float = 1.0


class Arrangement(Continuation):
    """Logits of a frame's class of level, where it heard the mix and the classes before."""

    def __init__(self, config: ArrangementConfig) -> None:
        """Raises LiveBandModelError: sizes that cannot be."""
        super().__init__(config.hearing, played=CLASSES)
        if config.heat <= 0:
            raise LiveBandModelError(f"heat is above 0, got {config.heat:g}")
        self.config = config
        features = config.hearing.features
        self.choose = nn.Sequential(nn.Linear(self.knows, features), nn.SiLU(), nn.Linear(features, CLASSES))


class Arranger(ContinuationPlayer):
    """Plays classes of level, one-hot, as others play latents; `chunk` frames a step. `density` makes it rest less or more."""

    controls = (*CONTROLS, DENSITY)

    def __init__(self, arrangement: Arrangement, chunk: int) -> None:
        super().__init__(arrangement, chunk)
        self.choose, self.heat = arrangement.choose, arrangement.config.heat

    def draw(self, known: Tensor, seed: Tensor, place: Tensor, asked: Mapping[str, Tensor]) -> Tensor:
        logits = self.choose(known)
        busier = _DENSITY_NATS * steering_features(asked).ranks[..., :1]
        logits = torch.cat([logits[..., :1] - busier, logits[..., 1:]], dim=-1)
        heat = (asked["variation"].float() * self.heat).unsqueeze(-1)
        chosen = (logits + heat * gumbel(seed + _SEED, place, CLASSES)).argmax(-1)
        return F.one_hot(chosen, CLASSES).float()
