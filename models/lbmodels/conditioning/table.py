# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract's table of conditions, as networks read it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def columns(conditions: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Conditions [B, F, width] without the axis of those that are one wide: [B, F], the others [B, F, width]."""
    return {name: value.squeeze(-1) for name, value in conditions.items()}
