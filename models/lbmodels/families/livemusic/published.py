# SPDX-License-Identifier: GPL-3.0-or-later
"""Published tensors into our modules: a key is a parameter's path with slashes, kernels of convolutions are turned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.convolution import Upsampling
from lbmodels.families.livemusic.depthformer import RESERVED, DepthformerConfig, StackConfig

M = TypeVar("M", bound=nn.Module)
DEPTHFORMER = "params/depthformer/"
SPECTROSTREAM = "params/"
JOINT_SPECTROSTREAM = "params/soundstream/"
_NAMED = 5


def _turned(module: nn.Module) -> dict[str, bool]:
    """Paths of convolutions' kernels; true where the convolution is transposed."""
    return {
        f"{path}.conv.kernel": isinstance(part, Upsampling)
        for path, part in module.named_modules()
        if hasattr(part, "conv")
    }


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def fit(module: M, tensors: Mapping[str, Tensor], prefix: str, name: str) -> M:
    """Fill a module from published tensors of that prefix, in float32, strictly; `name` stands for the file.

    Raises:
        LiveBandModelError: tensors missing, left over or misshapen, each named, or numbers that are not finite.
    """
    given = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    turned, wanted, state = _turned(module), module.state_dict(), {}
    odd: list[str] = []
    for path, parameter in wanted.items():
        key = path.replace(".", "/")
        if key not in given:
            continue
        tensor = given.pop(key)
        if path in turned and tensor.dim() == 4:
            # [height, width, in, out]; torch's transposed kernel runs the other way.
            tensor = tensor.permute(2, 3, 0, 1).flip(2, 3) if turned[path] else tensor.permute(3, 2, 0, 1)
        if tensor.shape != parameter.shape:
            odd.append(f"{prefix}{key} is {tuple(tensor.shape)}, wanted {tuple(parameter.shape)}")
        elif not bool(torch.isfinite(tensor).all()):
            odd.append(f"{prefix}{key} holds numbers that are not finite")
        else:
            state[path] = tensor.float().contiguous()
    found = set(state) | {text.removeprefix(prefix).split(" ")[0].replace("/", ".") for text in odd}
    missing = sorted(prefix + path.replace(".", "/") for path in wanted.keys() - found)
    problems = [
        f"{what}: {_some(which)}"
        for what, which in (
            ("missing", missing),
            ("left over", sorted(prefix + key for key in given)),
            ("unfit", odd),
        )
        if which
    ]
    if problems:
        raise LiveBandModelError(f"{name} does not fit: " + "; ".join(problems))
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
