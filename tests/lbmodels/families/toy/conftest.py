# SPDX-License-Identifier: GPL-3.0-or-later
"""The toy family beside those that ship, and a model of it, trained and published by the commands."""

from pathlib import Path

import pytest
import torch

import lbmodels.families
from lbmodels.codec.autoencoder import Codec
from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.families import publishing
from lbmodels.weights.modules import save_weights
from lbserver import cli

HERE = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder beside the families that ship."""
    monkeypatch.setattr(lbmodels.families, "__path__", [*lbmodels.families.__path__, str(HERE.parent)])


@pytest.fixture
def folder(tmp_path: Path, toy_codec: Codec) -> Path:
    """A model trained by the recipe through the command, published, as a folder that is one."""
    assert (
        cli.main(["train", "toy", "--recipe", str(HERE / "tiny.toml"), "--out", str(tmp_path), "--quiet"])
        == 0
    )
    assert float((tmp_path / "loss.txt").read_text()) < 2.0  # of log 16 = 2.77
    torch.manual_seed(5)
    rvq = ResidualQuantiser(RvqConfig(latent=8, levels=2, codes=16))
    rvq.codes.data.normal_(0, 0.5)
    parts = {"codec": tmp_path / "codec.safetensors", "rvq": tmp_path / "rvq.safetensors"}
    save_weights(parts["codec"], toy_codec, kind="codec", config=toy_codec.config)
    save_weights(parts["rvq"], rvq, kind="rvq", config=rvq.config)
    parts["model"] = tmp_path / "model.safetensors"
    out = tmp_path / "published"
    publishing.publish(
        "tokens", parts, family_name="toy", recipe="toy/tiny", description="", card="# toy\n", folder=out
    )
    return out
