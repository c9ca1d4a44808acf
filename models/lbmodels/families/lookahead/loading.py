# SPDX-License-Identifier: GPL-3.0-or-later
"""Window networks from their weights files."""

from __future__ import annotations

from pathlib import Path

from lbmodels.config import build
from lbmodels.families.lookahead.network import LookaheadConfig, WindowNetwork
from lbmodels.weights.modules import construct, fill, read_weights

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
