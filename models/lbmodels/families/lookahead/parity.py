# SPDX-License-Identifier: GPL-3.0-or-later
"""What this family answers to a golden file of the published look-ahead system (`python -m lbmodels.parity`)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lbmodels.config import build
from lbmodels.families.lookahead.diffusion import Denoise, Draw, Preconditioning, Schedule, adpm2, consistency
from lbmodels.families.lookahead.published import STUDENT_FLOOR, Tier, fill
from lbmodels.families.lookahead.song_unet import SongUNet, SongUNetConfig
from lbmodels.parity import rule
from lbmodels.parity.case import Case

Arrays = dict[str, NDArray[Any]]


def run(case: Case) -> Arrays:
    """Every output of the case that this family knows, by its name there."""
    with torch.no_grad():
        if "prior_variance" in case.config:
            return _samplers(case)
        return _network(case) if "x_noisy" in case.inputs else _pipeline(case)


def _inputs(case: Case) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.array(value)) for name, value in case.inputs.items()}


def _draws(case: Case, part: str, shape: tuple[int, ...]) -> Draw:
    numbers = itertools.count()
    return lambda: torch.from_numpy(rule.normal(f"{case.config['draw_prefix']}{part}.{next(numbers)}", shape))


def _schedule(table: dict[str, float]) -> Schedule:
    return Schedule(sigma_min=table["sigma_min"], sigma_max=table["sigma_max"], rho=table["rho"])


def _watched(denoise: Denoise, seen: list[tuple[Tensor, float]]) -> Denoise:
    def watch(x: Tensor, sigma: Tensor) -> Tensor:
        seen.append((x.clone(), float(sigma[0])))
        return denoise(x, sigma)

    return watch


def _samplers(case: Case) -> Arrays:
    given, config = _inputs(case), case.config
    mean, variance = given["prior_mean"], config["prior_variance"]
    known, source, shape = given["keep_mask"], given["source"], tuple(config["shape"])

    def ideal(x: Tensor, sigma: Tensor) -> Tensor:
        square = sigma.to(x.dtype).view(-1, *[1] * (x.dim() - 1)).square()
        return (variance * x + square * mean) / (variance + square)

    out: dict[str, Any] = {}
    if "schedule" in config:
        sigmas = _schedule(config["schedule"]).levels(config["schedule"]["steps"])
        out["ldm_sigmas"] = [*sigmas, 0.0]
        for name, count, masked in (("inpaint", config.get("num_resamples", 1), True), ("gen", 1, False)):
            seen: list[tuple[Tensor, float]] = []
            out[f"{name}_final"] = adpm2(
                _watched(ideal, seen),
                sigmas,
                _draws(case, name, shape),
                known=known if masked else None,
                source=source if masked else None,
                resamples=count,
                rho=config.get("adpm2_rho", 1.0),
            )
            out[f"{name}_x"] = torch.stack([x for x, _ in seen])
            out[f"{name}_sigma"] = [sigma for _, sigma in seen]
    if "cd" in config:
        out |= _students(case, ideal, known, source, shape)
    return _arrays(out)


def _students(
    case: Case, ideal: Denoise, known: Tensor, source: Tensor, shape: tuple[int, ...]
) -> dict[str, Any]:
    """The consistency sampler around a network that answers so that the ideal denoiser comes out of the preconditioning."""
    table = case.config["cd"]
    schedule, steps = _schedule(table), table["steps"]
    pre = Preconditioning(sigma_data=case.config.get("sigma_data", 1.0), floor=table["sigma_min"])
    out: dict[str, Any] = {"cd_sigmas": [*schedule.levels(steps + 1), 0.0]}
    for name, mask in (("cd", known), ("cdfree", torch.zeros_like(known))):
        inputs: list[Tensor] = []
        levels: list[float] = []
        denoised: list[Tensor] = []

        def network(x: Tensor, code: Tensor, inputs: list[Tensor] = inputs) -> Tensor:
            inputs.append(x.clone())
            sigma = (4 * code.double()).exp().view(-1, *[1] * (x.dim() - 1))
            wide = x.double() / pre.scale(sigma)
            zero = torch.zeros_like(wide)
            skipped, unit = pre.join(wide, zero, sigma), pre.join(zero, torch.ones_like(wide), sigma)
            return ((ideal(wide, sigma.flatten()) - skipped) / unit).to(x.dtype)

        def denoise(
            x: Tensor,
            sigma: Tensor,
            network: Callable[[Tensor, Tensor], Tensor] = network,
            levels: list[float] = levels,
            denoised: list[Tensor] = denoised,
        ) -> Tensor:
            levels.append(float((4 * pre.code(sigma)).exp()[0]))
            denoised.append(pre.denoise(network, x, sigma))
            return denoised[-1]

        final, states = consistency(
            denoise,
            schedule.levels(steps + 1)[:steps],
            _draws(case, name, shape),
            known=mask,
            source=source,
            least=table["sigma_min"],
        )
        out |= {
            f"{name}_net_input": torch.stack(inputs),
            f"{name}_sigma_seen": levels,
            f"{name}_denoised": torch.stack(denoised),
            f"{name}_x": torch.stack(states),
            f"{name}_final": final,
        }
    return out


def _build(case: Case) -> SongUNet:
    config = case.config
    sizes = {name: value for name, value in config.items() if name in SongUNetConfig.__dataclass_fields__}
    network = SongUNet(build(SongUNetConfig, sizes, case.name)).eval()
    weights = {name: torch.from_numpy(value) for name, value in case.weights().items()}
    network.load_state_dict(weights)
    return network


def _network(case: Case) -> Arrays:
    given, network = _inputs(case), _build(case)
    x, mix, sigma, label = given["x_noisy"], given["mixture"], given["sigma"], given["label"]
    edm = Preconditioning(sigma_data=case.config.get("sigma_data", 1.0))
    student = Preconditioning(
        sigma_data=case.config.get("sigma_data", 1.0), floor=case.config.get("cd_sigma_min", STUDENT_FLOOR)
    )

    def answer(scaled: Tensor, code: Tensor) -> Tensor:
        return network(torch.cat([scaled, mix], dim=1), code, label)

    each = sigma.view(-1, *[1] * (x.dim() - 1))
    net = answer(edm.scale(each) * x, edm.code(sigma))
    return _arrays(
        {
            "net": net,
            "denoised_edm": edm.join(x, net, each),
            "denoised_cd": student.denoise(answer, x, sigma),
        }
    )


def _pipeline(case: Case) -> Arrays:
    given, network, config = _inputs(case), _build(case), case.config
    shape = tuple(given["source"].shape)
    tiers = {}
    if "schedule" in config:
        tiers["inpaint"] = Tier(
            name="teacher",
            preconditioning=Preconditioning(sigma_data=config.get("sigma_data", 1.0)),
            schedule=_schedule(config["schedule"]),
            steps=config["schedule"]["steps"],
            resamples=config.get("num_resamples", 1),
        )
    if "cd" in config:
        tiers["cd"] = Tier(
            name="student",
            preconditioning=Preconditioning(
                sigma_data=config.get("sigma_data", 1.0), floor=config["cd"]["sigma_min"]
            ),
            schedule=_schedule(config["cd"]),
            steps=config["cd"]["steps"],
        )
    out: dict[str, Any] = {}
    for name, tier in tiers.items():
        seen: list[Tensor] = []
        final = fill(
            network,
            tier,
            mix=given["mixture"],
            source=given["source"],
            known=given["keep_mask"],
            label=given["label"],
            draw=_draws(case, name, shape),
            watch=seen.append,
        )
        out |= {f"{name}_final": final, f"{name}_x": torch.stack(seen)}
    return _arrays(out)


def _arrays(values: dict[str, Any]) -> Arrays:
    return {name: np.asarray(value) for name, value in values.items()}
