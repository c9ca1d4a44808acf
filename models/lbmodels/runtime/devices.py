# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a model runs: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`. Imports torch only to look for a device of its kind."""

from __future__ import annotations

import importlib.util
import re

from lbmodels.errors import LiveBandModelError

ACCEPTED = "auto, cpu, cuda, cuda:<number> or mps"
_FORM = re.compile(r"auto|cpu|mps|cuda(:\d{1,3})?")


def chosen(device: str) -> str:
    """The device that a wish stands for; auto is the CPU: a graph of one frame a step runs best there.

    Raises:
        LiveBandModelError: no such device, or this machine has none.
    """
    if _FORM.fullmatch(device) is None:
        raise LiveBandModelError(f"unknown device {device[:40]!r}; accepted: {ACCEPTED}")
    if device in ("auto", "cpu"):
        return "cpu"
    if importlib.util.find_spec("torch") is None:
        raise LiveBandModelError(f"device {device} needs torch: pip install torch")
    import torch

    if device == "mps":
        if not torch.backends.mps.is_available():
            raise LiveBandModelError("device mps: this machine has none, or its torch was built without it")
        return device
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    number = int(device.partition(":")[2] or 0)
    if number >= there:
        found = f"{there} CUDA device{'s' * (there != 1)}" if there else "no CUDA device that torch can use"
        raise LiveBandModelError(f"device {device}: this machine has {found}")
    return f"cuda:{number}"
