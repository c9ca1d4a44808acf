# SPDX-License-Identifier: GPL-3.0-or-later
"""SpectroStream on narrow networks: streams, files, levels. The published sizes are in test_parity.py."""

import pytest
import torch
from torch import Tensor

from lbmodels.families.livemusic.spectrostream import (
    FRAME_SAMPLES,
    Decoder,
    DecoderState,
    Encoder,
    EncoderState,
    Quantiser,
    playable,
)
from lbmodels.streaming.contract import assert_streaming_contract, run_steps


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(1)
    return Decoder((4, 8, 4, 4, 4, 4, 4, 4), 6).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(2)
    return Encoder((4, 4, 4, 4, 4, 4, 4), 6).eval().requires_grad_(False)


class Sounding:
    """The decoder with the frame its look-ahead costs put back in front."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def __call__(self, x: Tensor) -> Tensor:
        samples = self.decoder(x)
        silence = samples.new_zeros(len(x), FRAME_SAMPLES, 2)
        return torch.cat([silence, samples], dim=1).unflatten(1, (-1, FRAME_SAMPLES))

    def init_state(self, batch: int) -> DecoderState:
        return self.decoder.init_state(batch)

    def step(self, x: Tensor, state: DecoderState, active: Tensor) -> tuple[Tensor, DecoderState]:
        return self.decoder.step(x, state, active)


class Hearing:
    """The encoder, one frame late."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __call__(self, x: Tensor) -> Tensor:
        embeddings = self.encoder(x.flatten(1, 2))
        return torch.cat([torch.zeros_like(embeddings[:, :1]), embeddings[:, :-1]], dim=1)

    def init_state(self, batch: int) -> EncoderState:
        return self.encoder.init_state(batch)

    def step(self, x: Tensor, state: EncoderState, active: Tensor) -> tuple[Tensor, EncoderState]:
        return self.encoder.step(x, state, active)


def test_decoder_streams_as_it_decodes_files(decoder: Decoder) -> None:
    """An overlap that forgets its tail clicks every 40 ms."""
    assert_streaming_contract(Sounding(decoder), torch.randn(2, 5, 6))


def test_encoder_streams_as_it_encodes_files(encoder: Encoder) -> None:
    assert_streaming_contract(Hearing(encoder), torch.randn(2, 5, FRAME_SAMPLES, 2))


def test_decoder_takes_any_number_of_frames_at_once(decoder: Decoder) -> None:
    """A file longer than a batch of frames is decoded in parts: no seam between them."""
    x = torch.randn(1, 53, 6)
    streamed, _ = run_steps(Sounding(decoder), x)
    assert torch.allclose(streamed.flatten(1, 2)[:, FRAME_SAMPLES:], decoder(x), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 480, 1920, 1921, 4321])
def test_encoder_gives_a_frame_for_every_begun_one(encoder: Encoder, samples: int) -> None:
    """Files rarely end with a frame."""
    assert encoder(torch.randn(1, samples, 2)).shape == (1, -(-samples // FRAME_SAMPLES), 6)


def test_more_levels_come_nearer() -> None:
    torch.manual_seed(3)
    quantiser = Quantiser(levels=3, codes=64, features=4).requires_grad_(False)
    with torch.no_grad():
        quantiser.embedding *= torch.tensor([1.0, 0.4, 0.2])[:, None, None]
    x = torch.randn(200, 4)
    errors = []
    for levels in (1, 2, 3):
        codes, margins = quantiser.encode(x, levels)
        assert bool((margins > -1e-5).all())
        errors.append(float((x - quantiser.decode(codes)).square().mean()))
    assert errors[0] > errors[1] > errors[2]


def test_what_is_played_is_half_as_loud_and_limited() -> None:
    assert playable(torch.tensor([0.5, 4.0, -4.0])).tolist() == [0.25, 1.0, -1.0]
