# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampled drum kits in Hydrogen's format: a folder with a drumkit.xml and one audio file per layer, played hit by hit.

Instruments are known by their names alone, so names are read as General MIDI percussion keys; where a kit has several
for one key, `variant` chooses, and where it has none the nearest relative plays.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError
from lbmodels.data.parts import Note
from lbmodels.documents import read_xml

SAMPLE_RATE = 48000
Audio = npt.NDArray[np.float32]

_MOST_OF_A_LAYER = 1000.0
_MOST_XML_BYTES = 4_000_000
_LONGEST_HIT_S = 2.5
_CHOKE_S = 0.03
_NAMES = (
    (r"kick|bass ?drum", 36), (r"side ?stick|^stick|rim click|c#3 - stick", 37), (r"clap", 39), (r"snare", 38),
    (r"pedal|hat.* pd", 44), (r"(hat|hh).*(open|op\b)|open.*(hat|hh)|ohh", 46), (r"hat|hh", 42), (r"cowbell", 56), (r"ride.*bell|ride-cup|bell", 53),
    (r"ride", 51), (r"crash|china|cymbal", 49), (r"splash", 55), (r"tambourine", 54), (r"maraca|shaker", 70),
    (r"(tom.*(hi|1))|tomhi|high tom", 50), (r"tom.*(low|floor)|floor|low tom", 43), (r"tom", 47), (r"conga|drum \d", 63),
)  # fmt: skip
_RELATIVES = {
    35: 36, 40: 38, 41: 43, 43: 47, 45: 47, 47: 50, 48: 50, 50: 47, 37: 38, 39: 38, 44: 42, 46: 42, 51: 42, 53: 51, 49: 46,
    55: 49, 57: 49, 52: 49, 59: 51, 56: 37, 54: 42, 70: 42, 63: 47, 42: 44, 38: 37, 75: 37,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One recording of an instrument, for hits of `low`..`high` strength (0..1)."""

    path: Path
    low: float
    high: float
    gain: float


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Instruments by General MIDI key: each a choice of layer sets."""

    name: str
    instruments: dict[int, tuple[tuple[Layer, ...], ...]]


@lru_cache(maxsize=16)
def read_kit(folder: Path) -> Kit:
    """The kit in a folder.

    Raises:
        DataError: no drumkit.xml there, or one without a kick and a snare.
    """
    path = folder / "drumkit.xml"
    try:
        if path.stat().st_size > _MOST_XML_BYTES:
            raise ValueError(f"larger than {_MOST_XML_BYTES // 1_000_000} MB")
        root = read_xml(path.read_bytes(), most_bytes=_MOST_XML_BYTES)
    except (OSError, ValueError, ElementTree.ParseError) as exc:
        raise DataError(f"{folder}: not a Hydrogen drum kit ({exc})") from exc
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    found: dict[int, list[tuple[Layer, ...]]] = {}
    for instrument in root.iter("instrument"):
        name = (instrument.findtext("name") or "").lower()
        key = next((k for pattern, k in _NAMES if re.search(pattern, name)), None)
        layers = _layers(instrument, folder)
        if key is not None and layers:
            found.setdefault(key, []).append(layers)
    if not {36, 38} <= set(found):
        raise DataError(f"{folder}: a drum kit needs a kick and a snare")
    return Kit(name=folder.name, instruments={k: tuple(v) for k, v in found.items()})


_LAYER = (("min", 0.0), ("max", 1.0), ("gain", 1.0))


def _number(node: ElementTree.Element, name: str, usual: float, folder: Path) -> float:
    """A finite number of a layer. Raises DataError."""
    text = node.findtext(name) or str(usual)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _MOST_OF_A_LAYER:
        raise DataError(
            f"{folder}: {name} of a drum's layer is {text[:40]!r}, which is no number that it can be"
        )
    return value


def _layers(instrument: ElementTree.Element, folder: Path) -> tuple[Layer, ...]:
    nodes = list(instrument.iter("layer")) or [instrument]
    layers = []
    for node in nodes:
        file = Path(node.findtext("filename") or "").name
        path = folder / file
        if file and path.is_file():
            low, high, gain = (_number(node, name, usual, folder) for name, usual in _LAYER)
            layers.append(Layer(path=path, low=low, high=high, gain=gain))
    return tuple(sorted(layers, key=lambda x: x.low))


@lru_cache(maxsize=256)
def _hit(path: Path) -> Audio:
    """One layer as [2, T] at 48 kHz, cut to a few seconds."""
    import soundfile
    import soxr

    try:
        audio, rate = soundfile.read(os.fsencode(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as exc:
        raise DataError(f"{path}: cannot be read as audio") from exc
    audio = audio[: int(_LONGEST_HIT_S * rate)]
    if rate != SAMPLE_RATE:
        audio = soxr.resample(audio, rate, SAMPLE_RATE)
    audio = np.repeat(audio[:, :1], 2, axis=1) if audio.shape[1] == 1 else audio[:, :2]
    fade = min(len(audio), SAMPLE_RATE // 20)
    audio = np.array(audio, np.float32)
    audio[len(audio) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    # Recordings begin with some silence: a hit must sound when it is written.
    loud = np.flatnonzero(np.abs(audio).max(axis=1) > 0.02 * max(1e-6, float(np.abs(audio).max())))
    audio = audio[max(0, int(loud[0]) - 24) :] if len(loud) else audio
    return np.ascontiguousarray(audio.T)


def _choice(kit: Kit, key: int, variant: int) -> tuple[Layer, ...]:
    for _ in range(8):
        if key in kit.instruments:
            options = kit.instruments[key]
            return options[(variant * 7 + key) % len(options)]
        key = _RELATIVES.get(key, 42 if key in (44, 46) else 38)
    return kit.instruments[38][0]


def play_kit(kit: Kit, notes: Sequence[Note], *, variant: int, n_samples: int) -> Audio:
    """Dry audio [2, n_samples] of drum notes; a closed or pedalled hat stops an open one."""
    audio = np.zeros((2, n_samples), np.float32)
    ordered = sorted(notes, key=lambda n: n.start_s)
    closing = np.array([n.start_s for n in ordered if n.pitch in (42, 44)])
    for note in ordered:
        start = round(note.start_s * SAMPLE_RATE)
        if start >= n_samples:
            break
        strength = note.velocity / 127.0
        layers = _choice(kit, note.pitch, variant)
        layer = next((x for x in layers if strength <= x.high), layers[-1])
        hit = _hit(layer.path) * np.float32(strength**1.4)
        if note.pitch == 46:
            later = closing[np.searchsorted(closing, note.start_s + 1e-4) :]
            if len(later):
                length = min(hit.shape[1], round((float(later[0]) - note.start_s + _CHOKE_S) * SAMPLE_RATE))
                hit = hit[:, :length].copy()
                fade = min(length, round(_CHOKE_S * SAMPLE_RATE))
                hit[:, length - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        end = min(n_samples, start + hit.shape[1])
        audio[:, start:end] += hit[:, : end - start]
    return audio
