# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and sizes of the published language models and of the bidirectional baseline, and what we call them."""

from __future__ import annotations

import re

from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen.baseline import BaselineConfig
from lbmodels.families.streamgen.decoder import DecoderConfig
from lbmodels.families.streamgen.published import Shapes, Tensors, indices
from lbmodels.families.streamgen.trunk import TrunkConfig

TRAINING_ONLY = re.compile(r"(multipitch|cqt|target_token_future)_aux_head\.")
"""Heads that SilentMetronome's training adds; playing needs none of them."""


def trunk_names(config: TrunkConfig, prefix: str) -> dict[str, str]:
    """Our name within the trunk -> the published one; `prefix` ends where `attn_layers` begins."""
    layers = f"{prefix}attn_layers"
    inner = "1.fn" if config.condition else "1"
    names = {"rates": f"{layers}.rotary_pos_emb.inv_freq"}
    if config.condition:
        names["adapt.weight"] = f"{layers}.adaptive_mlp.0.weight"
        names["norm.to_gamma.weight"] = f"{layers}.final_norm.to_gamma.weight"
    for i in range(config.depth):
        for ours, theirs in (
            (f"attention.{i}", f"{layers}.layers.{2 * i}"),
            (f"feedforward.{i}", f"{layers}.layers.{2 * i + 1}"),
        ):
            if config.condition:
                names[f"{ours}.norm.to_gamma.weight"] = f"{theirs}.0.0.to_gamma.weight"
                names[f"{ours}.gate.weight"] = f"{theirs}.1.to_gamma.weight"
                names[f"{ours}.gate.bias"] = f"{theirs}.1.to_gamma.bias"
        ours, theirs = f"attention.{i}.branch", f"{layers}.layers.{2 * i}.{inner}"
        names |= {f"{ours}.{to}.weight": f"{theirs}.{to}.weight" for to in ("to_q", "to_k", "to_v", "to_out")}
        names[f"{ours}.q_scale"] = f"{theirs}.qk_norm_q_scale"
        names[f"{ours}.k_scale"] = f"{theirs}.qk_norm_k_scale"
        ours, theirs = f"feedforward.{i}.branch", f"{layers}.layers.{2 * i + 1}.{inner}.ff"
        for kind in ("weight", "bias"):
            names[f"{ours}.widen.{kind}"] = f"{theirs}.0.0.{kind}"
            names[f"{ours}.narrow.{kind}"] = f"{theirs}.2.{kind}"
    return names


def trunk_config(shapes: Shapes, prefix: str, window: int) -> TrunkConfig:
    """Sizes of a trunk from the shapes in its checkpoint. Raises KeyError, IndexError."""
    layers = f"{prefix}attn_layers"
    adaptive = shapes.get(f"{layers}.adaptive_mlp.0.weight")
    inner = "1.fn" if adaptive else "1"
    depth = (indices(shapes, rf"{re.escape(layers)}\.layers\.(\d+)\.") + 1) // 2
    heads, _, dim_head = shapes[f"{layers}.layers.0.{inner}.qk_norm_q_scale"]
    return TrunkConfig(
        dim=shapes[f"{layers}.layers.0.{inner}.to_q.weight"][1],
        depth=depth,
        heads=heads,
        kv_heads=shapes[f"{layers}.layers.0.{inner}.qk_norm_k_scale"][0],
        dim_head=dim_head,
        feedforward=shapes[f"{layers}.layers.1.{inner}.ff.0.0.weight"][0],
        rotary=2 * shapes[f"{layers}.rotary_pos_emb.inv_freq"][0],
        window=window,
        condition=adaptive[1] if adaptive else 0,
        condition_hidden=adaptive[0] if adaptive else 0,
    )


def _heads(shapes: Shapes, prefix: str) -> int:
    return indices(shapes, rf"{re.escape(prefix)}(\d+)\.")


def decoder_config(
    shapes: Shapes, *, future_visibility: int | None = None, chunk: int = 1, window: int = 501
) -> DecoderConfig:
    """Sizes of a language model from the shapes in its checkpoint.

    Args:
        shapes: by published name.
        future_visibility: needed where it is positive, which no shape tells; elsewhere it has to agree with the shapes.
        chunk: frames a call, which no shape tells.
        window: steps in sight in a stream.

    Raises:
        LiveBandModelError: no such model, one with another fusion, or a future visibility that differs.
    """
    for key, why in (("dec_input_emb.", "concatenation"), ("film_gen.", "FiLM")):
        if any(name.startswith(key) for name in shapes):
            raise LiveBandModelError(
                f"its input is fused by {why}; accepted is the published cond_method: add"
            )
    try:
        levels = _heads(shapes, "decoder.to_logits.out_heads.")
        tokens = shapes["decoder.to_logits.out_heads.0.weight"][0]
        pads = shapes["input_padding"][0] if "input_padding" in shapes else 0
        told = 1 - pads if pads else future_visibility
        if (
            told is None
            or (future_visibility is not None and told != future_visibility)
            or (not pads and told <= 0)
        ):
            raise LiveBandModelError(
                f"future_visibility is {future_visibility} by its arguments; its tensors say "
                f"{told if pads else 'that it is positive'}"
            )
        return DecoderConfig(
            trunk=trunk_config(shapes, "decoder.", window),
            levels=levels,
            tokens=tokens,
            input_dim=shapes["ln_in.weight"][0],
            future_visibility=told,
            chunk=chunk,
        )
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, LiveBandModelError):
            raise
        raise LiveBandModelError(
            f"no StreamMusicGen language model: {error} is missing or of another shape"
        ) from None


def decoder_names(config: DecoderConfig) -> dict[str, str]:
    """Our name -> the published one."""
    names = {f"trunk.{ours}": theirs for ours, theirs in trunk_names(config.trunk, "decoder.").items()}
    names |= {"tokens.weight": "output_emb.emb.weight", "gate": "add_gate"}
    if config.pads:
        names["nothing_yet"] = "input_padding"
    for kind in ("weight", "bias"):
        for ours, theirs in (("norm_in", "ln_in"), ("norm_out", "ln_out"), ("norm_fused", "ln_fuse")):
            names[f"{ours}.{kind}"] = f"{theirs}.{kind}"
        for q in range(config.levels):
            names[f"heads.{q}.{kind}"] = f"decoder.to_logits.out_heads.{q}.{kind}"
        if config.input_dim != config.trunk.dim:
            names[f"into.{kind}"] = f"proj_in_to_out.{kind}"
        if config.trunk.condition:
            names[f"beats.widen.{kind}"] = f"beat_cond_projector.mlp.0.{kind}"
            names[f"beats.mix.{kind}"] = f"beat_cond_projector.mlp.2.{kind}"
    if config.trunk.condition:
        names["beats.numerator.weight"] = "beat_cond_projector.ts_emb.weight"
        names["beats.denominator.weight"] = "beat_cond_projector.ts_den_emb.weight"
    return names


def baseline_config(shapes: Shapes) -> BaselineConfig:
    """Sizes of the bidirectional baseline from the shapes in its checkpoint.

    Raises:
        LiveBandModelError: no such model.
    """
    try:
        rows, half = shapes["input_emb.target_token_emb.weight"]
        levels = _heads(shapes, "output_layer.output_fc.")
        return BaselineConfig(
            trunk=trunk_config(shapes, "encoder.", 1),
            levels=levels,
            codes=(rows - 2) // levels,
            half=half,
            input_dim=shapes["input_emb.input_fc.weight"][1],
            instruments=shapes["input_emb.inst_emb.weight"][0],
        )
    except (KeyError, IndexError, ValueError, ZeroDivisionError) as error:
        raise LiveBandModelError(
            f"no bidirectional baseline: {error} is missing or of another shape"
        ) from None


def baseline_names(config: BaselineConfig) -> dict[str, str]:
    """Our name -> the published one."""
    names = {f"trunk.{ours}": theirs for ours, theirs in trunk_names(config.trunk, "encoder.").items()}
    names |= {
        "tokens.weight": "input_emb.target_token_emb.weight",
        "instruments.weight": "input_emb.inst_emb.weight",
    }
    for kind in ("weight", "bias"):
        names[f"into.{kind}"] = f"input_emb.input_fc.{kind}"
        for q in range(config.levels):
            names[f"heads.{q}.{kind}"] = f"output_layer.output_fc.{q}.{kind}"
    return names


def renamed(names: dict[str, str], tensors: Tensors) -> dict[str, Tensor]:
    """A published model's tensors under our names, in float32."""
    return {ours: tensors[theirs].float() for ours, theirs in names.items()}
