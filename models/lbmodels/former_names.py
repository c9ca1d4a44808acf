# SPDX-License-Identifier: GPL-3.0-or-later
"""What earlier releases called things, and what they are called today.

Weights, manifests, folders, recipes, checkpoints and kept moments of earlier releases are read through this one table;
all that is written has today's names.
"""

from __future__ import annotations

_TODAY = {
    "timekeeper": "beat_tracker",
    "chordkeeper": "chord_tracker",
    "keeper": "tracker",
    "preamp": "input_level",
    "pulse": "tempogram",
    "recolour": "latent_matching",
    "recoloured": "latent_matching",
}


def today(name: str) -> str:
    """Today's name, each part of a dotted one by itself; what never changed comes back as it is."""
    return ".".join(_TODAY.get(part, part) for part in name.split("."))


def formerly(name: str) -> tuple[str, ...]:
    """All names that something had before today's, the oldest first."""
    return tuple(old for old, new in _TODAY.items() if new == name)
