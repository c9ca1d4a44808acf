# SPDX-License-Identifier: GPL-3.0-or-later
"""The look-ahead accompanist keeps the laws: causal, rows alone, state as a value, each stem its own memory."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.contract.conditions import table
from lbmodels.contract.quality import QUALITIES
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork
from lbmodels.families.lookahead.quality import TIERS, tier_of
from lbmodels.families.lookahead.window import Window
from lbmodels.streaming.state import from_bytes, to_bytes

CODEC = CodecConfig(
    hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=8, features=24, depth=1, kernel=3
)
NEW, HOP, STEPS = 4, 480, 6


def network(*, student: bool) -> WindowNetwork:
    """Random weights that hear all of their inputs."""
    made = WindowNetwork(
        LookaheadConfig(
            latent=8,
            semitones=12,
            columns=32,
            features=32,
            heads=2,
            depth=1,
            frame_rate=100.0,
            student=student,
        )
    )
    for settings in made.sets:
        torch.nn.init.normal_(settings.weight, std=0.1)
    torch.nn.init.normal_(made.hearing.play.weight, std=0.3)
    return made.eval().requires_grad_(False)


@pytest.fixture
def model() -> LookaheadAccompanist:
    torch.manual_seed(1)
    codec = Codec(CODEC).eval().requires_grad_(False)
    return LookaheadAccompanist(
        "toy",
        codec,
        teacher=network(student=False),
        student=network(student=True),
        window=Window(ratio=0.125),
    )


def told(rows: int, ahead: int, **stems: int) -> dict[str, Tensor]:
    """120 bpm, nothing else of the host: [B, k, width]."""
    stem = np.array([float(stems.get(f"row{i}", i % 4)) for i in range(rows)], np.float32)
    known = [{"beat_phase": (0.25 + 0.02 * n) % 1.0, "tempo": 120.0} for n in range(NEW)]
    always = {"stem": stem, "anticipation": float(ahead), "variation": 1.0}
    return {name: torch.from_numpy(value) for name, value in table(always, known, rows).items()}


def play(
    model: LookaheadAccompanist,
    mix: Tensor,
    conditions: Mapping[str, Tensor],
    seeds: list[int],
    tier: str | None = "fast",
) -> Tensor:
    """Stem [B, 2, T] of mix [B, 2, T]."""
    state, on = model.init_state(seeds), torch.ones(len(seeds), dtype=torch.bool)
    out = []
    for part in mix.split(NEW * HOP, dim=-1):
        stem, state = model.step(part, conditions, state, on, tier_of(tier) if tier else None)
        out.append(stem)
    return torch.cat(out, dim=-1)


def noise(rows: int, steps: int = STEPS) -> Tensor:
    return 0.1 * torch.randn(rows, 2, steps * NEW * HOP, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("ahead", [0, 4])
@pytest.mark.parametrize("tier", [tier.name for tier in TIERS])
def test_what_is_played_depends_on_the_past_alone(model: LookaheadAccompanist, ahead: int, tier: str) -> None:
    """Law 2: a window whose tail is not hidden hears the future offline and misses it live."""
    mix = noise(1, 4)
    changed = mix.clone()
    changed[..., 2 * NEW * HOP :] *= -1
    before, after = (play(model, part, told(1, ahead), [3], tier) for part in (mix, changed))
    same = 2 * NEW * HOP
    assert torch.equal(before[..., :same], after[..., :same])
    assert not torch.equal(before[..., same:], after[..., same:])
    assert torch.isfinite(before).all()
    assert before.std() > 1e-4


def test_rows_do_not_hear_each_other(model: LookaheadAccompanist) -> None:
    """Law 5, and two stems of one listener: the published server keeps one memory for all of its stems."""
    mix = noise(1).expand(2, -1, -1)
    both = play(model, mix, told(2, 4), [3, 4])
    alone = [play(model, mix[:1], told(1, 4, row0=i), [3 + i]) for i in range(2)]
    for row in range(2):
        assert torch.allclose(both[row], alone[row][0], atol=1e-4)
    assert not torch.allclose(both[0], both[1], atol=1e-3)


def test_a_row_that_rests_keeps_its_state_to_the_bit(model: LookaheadAccompanist) -> None:
    mix, state = noise(2), model.init_state([1, 2])
    first, second = mix.split(NEW * HOP, dim=-1)[:2]
    _, state = model.step(first, told(2, 4), state, torch.tensor([True, True]))
    stem, after = model.step(second, told(2, 4), state, torch.tensor([True, False]))
    assert not stem[1].any()
    old, new = to_bytes(state_row(state, 1)), to_bytes(state_row(after, 1))
    assert old == new


def state_row(state: object, row: int) -> object:
    from lbmodels.streaming.state import map_tensors

    return map_tensors(lambda tensor: tensor[row : row + 1].clone(), state)


def test_a_snapshot_goes_on_to_the_bit(model: LookaheadAccompanist) -> None:
    """A memory left out of the state forgets what it played: the next window starts cold."""
    mix, on = noise(1), torch.ones(1, dtype=torch.bool)
    parts = mix.split(NEW * HOP, dim=-1)
    state = model.init_state([5])
    for part in parts[:3]:
        _, state = model.step(part, told(1, 4), state, on)
    restored = from_bytes(to_bytes(state), model.init_state([0]))
    for part in parts[3:]:
        one, state = model.step(part, told(1, 4), state, on)
        other, restored = model.step(part, told(1, 4), restored, on)
        assert torch.equal(one, other)


def test_the_tier_may_change_at_any_step(model: LookaheadAccompanist) -> None:
    """More steps when there is time, fewer when late: what was played before stays what was played."""
    mix, on, state = noise(1), torch.ones(1, dtype=torch.bool), model.init_state([5])
    known = []
    for part, tier in zip(
        mix.split(NEW * HOP, dim=-1), ("full", "draft", "fine", "fast", "draft", "full"), strict=True
    ):
        before = state.memory
        _, state = model.step(part, told(1, 4), state, on, tier_of(tier))
        if known:
            assert torch.equal(state.memory.latents[:, :-NEW], before.latents[:, NEW:])
        known.append(tier)


def test_each_session_has_the_quality_that_it_asks_for(model: LookaheadAccompanist) -> None:
    """A batch whose rows share the first one's quality plays a session otherwise beside another than alone."""
    mix, names = noise(1).expand(3, -1, -1), ("full", "draft", "full")
    asked = torch.tensor([float(QUALITIES.index(name)) for name in names]).view(3, 1, 1).expand(3, NEW, 1)
    together = play(model, mix, told(3, 4, row0=1, row1=1, row2=1) | {"quality": asked}, [3, 3, 3], None)
    for row, name in enumerate(names[:2]):
        alone = play(model, mix[:1], told(1, 4, row0=1), [3], name)
        assert torch.allclose(together[row], alone[0], atol=1e-4)
    assert torch.allclose(together[0], together[2], atol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert [control.default for control in model.spec.controls] == [QUALITIES.index("fast")]
    alone = LookaheadAccompanist("x", model.codec, teacher=model.teacher)
    assert (alone.spec.controls, alone.tier.name, alone.tier_at(0).name) == ((), "full", "full")


def test_a_soft_input_changes_no_more_than_the_level(model: LookaheadAccompanist) -> None:
    """A player at a low gain got another part, and got it as loud as at a high one."""
    mix = noise(1)
    soft, softer = (play(model, gain * mix, told(1, 4), [3]) for gain in (0.01, 0.005))
    assert torch.allclose(2 * softer, soft, atol=0.01 * float(soft.abs().max()))
    assert soft.abs().max() < 0.1 * play(model, mix, told(1, 4), [3]).abs().max()
    assert not play(model, 0 * mix, told(1, 4), [3]).any(), "nobody plays before the first sound"


def test_another_seed_plays_another_part(model: LookaheadAccompanist) -> None:
    mix = noise(1)
    one, same, other = (play(model, mix, told(1, 4), [seed]) for seed in (3, 3, 4))
    assert torch.equal(one, same)
    assert not torch.allclose(one, other, atol=1e-3)


def test_what_the_host_tells_of_the_future_is_heard(model: LookaheadAccompanist) -> None:
    mix = noise(1)
    known = told(1, 4)
    unknown = known | {name: torch.full_like(known[name], torch.nan) for name in ("beat_phase", "tempo")}
    assert not torch.allclose(play(model, mix, known, [3]), play(model, mix, unknown, [3]), atol=1e-4)


def test_what_does_not_belong_together_is_refused(model: LookaheadAccompanist) -> None:
    with pytest.raises(LiveBandModelError, match="a teacher or a student"):
        LookaheadAccompanist("x", model.codec)
    with pytest.raises(LiveBandModelError, match="wrong way round"):
        LookaheadAccompanist("x", model.codec, teacher=model.student)
    with pytest.raises(LiveBandModelError, match="not a pair"):
        LookaheadAccompanist("x", Codec(CodecConfig(latent=4, features=8, depth=1)), teacher=model.teacher)
