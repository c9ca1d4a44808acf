# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: an accompanist, shipped or of a recipe's sizes, and sessions that play."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lbmodels.band import Band
from lbmodels.codec.autoencoder import Codec, CodecConfig, Decoder, Encoder
from lbmodels.config import build
from lbmodels.families import loading
from lbmodels.families.liveband.generator import Generator, GeneratorConfig
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.streaming.state import named_tensors
from lbmodels.train.recipe import read_recipe
from lbmodels.weights import manifest

Part = Encoder | SemitoneFrontEnd | Generator | Decoder

_HEAD_FEATURES = 64
_MIX_FRAMES = 32


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """A recipe's sizes and what differs; None keeps the recipe's. Random weights cost what trained ones do."""

    recipe: str = "tiny"
    features: int | None = None
    depth: int | None = None
    codec_features: int | None = None
    codec_depth: int | None = None
    hop: int | None = None


def random_accompanist(sizes: Sizes) -> Band:
    """An untrained accompanist. Another hop keeps the attention's window in seconds.

    Raises:
        LiveBandModelError: no such recipe. ValueError: sizes that do not fit together.
    """
    codec = build(CodecConfig, read_recipe("codec", sizes.recipe).get("model", {}), "codec recipe")
    generator = build(GeneratorConfig, read_recipe("liveband", sizes.recipe).get("model", {}), "recipe")
    if sizes.hop is not None:
        generator = replace(generator, window=round(generator.window * codec.hop / sizes.hop))
        codec = replace(codec, hop=sizes.hop)
    if sizes.codec_features is not None:
        codec = replace(codec, features=sizes.codec_features)
    if sizes.codec_depth is not None:
        codec = replace(codec, depth=sizes.codec_depth)
    if sizes.features is not None:
        if sizes.features < _HEAD_FEATURES or sizes.features % _HEAD_FEATURES:
            raise ValueError(f"features must be a multiple of {_HEAD_FEATURES}, got {sizes.features}")
        generator = replace(generator, features=sizes.features, heads=sizes.features // _HEAD_FEATURES)
    if sizes.depth is not None:
        generator = replace(generator, depth=sizes.depth)
    torch.manual_seed(0)
    name = f"random-{sizes.recipe}"
    accompanist = Band(name, Codec(codec), Generator(generator), recipe=sizes.recipe)
    return accompanist.eval().requires_grad_(False)


def shipped_or_random(model: str | None, sizes: Sizes | None) -> Band:
    """`sizes` if they are given, else the model by name, else the default one, else recipe sizes.

    Raises:
        LiveBandModelError: unknown model or recipe, or damaged weights.
    """
    if sizes is None and (model is not None or manifest.available()):
        return loading.load(model)
    return random_accompanist(sizes or Sizes())


def parts(accompanist: Band) -> dict[str, Part]:
    """The modules that a step runs, in its order."""
    codec = accompanist.codec
    return {
        "encoder": codec.encoder,
        "ear": accompanist.ear,
        "generator": accompanist.generator,
        "decoder": codec.decoder,
    }


def weight_bytes(module: nn.Module) -> int:
    """Bytes that a step reads whatever it plays: parameters, and the fixed banks and windows."""
    return sum(t.nbytes for t in (*module.parameters(), *module.buffers()))


def describe(accompanist: Band) -> dict[str, Any]:
    """What the record says of the model."""
    spec = accompanist.spec
    return {
        "name": spec.name,
        "weights_id": spec.weights_id,
        "parameters": spec.parameters,
        "sample_rate": spec.sample_rate,
        "codec": asdict(accompanist.codec.config),
        "generator": asdict(accompanist.generator.config),
    }


def state_bytes(accompanist: Band) -> int:
    """What one session remembers."""
    return sum(tensor.nbytes for _, tensor in named_tensors(accompanist.init_state([0])))


def sessions(accompanist: Band, batch: int) -> Callable[[int], None]:
    """A batch of sessions with everything known of the host, as a function that plays frame n.

    The mix is noise at -20 dB below full scale: silence would be cheaper to hear than music.
    """
    spec = accompanist.spec
    generator = torch.Generator().manual_seed(1)
    mixes = 0.1 * torch.randn(_MIX_FRAMES, batch, spec.channels, spec.hop, generator=generator)
    conditions: dict[str, Tensor] = {
        "stem": torch.arange(batch).remainder(len(spec.stems)).float(),
        "anticipation": torch.ones(batch),
        "variation": torch.ones(batch),
        "beat_phase": torch.full((batch,), 0.25),
        "bar_phase": torch.full((batch,), 0.3125),
        "tempo": torch.full((batch,), 120.0),
        "chord": torch.tensor([1.0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0]).repeat(batch, 1),
        "chord_bass": torch.zeros(batch),
        "key": torch.zeros(batch),
    }
    conditions = {name: value.reshape(batch, 1, -1) for name, value in conditions.items()}
    active = torch.ones(batch, dtype=torch.bool)
    state = accompanist.init_state(list(range(batch)))

    def step(n: int) -> None:
        nonlocal state
        with torch.inference_mode():
            _, state = accompanist.step(mixes[n % _MIX_FRAMES], conditions, state, active)

    return step
