# SPDX-License-Identifier: GPL-3.0-or-later
"""Cross-entropy on tokens of a walk: what comes four frames later is what was heard, one code on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lbmodels.families.toy.network import TokenConfig, TokenModel

from lbmodels.conditioning.table import columns
from lbmodels.config import build
from lbmodels.contract.conditions import table
from lbmodels.weights.modules import save_weights


@dataclass(frozen=True, kw_only=True)
class Training:
    """A whole recipe."""

    model: TokenConfig = field(default_factory=TokenConfig)
    steps: int = 10
    seed: int = 0


def main(tables: Mapping[str, Any], folder: Path, *, quiet: bool = False) -> Path:
    """Train into `folder`; returns the path of model.safetensors."""
    del quiet
    config = build(Training, tables)
    torch.manual_seed(config.seed)
    model = TokenModel(config.model)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    told = {n: torch.from_numpy(v) for n, v in table({"stem": 0.0}, [{}] * 16, 8).items()}
    for _ in range(config.steps):
        tokens = torch.randint(config.model.codes, (8, 16, config.model.levels))
        loss = F.cross_entropy(
            model(tokens, columns(told)).flatten(0, 2), ((tokens + 1) % config.model.codes).flatten()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loss.txt").write_text(f"{loss.item():.4f}\n")
    return save_weights(folder / "model.safetensors", model, kind="toy-tokens", config=config.model)
