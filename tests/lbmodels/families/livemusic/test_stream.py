# SPDX-License-Identifier: GPL-3.0-or-later
"""The endless stream's functions on a small model of random weights."""

from dataclasses import replace

import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic import stream
from lbmodels.families.livemusic.conditioning import Steering, ids
from lbmodels.families.livemusic.depthformer import Depthformer, DepthformerConfig, StackConfig
from lbmodels.families.livemusic.model_folder import MagentaRealTime
from lbmodels.families.livemusic.spectrostream import FRAME_SAMPLES, Decoder, Encoder, Quantiser
from lbmodels.streaming.state import clone, from_bytes, named_tensors, to_bytes

CONFIG = DepthformerConfig(
    cond_dim=8, temporal=StackConfig(layers=1, dim=16, ff=16, heads=2, dim_per_head=8),
    depth=StackConfig(layers=1, dim=12, ff=16, heads=2, dim_per_head=6), past_window=3, levels=3, codes=16, style_width=4,
)  # fmt: skip
STEERING = ids(Steering(style=(1, 2, 3))).unsqueeze(0)


@pytest.fixture(scope="module")
def model() -> MagentaRealTime:
    torch.manual_seed(8)
    parts = (
        Depthformer(CONFIG),
        Decoder((4, 8, 4, 4, 4, 4, 4, 4), 4),
        Quantiser(3, 16, 4),
        Encoder((4,) * 7, 4),
    )
    for part in parts:
        part.eval().requires_grad_(False)
    language, decoder, quantiser, encoder = parts
    return MagentaRealTime(language_model=language, decoder=decoder, quantiser=quantiser, encoder=encoder)


def equal(a: stream.StreamState, b: stream.StreamState) -> bool:
    return all(torch.equal(x, y) for (_, x), (_, y) in zip(named_tensors(a), named_tensors(b), strict=True))


def test_a_bank_gives_back_its_moment_to_the_bit(model: MagentaRealTime) -> None:
    """A moment that later frames write into is no moment any more."""
    _, state = stream.play(model, Steering(), 4, seed=5)
    banks = stream.keep(stream.EMPTY, 2, state)
    saved = to_bytes(banks[1])
    first, later = stream.play(model, Steering(), 3, state=state)
    back = stream.recall(banks, 2, stream.seeded(later, 77))
    assert equal(back, state)
    assert torch.equal(stream.play(model, Steering(), 3, state=back)[0], first)
    assert torch.equal(stream.play(model, Steering(), 3, state=from_bytes(saved, state))[0], first)
    for slot, message in ((1, "bank 1 is empty"), (4, "accepted are 1 to 3"), (0, "accepted are 1 to 3")):
        with pytest.raises(LiveBandModelError, match=message):
            stream.recall(banks, slot, later)


def test_two_streams_are_two(model: MagentaRealTime) -> None:
    """Pausing, resetting and recalling one stream must not be heard in the other."""
    heat, best, steering = torch.tensor([1.3, 1.3]), torch.tensor([8, 8]), STEERING.expand(2, -1)
    state = stream.start(stream.begin(model, 2, seed=3))
    for _ in range(3):
        _, state = stream.step(model, state, steering, heat, best)
    banks = stream.keep(stream.EMPTY, 1, state, row=1)
    first = torch.tensor([True, False])
    paused = stream.pause(state, first)
    before = clone(paused)
    samples, after = stream.step(model, paused, steering, heat, best)
    playing, _ = stream.step(model, state, steering, heat, best)
    assert torch.equal(samples[1], playing[1])
    assert not samples[0].any()
    assert equal(paused, before)
    rows = zip(named_tensors(after), named_tensors(before), strict=True)
    assert all(torch.equal(x[0], y[0]) for (_, x), (_, y) in rows)
    fresh = stream.reset(model, after, first)
    assert fresh.model.position.tolist() == [0, 4]
    assert stream.recall(banks, 1, after, row=1).model.position.tolist() == [3, 3]


def test_reset_is_a_new_beginning_and_a_seed_other_music(model: MagentaRealTime) -> None:
    whole, state = stream.play(model, Steering(), 5, seed=5)
    again, _ = stream.play(model, Steering(), 5, state=stream.reset(model, state))
    other, _ = stream.play(model, Steering(), 5, seed=6)
    assert torch.equal(whole, again)
    assert not torch.equal(whole, other)
    assert float(whole.abs().max()) <= 1.0


def test_prefill_goes_on_as_if_it_had_played_that(model: MagentaRealTime) -> None:
    """The codes that a stream played, put into a fresh one, must leave the same memory behind."""
    state, made = stream.start(stream.begin(model, seed=2)), []
    for _ in range(6):
        _, state = stream.step(model, state, STEERING, torch.tensor([1.3]), torch.tensor([8]))
        made.append(state.model.previous - 6 - 16 * torch.arange(3))
    filled = stream.prefill(model, stream.begin(model, seed=2), torch.stack(made, 1), STEERING)
    assert equal(filled._replace(playing=state.playing), state)


def test_prefill_from_audio(model: MagentaRealTime) -> None:
    codes = stream.encode(model, torch.randn(1, 3 * FRAME_SAMPLES, 2))
    assert codes.shape == (1, 3, 3)
    refused = (
        (torch.zeros(1, 0, 2), "audio must be"),
        (torch.zeros(1, 10, 1), "audio must be"),
        (torch.full((1, 10, 2), float("nan")), "not finite"),
        (torch.zeros(1, 29 * 48_000, 2), "29.0 s of audio; accepted are up to 28 s"),
    )
    for audio, message in refused:
        with pytest.raises(LiveBandModelError, match=message):
            stream.encode(model, audio)
    with pytest.raises(LiveBandModelError, match="import it again with --resources"):
        stream.encode(replace(model, encoder=None), torch.zeros(1, 10, 2))
