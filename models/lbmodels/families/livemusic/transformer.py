# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers of Magenta RealTime 2's transformers: each part between two RMS norms, added to what came in."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.families.livemusic.attention import BandAttention, BandState, OutputProjection

EPSILON = 1e-6


class Dense(nn.Module):
    """[..., in] -> [..., out]; kernel [in, out]."""

    def __init__(self, features: int, out: int, *, bias: bool) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(features, out) * features**-0.5)
        self.bias = nn.Parameter(torch.zeros(out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = x @ self.kernel
        return y if self.bias is None else y + self.bias


class RmsNorm(nn.Module):
    """x over its root mean square, times a learned scale."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.scale.shape, self.scale, EPSILON)


class LayerNorm(nn.Module):
    """With the published names and epsilon."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.scale.shape, self.scale, self.bias, EPSILON)


class AttentionBlock(nn.Module):
    """x + post(out(attention(pre(x), source))); without a source the stream attends to itself."""

    def __init__(
        self, features: int, source: int | None, heads: int, head_features: int, *, window: int, sinks: int
    ) -> None:
        super().__init__()
        self.to_itself = source is None
        self.pre_norm, self.post_norm = RmsNorm(features), RmsNorm(features)
        self.attention = BandAttention(
            features, source or features, heads, head_features, window=window, sinks=sinks
        )
        self.output_projection = OutputProjection(features, heads, head_features)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        y = self.pre_norm(x)
        heard = self.attention(y, y if self.to_itself else source)
        mixed: Tensor = x + self.post_norm(self.output_projection(heard))
        return mixed

    def step(
        self, x: Tensor, source: Tensor, state: BandState, active: Tensor, position: Tensor
    ) -> tuple[Tensor, BandState]:
        y = self.pre_norm(x)
        heard, state = self.attention.step(y, y if self.to_itself else source, state, active, position)
        return x + self.post_norm(self.output_projection(heard)), state


class FeedForward(nn.Module):
    """x + post(W2 gelu(W1 pre(x))), tanh form of GELU, not gated."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.pre_norm, self.post_norm = RmsNorm(features), RmsNorm(features)
        self.ffn_layer1 = Dense(features, hidden, bias=True)
        self.ffn_layer2 = Dense(hidden, features, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.gelu(self.ffn_layer1(self.pre_norm(x)), approximate="tanh")
        mixed: Tensor = x + self.post_norm(self.ffn_layer2(hidden))
        return mixed


class LayerState(NamedTuple):
    """Rings of one layer; `cross` is empty where the layer has no source."""

    own: BandState
    cross: tuple[BandState, ...]


class Layer(nn.Module):
    """Self-attention, cross-attention where there is a source, feed-forward."""

    def __init__(
        self,
        features: int,
        hidden: int,
        heads: int,
        head_features: int,
        *,
        source: int | None,
        window: int,
        sinks: int,
    ) -> None:
        super().__init__()
        self.self_attention = AttentionBlock(features, None, heads, head_features, window=window, sinks=sinks)
        if source is not None:
            self.cross_attention = AttentionBlock(
                features, source, heads, head_features, window=window, sinks=sinks
            )
        self.has_source = source is not None
        self.ffn = FeedForward(features, hidden)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        x = self.self_attention(x, source)
        if self.has_source:
            x = self.cross_attention(x, source)
        y: Tensor = self.ffn(x)
        return y

    def init_state(self, batch: int) -> LayerState:
        cross = (self.cross_attention.attention.init_state(batch),) if self.has_source else ()
        return LayerState(self.self_attention.attention.init_state(batch), cross)

    def step(
        self, x: Tensor, source: Tensor, state: LayerState, active: Tensor, position: Tensor
    ) -> tuple[Tensor, LayerState]:
        x, own = self.self_attention.step(x, source, state.own, active, position)
        cross = state.cross
        if self.has_source:
            x, ring = self.cross_attention.step(x, source, cross[0], active, position)
            cross = (ring,)
        return self.ffn(x), LayerState(own, cross)


class Stack(nn.Module):
    """Layers in series, named `x_layers_<i>`; the state is a tuple of one LayerState a layer."""

    def __init__(
        self,
        layers: int,
        features: int,
        hidden: int,
        heads: int,
        head_features: int,
        *,
        source: int | None,
        window: int,
        sinks: int,
    ) -> None:
        super().__init__()
        self._layers = [
            Layer(features, hidden, heads, head_features, source=source, window=window, sinks=sinks)
            for _ in range(layers)
        ]
        for number, layer in enumerate(self._layers):
            self.add_module(f"x_layers_{number}", layer)

    def forward(self, x: Tensor, source: Tensor) -> Tensor:
        for layer in self._layers:
            x = layer(x, source)
        return x

    def init_state(self, batch: int) -> tuple[LayerState, ...]:
        return tuple(layer.init_state(batch) for layer in self._layers)

    def step(
        self, x: Tensor, source: Tensor, state: tuple[LayerState, ...], active: Tensor, position: Tensor
    ) -> tuple[Tensor, tuple[LayerState, ...]]:
        states = []
        for layer, rings in zip(self._layers, state, strict=True):
            x, new = layer.step(x, source, rings, active, position)
            states.append(new)
        return x, tuple(states)
