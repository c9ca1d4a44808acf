# SPDX-License-Identifier: GPL-3.0-or-later
"""Published tensors into our modules: a key is a parameter's path with slashes, kernels of convolutions are turned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.convolution import Upsampling
from lbmodels.families.livemusic.depthformer import RESERVED, DepthformerConfig, StackConfig
from lbmodels.weights.comparing import check_names

M = TypeVar("M", bound=nn.Module)
DEPTHFORMER = "params/depthformer/"
SPECTROSTREAM = "params/"
JOINT_SPECTROSTREAM = "params/soundstream/"


def _turned(module: nn.Module) -> dict[str, bool]:
    """Paths of convolutions' kernels; true where the convolution is transposed."""
    return {
        f"{path}.conv.kernel": isinstance(part, Upsampling)
        for path, part in module.named_modules()
        if hasattr(part, "conv")
    }


def _published_shape(path: str, shape: tuple[int, ...], turned: Mapping[str, bool]) -> tuple[int, ...]:
    """Of a kernel of ours, [height, width, in, out]."""
    if path not in turned:
        return shape
    first, second, height, width = shape
    return (height, width, first, second) if turned[path] else (height, width, second, first)


def fit(module: M, tensors: Mapping[str, Tensor], prefix: str, name: str) -> M:
    """Fill a module from published tensors of that prefix, in float32, strictly; `name` stands for the file.

    Raises:
        LiveBandModelError: tensors missing, left over or misshapen, each named, or numbers that are not finite.
    """
    given = {key: value for key, value in tensors.items() if key.startswith(prefix)}
    turned = _turned(module)
    keys = {path: prefix + path.replace(".", "/") for path in module.state_dict()}
    wanted = {
        keys[path]: _published_shape(path, tuple(parameter.shape), turned)
        for path, parameter in module.state_dict().items()
    }
    found = {key: tuple(value.shape) for key, value in given.items()}
    check_names(Path(name), "Magenta RealTime 2", wanted, found)
    state = {}
    for path, key in keys.items():
        tensor = given[key]
        if not bool(torch.isfinite(tensor).all()):
            raise LiveBandModelError(f"{name}: tensor {key} holds numbers that are not finite")
        if path in turned:
            # torch's transposed kernel runs the other way.
            tensor = tensor.permute(2, 3, 0, 1).flip(2, 3) if turned[path] else tensor.permute(3, 2, 0, 1)
        state[path] = tensor.float().contiguous()
    module.load_state_dict(state)
    return module.eval().requires_grad_(False)


def _stack_sizes(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> StackConfig:
    layers = {
        key.removeprefix(prefix).split("/")[0] for key in shapes if key.startswith(f"{prefix}x_layers_")
    }
    query = shapes[f"{prefix}x_layers_0/self_attention/attention/query_projection/kernel"]
    dim, heads, per_head = query
    hidden = shapes[f"{prefix}x_layers_0/ffn/ffn_layer1/kernel"][1]
    return StackConfig(layers=len(layers), dim=dim, ff=hidden, heads=heads, dim_per_head=per_head)


def sizes(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    past_window: int,
    levels: int,
    channel_sizes: tuple[int, ...],
) -> DepthformerConfig:
    """The configuration that tensors of these shapes have; what shapes do not tell is given.

    Raises:
        LiveBandModelError: no depthformer, or sizes that do not go together.
    """
    try:
        body = DEPTHFORMER + "encoder/body/layers_1/branched_mulan_embedder/mulan_embedder/"
        rows, width = shapes[body + "mulan_dequantizer/embedding"]
        vocabulary = shapes[DEPTHFORMER + "decoder/decoder_embedding/embedding/embedding"][0]
        temporal = DEPTHFORMER + "decoder/temporal_body/transformer/"
        sink = shapes.get(temporal + "x_layers_0/self_attention/attention/sink_key_embeddings", (0,))
        config = DepthformerConfig(
            cond_dim=shapes[DEPTHFORMER + "encoder/body/encoder_ln/scale"][0],
            temporal=_stack_sizes(shapes, temporal),
            depth=_stack_sizes(shapes, DEPTHFORMER + "decoder/depth_body/transformer/"),
            past_window=past_window,
            levels=levels,
            codes=(vocabulary - RESERVED) // levels,
            sinks=sink[0],
            style_width=width,
            style_levels=rows // channel_sizes[0],
            channel_sizes=channel_sizes,
        )
    except (KeyError, ValueError, IndexError) as error:
        raise LiveBandModelError(f"not a Magenta RealTime 2 depthformer: {error} is missing or odd") from None
    if config.vocabulary != vocabulary or sum(channel_sizes[: config.style_levels]) != rows:
        raise LiveBandModelError(
            f"not a Magenta RealTime 2 depthformer: {vocabulary} ids for {levels} levels, {rows} style rows"
        )
    return config
