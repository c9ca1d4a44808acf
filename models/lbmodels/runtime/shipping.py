# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph that ships beside a model's weights, so that it plays where torch is not installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from lbmodels.errors import LiveBandModelError
from lbmodels.folders import write_whole
from lbmodels.runtime import cache
from lbmodels.runtime.memory import measured_bytes
from lbmodels.runtime.opening import LIVE, exported, exporter
from lbmodels.weights.manifest import ModelCard, available, located, rewrite_manifest, sha256


def ship_graph(name: str, folder: Path) -> ModelCard:
    """Export a model of a folder's manifest for every live runtime, beside its weights, and enter the files.

    Raises:
        LiveBandModelError: no such model there, damaged weights, NotExportableError.
    """
    cards = available(folder)
    card = next((one for one in cards if one.name == name), None)
    if card is None:
        known = ", ".join(one.name for one in cards) or "none"
        raise LiveBandModelError(f"no model {name[:80]!r} in {folder}; there are: {known}")
    found = located(card, folder)
    graphs, made_by, digests = {}, {}, dict(card.sha256)
    for runtime in LIVE:
        file = f"{name}-{runtime}.graph"
        write_whole(folder / file, cache.packed(*exported(found, runtime)))
        graphs[runtime], made_by[runtime] = file, exporter(card.family)
        digests[file] = sha256(folder / file)
    memory = measured_bytes(folder / graphs[LIVE[0]])
    entry = replace(card, graphs=graphs, made_by=made_by, sha256=digests, memory_bytes=memory)
    rewrite_manifest([entry, *(one for one in cards if one.name != name)], folder)
    return entry
