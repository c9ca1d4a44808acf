# SPDX-License-Identifier: GPL-3.0-or-later
"""Steering: old models are left as they are, new ones begin as they were, and every knob reaches the sound."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lbmodels.band import Band, Heard
from lbmodels.conditioning.steering import STEERING_CONTROLS, WIDTH, steering_features
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.families.liveband.critic import Critic, CriticConfig
from lbmodels.families.liveband.generator import VARIATION, Generator
from lbmodels.weights import checks, modules
from lbserver.protocol.ranges import RANGES

Told = Callable[..., dict[str, Tensor]]
NAMES = [control.name for control in STEERING_CONTROLS]


def test_models_have_the_ranges_of_the_table() -> None:
    """The protocol took an adherence up to 10, of which the model took all above 4 for 4: a knob that does nothing."""
    for control in (VARIATION, *STEERING_CONTROLS):
        limits = RANGES[control.name]
        assert (control.minimum, control.maximum) == (limits.minimum, limits.maximum), control.name


@pytest.fixture
def steered(toy_accompanist: Band) -> Band:
    """The toy with the same weights and an input more, as at the beginning of its training."""
    config = dataclasses.replace(toy_accompanist.generator.config, steered=True)
    generator = Generator(config)
    generator.load_state_dict(toy_accompanist.generator.state_dict(), strict=False)
    return Band("steered", toy_accompanist.codec, generator.eval().requires_grad_(False))


def taught(band: Band) -> Band:
    """Its weights as if training had found a use for the input."""
    assert band.generator.steer is not None
    torch.nn.init.normal_(band.generator.steer.get_parameter("2.weight"), 0, 0.3)
    return band


def play(band: Band, conditions: dict[str, Tensor], frames: int = 10) -> Tensor:
    mix = 0.1 * torch.randn(1, frames, 2, band.spec.hop, generator=torch.Generator().manual_seed(1))
    state, active, played = band.init_state([3]), torch.ones(1, dtype=torch.bool), []
    for n in range(frames):
        frame, state = band.step(
            mix[:, n], {name: value[:, n : n + 1] for name, value in conditions.items()}, state, active
        )
        played.append(frame)
    return torch.stack(played, dim=1)


def with_control(told: Told, **values: float) -> dict[str, Tensor]:
    return told(1, 10) | {name: torch.full((1, 10, 1), value) for name, value in values.items()}


def test_a_model_begins_its_steered_life_as_it_was(toy_accompanist: Band, steered: Band, told: Told) -> None:
    was = play(toy_accompanist, told(1, 10))
    assert torch.equal(play(steered, told(1, 10)), was)
    assert torch.equal(play(steered, with_control(told, density=0.9, brightness=0.1)), was)


def test_weights_from_before_steering_are_read_and_have_one_control(
    toy_weights: Path, toy_accompanist: Band, told: Told
) -> None:
    import json

    import safetensors.torch

    file = toy_weights / "generator.safetensors"
    config, tensors = modules.read_weights(file, "liveband-generator")
    del config["steered"]
    header = {"format": modules.FORMAT, "kind": "liveband-generator", "config": json.dumps(config)}
    digest = checks.digest_of(safetensors.torch.save(tensors, header))
    safetensors.torch.save_file(tensors, file, metadata=header | {checks.DIGEST: digest})
    band = loading.load(str(toy_weights))
    assert [control.name for control in band.spec.controls] == ["variation"]
    assert torch.equal(play(band, told(1, 10)), play(toy_accompanist, told(1, 10)))


def test_a_steered_model_survives_its_weights_file(steered: Band, toy_weights: Path, told: Told) -> None:
    model = taught(steered)
    modules.save_weights(
        toy_weights / "generator.safetensors",
        model.generator,
        kind="liveband-generator",
        config=model.generator.config,
    )
    band = loading.load(str(toy_weights))
    assert [control.name for control in band.spec.controls] == ["variation", *NAMES]
    conditions = with_control(told, density=0.9)
    assert torch.equal(play(band, conditions), play(model, conditions))


@pytest.mark.parametrize("name", NAMES)
def test_every_knob_is_heard_and_its_default_is_the_models_own_choice(
    steered: Band, told: Told, name: str
) -> None:
    band = taught(steered)
    control = next(c for c in STEERING_CONTROLS if c.name == name)
    own = play(band, told(1, 10))
    assert torch.equal(play(band, with_control(told, **{name: control.default})), own)
    assert torch.equal(play(band, with_control(told, **{name: torch.nan})), own)
    low, high = (play(band, with_control(told, **{name: v})) for v in (control.minimum, control.maximum))
    assert not torch.equal(low, high)
    assert not torch.equal(low, own)
    assert not torch.equal(high, own)
    beyond = play(band, with_control(told, **{name: control.maximum + 6}))
    assert torch.equal(beyond, high), "what is out of range is not taken for the nearest"


def test_parallel_equals_streaming(steered: Band, told: Told) -> None:
    band = taught(steered)
    mix = 0.1 * torch.randn(1, 10, 2, band.spec.hop, generator=torch.Generator().manual_seed(1))
    conditions = with_control(told, density=0.2, brightness=0.9, adherence=2.0)
    conditions["density"][:, 5:] = 0.8
    whole, streamed = band(mix, conditions, [3]), play(band, conditions)
    assert (whole - streamed).square().mean().sqrt() < 0.01 * whole.square().mean().sqrt()


def test_features_of_nothing_told_are_nothing() -> None:
    steer = steering_features({"variation": torch.ones(2, 3)})
    assert (steer.ranks.shape, steer.bond.shape) == ((2, 3, WIDTH), (2, 3, 1))
    assert not steer.ranks.any()
    assert not steer.bond.any()


def test_the_bond_grows_with_adherence() -> None:
    asked = torch.tensor([0.0, 0.25, 1.0, 2.0, 4.0, 10.0, torch.nan])
    bond = steering_features({"variation": asked, "adherence": asked}).bond.squeeze(-1)
    assert bond.tolist() == [-1.0, -0.75, 0.0, 0.25, 0.5, 0.5, 0.0]


def test_a_guided_stem_plays_as_if_it_adhered_more(steered: Band, told: Told) -> None:
    def guided(*guidance: float) -> Band:
        generator = Generator(dataclasses.replace(steered.generator.config, guidance=guidance))
        generator.load_state_dict(steered.generator.state_dict())
        return Band("guided", steered.codec, generator.eval().requires_grad_(False))

    own, more = play(steered, told(1, 10)), play(steered, with_control(told, adherence=4.0))
    assert int(told(1, 10)["stem"][0, 0, 0]) == 0
    assert torch.equal(play(guided(0.0, 0.5, 0.5, 0.5), told(1, 10)), own)
    torch.testing.assert_close(play(guided(0.5, 0.0, 0.0, 0.0), told(1, 10)), more)
    assert not torch.equal(own, more)
    for wrong in ((0.5,), (0.5, 0.5, 0.5, -1.0), (0.5, 0.5, 0.5, 9.0), (0.5, 0.5, 0.5, float("nan"))):
        with pytest.raises(LiveBandModelError, match="one number for each of 4 stems, 0 to 4"):
            guided(*wrong)


def test_a_variation_of_two_is_eight_times_the_noise(steered: Band) -> None:
    seed, position = torch.tensor([5]), torch.tensor([7])
    none, half, once, twice = (
        steered.generator.chance_at(seed, position, torch.tensor([v])) for v in (0.0, 0.5, 1.0, 2.0)
    )
    assert once.std() > 0.5
    torch.testing.assert_close(twice, 8 * once)
    torch.testing.assert_close(half, once / 8)
    assert not none.any()


def test_who_adheres_to_nothing_plays_the_same_over_any_mix(steered: Band, told: Told) -> None:
    def over(adherence: float) -> list[Tensor]:
        conditions = with_control(told, adherence=adherence)
        mixes = 0.1 * torch.randn(2, 10, 2, steered.spec.hop, generator=torch.Generator().manual_seed(2))
        return [steered(mix[None], conditions, [3]) for mix in mixes]

    one, other = over(0.0)
    near = (one - other).abs().max()
    one, other = over(1.0)
    assert near < 0.01 * (one - other).abs().max()


def test_the_critic_sees_what_the_player_was_told(steered: Band) -> None:
    from lbmodels.conditioning import host

    config = steered.generator.config
    critic = Critic(CriticConfig(features=16, dilations=(1, 2)), config)
    heard = Heard(torch.randn(1, 9, config.latent), torch.randn(1, 9, config.semitones))
    inputs = (heard, torch.randn(1, 9, host.WIDTH), torch.tensor([1]), torch.randn(1, 9, config.latent))
    steer = torch.randn(1, 9, WIDTH)
    assert torch.equal(critic(*inputs, steer)[0], critic(*inputs)[0])
    assert critic.steer is not None
    torch.nn.init.normal_(critic.steer.get_parameter("2.weight"))
    assert not torch.equal(critic(*inputs, steer)[0], critic(*inputs)[0])
