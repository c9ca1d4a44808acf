# SPDX-License-Identifier: GPL-3.0-or-later
"""An input that a network may do without."""

from __future__ import annotations

from collections.abc import Container

from torch import nn


class SilentAtFirst(nn.Sequential):
    """[..., inputs] -> [..., features]; it adds nothing until it is trained: a model that did without plays on as it did.

    So a training run may be gone on with that had none (`lbmodels.train.loop`).
    """

    def __init__(self, inputs: int, features: int) -> None:
        last = nn.Linear(features, features)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(inputs, features), nn.SiLU(), last)


def may_lack(model: nn.Module, known: Container[str]) -> set[str]:
    """Tensors of a model that are not among `known` and need not be: those of inputs that add nothing as they are."""
    silent = [name for name, part in model.named_modules() if isinstance(part, SilentAtFirst)]
    return {
        name
        for name in model.state_dict()
        if name not in known and any(name.startswith(f"{one}.") for one in silent)
    }
