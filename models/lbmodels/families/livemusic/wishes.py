# SPDX-License-Identifier: GPL-3.0-or-later
"""What a live stream is asked for beside style, tempo and harmony: which classes sound, how busy and how bright it is.

Zeros ask for nothing. Classes: 1 sounds, -1 does not, 0 is the model's choice.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lbmodels.conditioning import steering
from lbmodels.conditioning.steering import steering_features
from lbmodels.contract.stems import STEMS_AND_REST

CLASSES = len(STEMS_AND_REST)
WIDTH = CLASSES + steering.WIDTH


def wish_features(conditions: Mapping[str, Tensor]) -> Tensor:
    """[..., WIDTH] of `classes` [..., CLASSES], `density` and `brightness` [...], absent or NaN where nothing is asked;
    `variation` [...] is always there.
    """
    classes = conditions.get("classes")
    if classes is None:
        classes = torch.zeros(*conditions["variation"].shape, CLASSES)
    return torch.cat([classes.nan_to_num(0.0), steering_features(conditions).ranks], dim=-1)
