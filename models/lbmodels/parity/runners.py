# SPDX-License-Identifier: GPL-3.0-or-later
"""Who computes the outputs of a golden file: the family that its name's first part tells."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping

from lbmodels.errors import LiveBandModelError
from lbmodels.parity.case import Arrays, Case

Runner = Callable[[Case], Arrays]

RUNNERS: Mapping[str, str] = {
    "smg": "lbmodels.families.streamgen.parity:run",
    "dac": "lbmodels.families.streamgen.parity:run",
    "sm": "lbmodels.families.streamgen.parity:run",
    "ldm": "lbmodels.families.lookahead.parity:run",
    "mrt2": "lbmodels.families.livemusic.parity:run",
}
"""First part of a golden file's name -> module:function."""


def runner(case: Case) -> Runner:
    """The function that computes a case's outputs.

    Raises:
        LiveBandModelError: a name that no family knows, or a family that this copy does not have.
    """
    first = case.name.split("_")[0]
    if first not in RUNNERS:
        known = ", ".join(f"{name}_" for name in RUNNERS)
        raise LiveBandModelError(
            f"golden file {case.name}: no model is known by {first!r}; accepted: {known}"
        )
    module, function = RUNNERS[first].split(":")
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise LiveBandModelError(f"golden file {case.name}: {module} is not in this copy of liveband")
    found: Runner = getattr(importlib.import_module(module), function)
    return found
