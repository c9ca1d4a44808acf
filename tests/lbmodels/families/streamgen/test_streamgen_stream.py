# SPDX-License-Identifier: GPL-3.0-or-later
"""StreamMusicGen in a stream is StreamMusicGen offline, for ever, each session by itself."""

from collections.abc import Callable
from typing import TypeVar

import pytest
import torch
from torch import Tensor, nn

from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen.accompanist import INSTRUMENTS, StreamgenAccompanist, StreamState
from lbmodels.families.streamgen.codec import Dac, DacConfig
from lbmodels.families.streamgen.decoder import Decoder, DecoderConfig
from lbmodels.families.streamgen.generation import play, play_chunks
from lbmodels.families.streamgen.importing import deployment
from lbmodels.families.streamgen.pattern import FIRST_CODE, undelay
from lbmodels.families.streamgen.trunk import Trunk, TrunkConfig
from lbmodels.streaming.contract import assert_streaming_contract
from lbmodels.streaming.state import clone, from_bytes, map_tensors, named_tensors, to_bytes

M = TypeVar("M", bound=nn.Module)
HOP = 80
SAME_SOUND = 4e-3
"""Random decoders magnify rounding; a sample beside its place is off by a hundred times as much."""
CODEC = DacConfig(
    encoder_dim=4,
    decoder_dim=64,
    strides=(2, 4, 5, 2),
    latent_dim=64,
    levels=5,
    codebook_size=24,
    codebook_dim=4,
)
TRUNK = TrunkConfig(dim=64, depth=2, heads=4, kv_heads=2, dim_head=32, feedforward=64, rotary=16, window=200)


def filled(model: M, seed: int = 0) -> M:
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        fan = max(1, parameter[0].numel()) if parameter.dim() > 1 else 1
        noise = torch.randn(parameter.shape, generator=generator)
        one = (parameter.dim() == 1 and name.endswith("weight")) or "scale" in name or "alpha" in name
        parameter.data = 1 + 0.1 * noise if one else noise * (fan**-0.5 if parameter.dim() > 1 else 0.1)
    return model.eval().requires_grad_(False)


def accompanist(future_visibility: int, chunk: int = 1, **changes: object) -> StreamgenAccompanist:
    torch.set_num_threads(1)
    config = DecoderConfig(
        trunk=TRUNK,
        tokens=43,
        input_dim=64,
        future_visibility=future_visibility,
        chunk=chunk,
        levelled=False,
        **changes,
    )
    return StreamgenAccompanist("small", filled(Dac(CODEC)), filled(Decoder(config), 1)).eval()


def told(batch: int, chunk: int, stem: int = 1, variation: float = 0.0) -> dict[str, Tensor]:
    names = {"stem": float(stem), "anticipation": 0.0, "variation": variation}
    names |= {"beat_phase": 0.25, "bar_phase": 0.5, "tempo": 100.0}
    return {name: torch.full((batch, chunk, 1), value) for name, value in names.items()}


def run(
    model: StreamgenAccompanist, mix: Tensor, state: StreamState, **changes: float
) -> tuple[Tensor, StreamState]:
    """Mix [B, T] -> stem [B, T], step by step."""
    blocks = []
    conditions = told(len(mix), model.chunk, **changes)
    for block in mix.split(model.chunk * HOP, dim=1):
        stem, state = model.step(
            block.unsqueeze(1), conditions, state, torch.ones(len(mix), dtype=torch.bool)
        )
        blocks.append(stem[:, 0])
    return torch.cat(blocks, dim=1), state


def music(batch: int, frames: int, seed: int = 3) -> Tensor:
    return 0.3 * torch.randn(batch, frames * HOP, generator=torch.Generator().manual_seed(seed))


def no_special(logits: Tensor, _step: int) -> Tensor:
    masked = logits.clone()
    masked[..., :FIRST_CODE] = -torch.inf
    return masked.argmax(-1)


@pytest.mark.parametrize("side", ["encoder", "decoder"])
def test_the_codec_streams_exactly(side: str) -> None:
    """A state that loses a sample at a stride clicks at every frame."""
    codec = filled(Dac(CODEC))
    x = torch.randn(2, 8, HOP if side == "encoder" else 64, generator=torch.Generator().manual_seed(0))
    assert_streaming_contract(getattr(codec, side), x)


def test_the_trunk_streams_exactly_past_its_window() -> None:
    """A ring that is off by one, or positions that run on, are right for ten seconds and wrong after."""
    trunk = filled(Trunk(TrunkConfig(**{**TRUNK.__dict__, "window": 6})))
    assert_streaming_contract(
        trunk, torch.randn(2, 20, 64, generator=torch.Generator().manual_seed(0)), tolerance=2e-5
    )


def test_steps_that_are_taken_back_leave_no_trace() -> None:
    """Within a chunk steps are tentative: what they leave in the cache would be heard twice."""
    trunk = filled(Trunk(TrunkConfig(**{**TRUNK.__dict__, "window": 6})))
    x = torch.randn(1, 30, 64, generator=torch.Generator().manual_seed(0))
    active = torch.ones(1, dtype=torch.bool)
    plain, cache = [], trunk.init_cache(1, ahead=6)
    for part in x.split(3, dim=1):
        y, cache = trunk.extend(part, cache, active)
        plain.append(y)
    chunked, cache = [], trunk.init_cache(1, ahead=6)
    for part in x.split(3, dim=1):
        y, cache = trunk.extend(part, cache, active)
        chunked.append(y)
        steps = cache.steps.clone()
        for _ in range(3):
            _, cache = trunk.extend(torch.randn(1, 1, 64), cache, active)
        cache = cache._replace(steps=steps)
    torch.testing.assert_close(torch.cat(chunked, 1), torch.cat(plain, 1), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.cat(plain, 1), trunk(x), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("future_visibility", "chunk"), [(-6, 1), (-4, 1), (0, 1), (-10, 5), (-7, 5), (0, 5)]
)
def test_the_stream_plays_what_the_published_generator_plays_where_it_says(
    future_visibility: int, chunk: int
) -> None:
    """Law 1: one frame, or one sample, beside the reported place and the band drags or rushes."""
    model = accompanist(future_visibility, chunk)
    frames = 30
    mix = music(1, frames)
    streamed, _ = run(model, mix, model.init_state([7]))

    codec, decoder = model.codec, model.decoder
    heard = codec.embed(codec.quantise(codec.encoder(codec.blocks(mix)), 4))
    heard = torch.cat([heard, heard.new_zeros(1, 20, 64)], dim=1)  # what no step that counts hears
    instrument = torch.tensor([INSTRUMENTS["bass"]])
    player: Callable = play if chunk == 1 else play_chunks
    steps = player(decoder, heard, instrument, frames + 12, choose=no_special).steps
    complete = undelay(steps)[..., : frames + 9]
    raw = codec.decoder.ring_on(codec.embed((complete - FIRST_CODE).clamp(min=0).transpose(1, 2)))[0, 0]
    offline = raw[HOP - 1 :]

    ahead = chunk * (-future_visibility // chunk) - 4
    assert model.spec.anticipation_frames == (max(0, ahead),) * 2
    assert model.late_frames == max(0, -ahead)
    start = (chunk + ahead) * HOP  # where the first block sounds
    skip = max(0, -start)
    length = min(len(offline) - max(0, start), streamed.shape[1] - skip, (frames - chunk) * HOP)
    ours, theirs = streamed[0, skip : skip + length], offline[max(0, start) :][:length]
    # The first sample of the first block belongs to a frame before it.
    torch.testing.assert_close(ours[1:], theirs[1:], atol=SAME_SOUND, rtol=0)
    assert theirs.std() > 100 * SAME_SOUND


def test_an_hour_in_it_plays_as_at_the_start_and_remembers_no_more() -> None:
    """The published system ends after ten seconds; positions that grow lose their precision."""
    config = DecoderConfig(
        trunk=TrunkConfig(**{**TRUNK.__dict__, "window": 12}),
        tokens=43,
        input_dim=64,
        future_visibility=-5,
        levelled=False,
    )
    model = StreamgenAccompanist("small", filled(Dac(CODEC)), filled(Decoder(config), 1))
    _, state = run(model, music(1, 40), model.init_state([7]))
    sizes = [tensor.shape for _, tensor in named_tensors(state)]
    ring = state.cache.keys.shape[3] - 1
    hour = ring * (3600 * 400 // ring)
    late = clone(state)
    late = late._replace(calls=late.calls + hour, cache=late.cache._replace(steps=late.cache.steps + hour))
    soon, after = run(model, music(1, 20, 5), state)
    later, _ = run(model, music(1, 20, 5), late)
    assert torch.equal(soon, later)
    assert [tensor.shape for _, tensor in named_tensors(after)] == sizes


@pytest.mark.parametrize("chunk", [1, 5])
def test_sessions_are_isolated_and_snapshots_go_on_to_the_bit(chunk: int) -> None:
    """Laws 3 and 5: rows that start at different times share one batch, and one of them may be NaN."""
    model = accompanist(-5, chunk)
    mix = music(3, 20)
    first, state = run(model, mix[:, : 10 * HOP], model.init_state([1, 2, 3]), variation=1.0)
    saved = to_bytes(state)
    rest, _ = run(model, mix[:, 10 * HOP :], state, variation=1.0)
    again, _ = run(model, mix[:, 10 * HOP :], from_bytes(saved, model.init_state([0, 0, 0])), variation=1.0)
    assert torch.equal(rest, again)
    assert not torch.equal(first[0], first[1])

    state = from_bytes(saved, model.init_state([0, 0, 0]))
    fresh = model.init_state([9])
    state = map_tensors(
        lambda a, b: torch.cat([a[:1], b, a[2:]]), state, fresh
    )  # row 1 is a session that begins
    poisoned = mix[:, 10 * HOP :].clone()
    poisoned[2] = torch.nan
    mixed, _ = run(model, poisoned, state, variation=1.0)
    assert torch.equal(mixed[0], rest[0])
    alone, _ = run(model, poisoned[1:2], model.init_state([9]), variation=1.0)
    torch.testing.assert_close(mixed[1], alone[0], atol=SAME_SOUND, rtol=0)

    state = from_bytes(saved, model.init_state([0, 0, 0]))
    before = clone(state)
    only = torch.tensor([True, False, False])
    stem, after = model.step(mix[:, None, : chunk * HOP], told(3, chunk, variation=1.0), state, only)
    for (name, old), (_, new) in zip(named_tensors(before), named_tensors(after), strict=True):
        assert torch.equal(old[1:], new[1:]), name
    assert not stem[1:].any()


def test_another_stem_begins_a_part_of_its_own() -> None:
    """The instrument is told in step 0 alone: a change that keeps the old steps changes nothing."""
    model = accompanist(-5)
    mix = music(1, 12)
    _, state = run(model, mix, model.init_state([7]), stem=0)
    kept = clone(state)
    changed, state = run(model, mix, state, stem=2)
    same, _ = run(model, mix, kept, stem=0)
    assert not torch.equal(changed, same)
    assert state.calls.item() == 12


def test_louder_music_is_heard_alike_where_the_level_is_led() -> None:
    """The published codec hears everything at one level: a soft player would get another part, at full level."""
    codec, config = filled(Dac(CODEC)), accompanist(-5).decoder.config
    model = StreamgenAccompanist(
        "small", codec, filled(Decoder(DecoderConfig(**{**config.__dict__, "levelled": True})), 1)
    )
    mix = 0.2 * music(1, 12)
    loud, _ = run(model, mix, model.init_state([7]))
    soft, _ = run(model, mix / 2, model.init_state([7]))
    torch.testing.assert_close(soft, loud / 2, atol=SAME_SOUND, rtol=0)


def test_what_hears_the_future_does_not_play_along() -> None:
    """A model of positive t_f in a live session would play what it was never asked for."""
    with pytest.raises(LiveBandModelError, match="offline only"):
        accompanist(5)
    assert "80 ms late" in deployment(accompanist(0).decoder.config, 20)
    assert "A = 46 frames" in deployment(accompanist(-50).decoder.config, 20)


def test_beats_that_the_host_tells_reach_a_conditioned_trunk() -> None:
    """SilentMetronome's condition is carried from the output frame to each step's own."""
    trunk = TrunkConfig(**{**TRUNK.__dict__, "condition": 32, "condition_hidden": 64})
    config = DecoderConfig(
        trunk=trunk, tokens=43, input_dim=64, future_visibility=-5, chunk=5, levelled=False
    )
    model = StreamgenAccompanist("small", filled(Dac(CODEC)), filled(Decoder(config), 1))
    assert "beat_phase" in model.spec.conditions
    mix, active = music(1, 5).unsqueeze(1), torch.ones(1, dtype=torch.bool)
    one, _ = model.step(mix, told(1, 5), model.init_state([7]), active)
    other, _ = model.step(
        mix, told(1, 5) | {"beat_phase": torch.full((1, 5, 1), 0.75)}, model.init_state([7]), active
    )
    unknown, _ = model.step(
        mix, told(1, 5) | {"tempo": torch.full((1, 5, 1), torch.nan)}, model.init_state([7]), active
    )
    assert not torch.equal(one, other)
    assert unknown.isfinite().all()
