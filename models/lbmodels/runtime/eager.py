# SPDX-License-Identifier: GPL-3.0-or-later
"""An accompanist that runs on torch as it is, on any device: the contract's numpy outside, tensors inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec
from lbmodels.runtime import snapshot as snapshots
from lbmodels.runtime.graph import unknown_as_nan
from lbmodels.streaming.state import from_bytes, map_tensors, named_tensors, to_bytes


class TorchAccompanist:
    """An `lbmodels.contract.accompanist.Accompanist` of a module whose step takes and gives tensors; one thread.

    What other rows hear changes no bit of a row; how many they are and where it stands among them may change its last
    bits, since torch's matrix products choose their kernels by shape. The graph has neither.
    """

    runtime = "torch"

    def __init__(self, model: Any, device: str = "cpu") -> None:
        # One worker, one thread: a second made every small step slower.
        torch.set_num_threads(1)
        self.device = torch.device(device)
        self.spec: Spec = model.spec
        if isinstance(model, torch.nn.Module):
            model.to(self.device)
        self._model: Any = model

    def init_state(self, seeds: Sequence[int]) -> Any:
        with torch.inference_mode():
            return self._here(self._model.init_state(list(seeds)))

    def step(
        self, mix: Audio, conditions: Conditions, state: Any, active: NDArray[np.bool_]
    ) -> tuple[Audio, Any]:
        with torch.inference_mode():
            stem, state = self._model.step(
                torch.from_numpy(mix).to(self.device),
                {name: torch.from_numpy(value).to(self.device) for name, value in conditions.items()},
                state,
                torch.from_numpy(active).to(self.device),
            )
            audio = np.asarray(stem.cpu().numpy(), np.float32)
            return np.where(active[:, None, None], audio, np.float32(0.0)), state

    @property
    def causal(self) -> bool:
        """False for an offline reference, which has no stream: it plays by `play_whole`."""
        return bool(getattr(self._model, "causal", True))

    def play_whole(self, mix: Audio, conditions: Conditions, seeds: Sequence[int]) -> Audio:
        """The parallel pass: mix [B, F, C, hop] and conditions [B, F, width] -> stem frames [B, F, C, hop]."""
        with torch.inference_mode():
            told = {name: torch.from_numpy(value).to(self.device) for name, value in conditions.items()}
            stem = self._model(torch.from_numpy(mix).to(self.device), told, list(seeds))
            return np.asarray(stem.cpu().numpy(), np.float32)

    def heard_beat(self, state: Any) -> NDArray[np.float64]:
        if not hasattr(self._model, "heard_beat"):
            return np.full((_rows(state), self.spec.chunk_frames, 4), np.nan)
        return unknown_as_nan(self._model.heard_beat(state).numpy())

    def heard_chord(self, state: Any) -> NDArray[np.float64]:
        hear = getattr(self._model, "heard_chord", None)
        return np.full((_rows(state), 13), np.nan) if hear is None else np.asarray(hear(state))

    def join(self, states: Sequence[Any]) -> Any:
        if len(states) == 1:
            return states[0]
        with torch.inference_mode():
            return map_tensors(lambda *rows: torch.cat(rows), *states)

    def row(self, state: Any, index: int) -> Any:
        with torch.inference_mode():
            return map_tensors(lambda tensor: tensor[index : index + 1].clone(), state)

    def snapshot(self, state: Any) -> bytes:
        # It is restored into a state of the same batch, so the number of rows goes with it.
        return snapshots.sealed(
            to_bytes(state), weights_id=self.spec.weights_id, runtime=self.runtime, rows=_rows(state)
        )

    def compact(self, snapshot: bytes) -> bytes:
        return snapshots.compacted(snapshot)

    def restore(self, snapshot: bytes) -> Any:
        saved = snapshots.opened(snapshot, weights_id=self.spec.weights_id)
        with torch.inference_mode():
            return from_bytes(saved.body, self.init_state([0] * saved.rows))

    def _here(self, state: Any) -> Any:
        return map_tensors(lambda tensor: tensor.to(self.device), state)


def _rows(state: Any) -> int:
    return int(next(tensor for _name, tensor in named_tensors(state)).shape[0])
