# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of a whole band: what it hears of itself and of a player, and that a moment of it can be gone back to."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.families.liveband.generator import GeneratorConfig
from lbmodels.families.livemusic.chunks import next_chunk
from lbmodels.families.livemusic.injection import History, Injection
from lbmodels.families.livemusic.live import FREE, LOOPER, OFF, LiveMusicBand, LiveMusicState, unasked
from lbmodels.families.livemusic.network import LiveMusic, LiveMusicConfig
from lbmodels.runtime.eager import TorchAccompanist

HOP = 1920
NOBODY = torch.zeros(1, 2, HOP)
ALL = torch.ones(1, dtype=torch.bool)


@pytest.fixture(scope="module")
def band() -> LiveMusicBand:
    """Small, untrained, and loud enough to hear itself."""
    torch.manual_seed(3)
    codec = Codec(CodecConfig(low_bins=48, high_bands=16, latent=8, features=16, depth=1))
    hearing = GeneratorConfig(
        latent=8, semitones=12, features=32, heads=2, depth=1, window=16, noise=4, style=4, styled=True
    )
    network = LiveMusic(LiveMusicConfig(hearing=hearing, hidden=16, layers=1, flow_steps=1))
    for part in (network.hearing.styling, network.wish, network.own):
        assert part is not None
        torch.nn.init.normal_(part[2].weight, std=0.3)
    torch.nn.init.normal_(network.flow.velocity.weight, std=0.3)
    return LiveMusicBand("toy", codec.eval(), network, weights_id="toy").eval()


def played(
    band: LiveMusicBand, state: LiveMusicState, frames: int, player: Tensor | None = None, **known: object
) -> tuple[Tensor, LiveMusicState]:
    """Frames [frames, 2, HOP] after a state, which is consumed; player [frames, 2, HOP]."""
    out = []
    for n in range(frames):
        mix = NOBODY if player is None else player[n].unsqueeze(0)
        with torch.inference_mode():
            audio, state = band.step(mix, unasked(1, **known), state, ALL)
        out.append(audio[0])
    return torch.stack(out), state


def injected(mode: int, **more: float) -> Tensor:
    usual = {"gain": 1.0, "loop_s": 0.16, "latency_s": 0.0, "gap_s": 0.0}
    return torch.tensor([float(mode), *(usual | more).values()])


def test_it_plays_with_nobody_there_and_hears_what_it_played(band: LiveMusicBand) -> None:
    """What it hears at frame n is its own output frame n, to the sample: one off, and it would never keep a beat."""
    heard, out = heard_by(band, 8, NOBODY.expand(8, -1, -1))
    assert out.abs().amax() > 0
    # An anticipation of 1: step n plays frame n + 2.
    torch.testing.assert_close(heard[2:], out[:-2].clamp(-1, 1))
    assert not heard[:2].any()


def test_what_is_injected_changes_what_comes_and_is_never_passed_on(band: LiveMusicBand) -> None:
    """`off`, and a gain of 0, are a stream that nobody plays to; free mode hears him now, looper a loop later."""
    player = 0.5 * torch.randn(8, 2, HOP, generator=torch.Generator().manual_seed(1))
    alone, _ = played(band, band.init_state([5]), 8)
    for unheard in (injected(OFF), injected(FREE, gain=0.0)):
        out, _ = played(band, band.init_state([5]), 8, player, injection=unheard)
        assert torch.equal(out, alone)
    first = {}
    for name, how in (
        ("free", injected(FREE)),
        ("gap", injected(FREE, gap_s=0.08)),
        ("looper", injected(LOOPER)),  # four frames
    ):
        out, _ = played(band, band.init_state([5]), 8, player, injection=how)
        first[name] = int((out != alone).flatten(1).any(1).int().argmax())
    assert first == {"free": 0, "gap": 2, "looper": 4}


def heard_by(band: LiveMusicBand, frames: int, player: Tensor, **known: object) -> tuple[Tensor, Tensor]:
    """What a stream encodes, and what it plays, [frames, 2, HOP] each."""
    heard: list[Tensor] = []
    step = band.codec.encoder.step
    band.codec.encoder.step = lambda audio, *rest: heard.append(audio[0]) or step(audio, *rest)  # type: ignore[method-assign]
    try:
        out, _ = played(band, band.init_state([5]), frames, player, **known)
    finally:
        del band.codec.encoder.step
    return torch.stack(heard), out


def test_a_looper_goes_on_with_what_it_has_where_the_player_stops(band: LiveMusicBand) -> None:
    """Four frames over and over, and what he plays next in their place; one that plays a loop once more only is no looper."""
    sound = 0.2 * torch.randn(6, 2, HOP, generator=torch.Generator().manual_seed(1))
    player = torch.zeros(16, 2, HOP)
    player[:4], player[9:11] = sound[:4], sound[4:]
    heard, out = heard_by(band, 16, player, injection=injected(LOOPER))
    a, b, c, d, e, f = sound
    looped = torch.stack([*torch.zeros_like(sound[:4]), a, b, c, d, a, b, c, d, a, e, f, d])
    own = torch.cat([torch.zeros(2, 2, HOP), out[:-2]])
    torch.testing.assert_close(heard, (own + looped).clamp(-1, 1), atol=1e-3, rtol=0)


def test_a_bank_is_a_moment_gone_back_to_to_the_bit(band: LiveMusicBand) -> None:
    """Three of them: each goes on as it did, whatever was played between; one of another model is refused."""
    engine = TorchAccompanist(band)
    _, state = played(band, band.init_state([9]), 6)
    banks, futures = [], []
    for _ in range(3):
        banks.append(engine.snapshot(state))
        future, state = played(band, state, 5)
        futures.append(future)
    for bank, future in zip(reversed(banks), reversed(futures), strict=True):
        again, _ = played(band, engine.restore(bank), 5)
        assert torch.equal(again, future)


def test_two_streams_of_a_batch_are_as_each_alone_and_an_idle_one_stands_still(band: LiveMusicBand) -> None:
    alone, _ = played(band, band.init_state([2]), 4)
    state, out = band.init_state([1, 2]), []
    for n in range(6):
        active = torch.tensor([True, n not in (1, 2)])
        audio, state = band.step(NOBODY.expand(2, -1, -1), unasked(2), state, active)
        if active[1]:
            out.append(audio[1])
    torch.testing.assert_close(torch.stack(out), alone, atol=1e-3, rtol=0.1)


@pytest.mark.parametrize(
    "asked",
    [
        {"style": torch.nn.functional.normalize(torch.ones(64), dim=0)},
        {"classes": torch.tensor([-1.0, 1, torch.nan, torch.nan, torch.nan])},
        {"tempo": 90.0},
        {"key": 3.0},
        {"density": 0.9},
        {"brightness": 0.1},
    ],
)
def test_what_is_asked_for_changes_what_is_played(band: LiveMusicBand, asked: dict[str, object]) -> None:
    """A wish that does not reach the network would be a knob that turns nothing."""
    plain, _ = played(band, band.init_state([5]), 3)
    assert not torch.equal(played(band, band.init_state([5]), 3, **asked)[0], plain)
    # Guidance at 0 takes nothing that was told.
    deaf, _ = played(band, band.init_state([5]), 3, adherence=0.0)
    told, _ = played(band, band.init_state([5]), 3, adherence=0.0, **asked)
    torch.testing.assert_close(told, deaf, atol=1e-4, rtol=1e-3)


def test_it_goes_on_from_a_recording(band: LiveMusicBand) -> None:
    """What it is given is what it remembers having played; nothing and nonsense are refused."""
    song = 0.3 * torch.randn(1, 2, 10 * HOP, generator=torch.Generator().manual_seed(2))
    state = band.prefill(song, unasked(1), band.init_state([5]))
    assert int(state.generator.trunk.position) == 10
    after, _ = played(band, state, 2)
    other = band.prefill(-0.1 * song, unasked(1), band.init_state([5]))
    assert not torch.equal(played(band, other, 2)[0], after)
    for bad in (song[..., : HOP - 1], song * torch.nan):
        with pytest.raises(LiveBandModelError, match="prefill"):
            band.prefill(bad, unasked(1), band.init_state([5]))


def test_a_chunk_follows_on_what_was_played_with_the_player_in_it(band: LiveMusicBand) -> None:
    """The same past gives the same two seconds; a player in the past changes them, one kept out by the gap does not."""
    rng = np.random.default_rng(4)
    past = History(960, rng.normal(0, 0.1, (6 * HOP, 2)).astype(np.float32))
    nobody = History(960, np.zeros((0, 2), np.float32))
    player = History(960 + 4 * HOP, rng.normal(0, 0.3, (2 * HOP, 2)).astype(np.float32))

    def chunk(heard: History, **how: int) -> np.ndarray:
        return next_chunk(band, past, heard, Injection(**how), unasked(1), seed=3)

    alone = chunk(nobody)
    assert alone.shape == (2 * 48_000, 2)
    assert np.array_equal(chunk(nobody), alone)
    assert not np.array_equal(chunk(player), alone)
    assert np.array_equal(chunk(player, gap=2 * HOP), alone)
