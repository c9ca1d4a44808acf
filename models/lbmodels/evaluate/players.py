# SPDX-License-Identifier: GPL-3.0-or-later
"""Who plays in an evaluation: a baseline, a model through ONNX Runtime where it can, else through torch."""

from __future__ import annotations

from functools import lru_cache

import torch

from lbmodels.contract.accompanist import Streaming
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.baselines import PREFIX, Oracle, open_baseline
from lbmodels.runtime.opening import open_accompanist


def open_contender(model: str | None, runtime: str = "auto", device: str = "auto") -> Streaming | Oracle:
    """Whoever can have a row in the table: by name, folder or `baseline:...`.

    `runtime` is auto, onnx (8-bit weights, as the server runs them), onnx-float32 or torch; `device` as `lbmodels.runtime.devices` has it.

    Raises:
        LiveBandModelError: no such model, baseline or runtime, or damaged weights.
    """
    if model is not None and model.startswith(PREFIX):
        return open_baseline(model)
    threads = torch.get_num_threads()
    found = open_accompanist(model, runtime, device)
    torch.set_num_threads(threads)  # a batch of excerpts has work for all of them, unlike a worker's step
    return found


@lru_cache(maxsize=1)
def open_player(model: str | None, runtime: str = "auto", device: str = "auto") -> Streaming:
    """As `open_contender`, for what needs someone who listens and plays.

    Raises:
        LiveBandModelError: as there, and for a baseline that is read from the data set.
    """
    found = open_contender(model, runtime, device)
    if isinstance(found, Oracle):
        raise LiveBandModelError(f"{found.spec.name} is read from the data set: it does not listen or play")
    return found
