# SPDX-License-Identifier: GPL-3.0-or-later
"""Look-ahead models from their weights files."""

from __future__ import annotations

from pathlib import Path

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork
from lbmodels.families.lookahead.window import Window
from lbmodels.families.parts import CODEC
from lbmodels.weights.manifest import sha256
from lbmodels.weights.modules import construct, fill, load_part, read_weights

KIND = "lookahead-network"


def load_network(path: Path, digest: str | None = None) -> WindowNetwork:
    """The window network of a weights file, ready to run; `digest` pins the SHA-256 of the file.

    Raises:
        LiveBandModelError: the file is missing, damaged or foreign.
    """
    config, tensors = read_weights(path, KIND, digest)
    sizes = build(LookaheadConfig, config, path.name)
    network = construct(lambda: WindowNetwork(sizes), config, tensors, path.name)
    fill(network, tensors, path.name)
    return network


def load(folder: Path, *, window: Window | None = None, quality: str = "fast") -> LookaheadAccompanist:
    """The model in a folder that holds codec.safetensors and teacher.safetensors or student.safetensors, or both.

    Raises:
        LiveBandModelError: a file is missing, damaged, foreign, or they do not belong together.
    """
    files = {name: folder / f"{name}.safetensors" for name in ("teacher", "student")}
    there = {name: path for name, path in files.items() if path.is_file()}
    if not there:
        raise LiveBandModelError(f"{folder} holds no teacher.safetensors and no student.safetensors")
    networks = {name: load_network(path) for name, path in there.items()}
    return LookaheadAccompanist(
        folder.name,
        load_part(CODEC, folder / "codec.safetensors"),
        **networks,
        window=window,
        quality=quality,
        weights_id="+".join(sha256(path)[:12] for path in there.values()),
    ).eval()
