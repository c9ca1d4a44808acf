# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the published Magenta RealTime 2, run through our modules and our loader of its keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic import published
from lbmodels.families.livemusic.depthformer import RESERVED, Depthformer
from lbmodels.families.livemusic.sampling import sampling
from lbmodels.families.livemusic.spectrostream import Decoder, Encoder, Quantiser
from lbmodels.parity.case import Arrays, Case

Outputs = dict[str, NDArray[Any]]


def _tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.array(array))


def _ids(array: NDArray[Any]) -> Tensor:
    return _tensor(array.astype(np.int64))


def _depthformer(config: Mapping[str, Any], inputs: Arrays, weights: Mapping[str, Tensor]) -> Outputs:
    sizes = published.sizes(
        {key: tuple(value.shape) for key, value in weights.items()},
        past_window=config["past_window"],
        levels=config["levels"],
        channel_sizes=tuple(config["channel_vocab"]),
    )
    model = published.fit(Depthformer(sizes), weights, published.DEPTHFORMER, "case")
    conditioning, tokens = _ids(inputs["conditioning"]), _ids(inputs["tokens"])
    logits = model(tokens.unsqueeze(0), conditioning.unsqueeze(0))[0]
    firsts = RESERVED + sizes.codes * torch.arange(sizes.levels)
    within = firsts.unsqueeze(1) + torch.arange(sizes.codes)
    state, active = model.init_state(1), torch.ones(1, dtype=torch.bool)
    how, made, margins = sampling(1, temperature=0.0), [], []
    for frame in conditioning[: config.get("greedy_frames", 0)]:
        codes, seen, state = model.step(frame.unsqueeze(0), state, active, how)
        best = seen[0].topk(2).values
        made.append(codes[0] + firsts)
        margins.append(best[:, 0] - best[:, 1])
    outputs = {
        "conditioning_encoded": model.encoder(conditioning),
        "logits_level": logits.gather(-1, within.expand(len(logits), -1, -1)),
        "logsumexp": logits.logsumexp(-1),
    }
    if "extra_ids" in inputs:
        outputs["logits_extra"] = logits[..., _ids(inputs["extra_ids"])]
    if made:
        outputs |= {"greedy_tokens": torch.stack(made), "greedy_margin": torch.stack(margins)}
    return {name: value.numpy() for name, value in outputs.items()}


def _quantiser(weights: Mapping[str, Tensor]) -> Quantiser:
    prefix = published.SPECTROSTREAM + "quantizer/"
    return published.fit(Quantiser(*weights[prefix + "embedding"].shape), weights, prefix, "case")


def _decoder(inputs: Arrays, weights: Mapping[str, Tensor]) -> Outputs:
    decoder = published.fit(Decoder(), weights, published.SPECTROSTREAM + "decoder/", "case")
    embedding = _quantiser(weights).decode(_ids(inputs["codes"])).unsqueeze(0)
    return {"embedding": embedding.numpy(), "waveform": decoder(embedding).numpy()}


def _encoder(config: Mapping[str, Any], inputs: Arrays, weights: Mapping[str, Tensor]) -> Outputs:
    encoder = published.fit(Encoder(), weights, published.SPECTROSTREAM + "encoder/", "case")
    embedding = encoder(_tensor(inputs["audio"]).unsqueeze(0))
    codes, margin = _quantiser(weights).encode(embedding[0], config["levels"])
    return {"embedding": embedding.numpy(), "codes": codes.numpy(), "code_margin": margin.numpy()}


@torch.inference_mode()
def run(case: Case) -> Outputs:
    """Outputs by name of one case, its weights made by the rule from the keys.

    Raises:
        LiveBandModelError: a case of another model.
    """
    weights = {key: _tensor(value) for key, value in case.weights().items()}
    parts = {key.removeprefix("params/").split("/")[0] for key in case.keys}
    if "depthformer" in parts:
        return _depthformer(case.config, case.inputs, weights)
    if "decoder" in parts:
        return _decoder(case.inputs, weights)
    if "encoder" in parts:
        return _encoder(case.config, case.inputs, weights)
    raise LiveBandModelError(f"no case of Magenta RealTime 2: its tensors belong to {sorted(parts)}")
