# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and sizes in published checkpoints, and what we call them. A table a model; nothing is loaded here.

Weight norm (`weight_g`, `weight_v`) is multiplied out: our convolutions have one `weight`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen.codec import DacConfig
from lbmodels.weights.checkpoints import finite

Tensors = Mapping[str, Tensor]
Shapes = Mapping[str, tuple[int, ...]]


def dac_names(config: DacConfig) -> dict[str, str]:
    """Our name -> the published one; a convolution's `weight` stands for `weight_g` and `weight_v` there."""
    names: dict[str, str] = {}

    def convolution(ours: str, theirs: str) -> None:
        names[f"{ours}.weight"], names[f"{ours}.bias"] = f"{theirs}.weight", f"{theirs}.bias"

    def units(ours: str, theirs: str, first: int, published_first: int) -> None:
        for i in range(3):
            a, b = f"{ours}.layers.{first + i}", f"{theirs}.block.{published_first + i}.block"
            names[f"{a}.layers.0.alpha"], names[f"{a}.layers.2.alpha"] = f"{b}.0.alpha", f"{b}.3.alpha"
            convolution(f"{a}.layers.1", f"{b}.2")
            convolution(f"{a}.layers.3", f"{b}.4")

    stages = len(config.strides)
    into, out = "encoder.stack.layers", "decoder.stack.layers"
    convolution(f"{into}.0", "encoder.block.1")
    convolution(f"{out}.0", "decoder.model.1")
    for i in range(stages):
        ours, theirs = f"{into}.{1 + i}", f"encoder.block.{2 + i}"
        units(ours, theirs, 0, 0)
        names[f"{ours}.layers.3.alpha"] = f"{theirs}.block.3.alpha"
        convolution(f"{ours}.layers.4", f"{theirs}.block.5")
        ours, theirs = f"{out}.{1 + i}", f"decoder.model.{2 + i}"
        names[f"{ours}.layers.0.alpha"] = f"{theirs}.block.0.alpha"
        convolution(f"{ours}.layers.1", f"{theirs}.block.1")
        units(ours, theirs, 2, 2)
    for ours, theirs in ((into, "encoder.block"), (out, "decoder.model")):
        names[f"{ours}.{1 + stages}.alpha"] = f"{theirs}.{2 + stages}.alpha"
        convolution(f"{ours}.{2 + stages}", f"{theirs}.{4 + stages}")
    for q in range(config.levels):
        convolution(f"levels.{q}.into", f"quantizer.quantizers.{q}.in_proj")
        convolution(f"levels.{q}.out", f"quantizer.quantizers.{q}.out_proj")
        names[f"levels.{q}.codebook"] = f"quantizer.quantizers.{q}.codebook.weight"
    return names


def shapes_of(names: Mapping[str, str], model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's tensors by published name."""
    state = model.state_dict()
    return {theirs: tuple(state[ours].shape) for ours, theirs in names.items()}


def dac_shapes(config: DacConfig, codec: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """The same of a codec, its convolutions' weights as gain and direction; levels are convolutions of one sample."""
    found: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes_of(dac_names(config), codec).items():
        if not name.endswith(".weight") or "codebook" in name:
            found[name] = shape
            continue
        direction = (*shape, 1) if name.startswith("quantizer.") else shape
        found[f"{name}_v"], found[f"{name}_g"] = direction, (direction[0], *(1 for _ in direction[1:]))
    return found


def dac_config(shapes: Shapes, sample_rate: int = 32_000) -> DacConfig:
    """Sizes of a codec from the shapes in its checkpoint.

    Raises:
        LiveBandModelError: no causal DAC.
    """
    try:
        stages = indices(shapes, r"encoder\.block\.(\d+)\.block\.")
        strides = [shapes[f"encoder.block.{i}.block.5.weight_v"][2] // 2 for i in range(2, stages)]
        levels = indices(shapes, r"quantizer\.quantizers\.(\d+)\.")
        if not strides or min(strides) < 1:
            raise LiveBandModelError(f"no causal DAC: its strides are {strides}")
        codebook = shapes["quantizer.quantizers.0.codebook.weight"]
        return DacConfig(
            encoder_dim=shapes["encoder.block.1.weight_v"][0],
            decoder_dim=shapes["decoder.model.1.weight_v"][0],
            strides=tuple(strides),
            latent_dim=shapes["decoder.model.1.weight_v"][1],
            levels=levels,
            codebook_size=codebook[0],
            codebook_dim=codebook[1],
            sample_rate=sample_rate,
        )
    except (KeyError, IndexError) as error:
        raise LiveBandModelError(f"no causal DAC: {error} is missing or of another shape") from None


def indices(shapes: Shapes, pattern: str) -> int:
    """One more than the largest index that names have where `pattern` has its group; 0 for none.

    Raises IndexError where there are more than names.
    """
    found = [int(match[1][:6]) for name in shapes if (match := re.match(pattern, name))]
    most = max(found, default=-1) + 1
    if most > len(shapes):
        raise IndexError(f"{pattern} up to {most}")
    return most


def weight_normed(tensors: Tensors, name: str) -> Tensor:
    """`weight_g * weight_v / |weight_v|`, the norm over all axes but the first."""
    direction, gain = tensors[f"{name}_v"].double(), tensors[f"{name}_g"].double()
    length = direction.flatten(1).norm(dim=1).view(gain.shape)
    return (direction * (gain / length)).float()


def dac_tensors(config: DacConfig, tensors: Tensors) -> dict[str, Tensor]:
    """A published codec's tensors under our names.

    Raises:
        LiveBandModelError: a weight norm without direction, or one whose product is too large.
    """
    found: dict[str, Tensor] = {}
    for ours, theirs in dac_names(config).items():
        value = weight_normed(tensors, theirs) if f"{theirs}_v" in tensors else tensors[theirs].float()
        if not finite(value):  # each factor was, their product need not be
            raise LiveBandModelError(f"tensor {theirs} has numbers that are NaN or infinite")
        linear = ours.startswith("levels.") and ours.endswith("weight")  # a convolution of one sample
        found[ours] = value.squeeze(2) if linear else value
    return found


def load(model: torch.nn.Module, tensors: Tensors) -> None:
    """Fill a model, every name; ready to run."""
    model.load_state_dict(dict(tensors))
    model.eval().requires_grad_(False)
