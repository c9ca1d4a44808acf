# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for, as one line of text, and the vector of the style space that it means. NumPy alone.

A line has up to six prompts between bars, each with a weight if it ends in one: `upright bass, swing *2 | Rhodes`. Instead of words a
prompt may be a recording's vector as one word, `sound:` and base64, so that a sound travels wherever a line of text does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from functools import cache
from math import erf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.style import sound
from lbmodels.style.vocabulary import GROUPS, read
from lbmodels.weights import checks
from lbmodels.weights.manifest import weights_folder

Floats = NDArray[np.float32]
KIND = "style-space"
MOST_PROMPTS = 6
MOST_WEIGHT = 100.0
_SOUND = "sound:"


class Space:
    """The tables of a style space: words [concepts, latent], and what hears."""

    def __init__(self, concepts: Sequence[str], tensors: Mapping[str, NDArray[Any]]) -> None:
        self.concepts = tuple(concepts)
        self._tensors = {name: value.astype(np.float32) for name, value in tensors.items()}

    @property
    def latent(self) -> int:
        return int(self._tensors["words"].shape[1])

    def say(self, text: str) -> Floats:
        """The unit vector [latent] of words.

        Raises:
            LiveBandModelError: words that are not known, named; or nothing that says anything.
        """
        rows = [self.concepts.index(name) for name in understood(text, self.concepts)]
        return unit(self._tensors["words"][rows].sum(0))

    def hear(self, audio: NDArray[np.floating], sample_rate: int) -> Floats:
        """The unit vector [latent] of a recording [N] or [N, channels]: the mean over its excerpts.

        Raises:
            LiveBandModelError: no samples, samples that are not finite, or silence throughout.
        """
        h = sound.describe(sound.heard(sound.sounding(audio, sample_rate)))
        h = (h - self._tensors["centre"]) / self._tensors["spread"]
        for layer, norm in ((0, 2), (4, 6)):
            h = self._linear(h, layer)
            h = 0.5 * h * (1 + np.vectorize(erf)(h / 2**0.5))
            h = (h - h.mean(-1, keepdims=True)) / np.sqrt(h.var(-1, keepdims=True) + 1e-5)
            h = h * self._tensors[f"narrow.{norm}.weight"] + self._tensors[f"narrow.{norm}.bias"]
        h = self._linear(h, 8)
        return unit((h / np.linalg.norm(h, axis=-1, keepdims=True)).mean(0))

    def _linear(self, h: NDArray[Any], layer: int) -> NDArray[Any]:
        weight, bias = (self._tensors[f"narrow.{layer}.{what}"] for what in ("weight", "bias"))
        made: NDArray[Any] = h @ weight.T + bias
        return made


def understood(text: str, concepts: Sequence[str]) -> tuple[str, ...]:
    """What words say, all of it among `concepts`.

    Raises:
        LiveBandModelError: words that are not known, named; or nothing that says anything.
    """
    reading = read(text)
    known = tuple(name for name in reading.concepts if name in concepts)
    unknown = (*reading.unknown, *(name for name in reading.concepts if name not in known))
    if unknown:
        raise LiveBandModelError(
            f"style {text[:80]!r}: unknown: {', '.join(unknown)[:200]}; known are instruments, styles and manners as "
            "'upright bass', 'bossa', 'sparse'"
        )
    if not known:
        raise LiveBandModelError(
            f"style {text[:80]!r} says nothing; accepted are words as 'upright bass', 'bossa'"
        )
    return known


def unit(vector: NDArray[Any]) -> Floats:
    """At length 1."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-12)).astype(np.float32)


def mix(vectors: Sequence[NDArray[Any]], weights: Sequence[float]) -> Floats:
    """The unit vector of a weighted mean of unit vectors [latent].

    Raises:
        LiveBandModelError: no vector or too many, weights of another number, negative or none above 0, or prompts that
            cancel each other out.
    """
    if not 1 <= len(vectors) <= MOST_PROMPTS or len(weights) != len(vectors):
        raise LiveBandModelError(
            f"style: accepted are 1 to {MOST_PROMPTS} prompts, each with a weight, not {len(vectors)} and {len(weights)}"
        )
    if not all(0 <= weight < float("inf") for weight in weights) or not sum(weights) > 0:
        raise LiveBandModelError(f"style: weights must be 0 or more and not all 0, not {list(weights)}")
    total = np.tensordot(np.array(weights) / sum(weights), np.stack(list(vectors)), 1)
    if float(np.linalg.norm(total)) < 1e-6:
        raise LiveBandModelError("style: these prompts cancel each other out")
    return unit(total)


def prompts(line: str) -> list[tuple[str, float]]:
    """Words or sounds and their weights.

    Raises:
        LiveBandModelError: too many, empty ones, or a weight that is no number from 0 to 100.
    """
    found = []
    for part in line.split("|"):
        weight, words = 1.0, part.strip()
        if "*" in part:
            words, told = (text.strip() for text in part.rsplit("*", 1))
            try:
                weight = float(told)
            except ValueError:
                weight = float("nan")
            if not (isfinite(weight) and 0 <= weight <= MOST_WEIGHT):
                raise LiveBandModelError(
                    f"style: a weight is a number from 0 to {MOST_WEIGHT:g} behind a *, not {told[:40]!r}"
                )
        if not words:
            raise LiveBandModelError(
                "style: a prompt between bars is empty; accepted is 'upright bass, swing *2 | Rhodes'"
            )
        found.append((words, weight))
    if len(found) > MOST_PROMPTS:
        raise LiveBandModelError(f"style: accepted are up to {MOST_PROMPTS} prompts, not {len(found)}")
    return found


def vector(line: str, space: Space | None = None) -> Floats:
    """What a line asks for, a unit vector [latent].

    Raises:
        LiveBandModelError: words that are not known, weights or sounds that are none.
    """
    space = space or shipped()
    asked = prompts(line)
    return mix([_one(words, space) for words, _ in asked], [weight for _, weight in asked])


def as_word(vector: NDArray[Any]) -> str:
    """A vector [latent] as a word of a line, each of its numbers in 8 bits."""
    steps = np.rint(127 * vector / max(float(np.abs(vector).max()), 1e-12)).astype(np.int8)
    return _SOUND + base64.b64encode(steps.tobytes(), b"-_").decode().rstrip("=")


def heard_as_word(audio: NDArray[np.floating], sample_rate: int) -> str:
    """A recording [N] or [N, channels] as a word of a line. Raises LiveBandModelError: nothing sounds in it."""
    return as_word(shipped().hear(audio, sample_rate))


def _one(words: str, space: Space) -> Floats:
    if not words.startswith(_SOUND):
        return space.say(words)
    text = words.removeprefix(_SOUND)
    try:
        found = np.frombuffer(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), np.int8)
    except (binascii.Error, ValueError):
        found = np.zeros(0, np.int8)
    if len(found) != space.latent or not found.any():
        raise LiveBandModelError(
            f"style: {words[:40]!r} is no sound; `liveband style FILE` says the word of a recording"
        )
    return unit(found.astype(np.float32))


@cache
def shipped() -> Space:
    """The space that ships.

    Raises:
        LiveBandModelError: it is not there, or damaged.
    """
    return load(weights_folder() / "style" / "style.safetensors")


def load(path: Path) -> Space:
    """A space from its weights.

    Raises:
        LiveBandModelError: not there, damaged, or of another kind.
    """
    data = checks.read_bytes(path)
    header = checks.check(data, f"weights {path.name}").metadata
    if header.get("kind") != KIND:
        raise LiveBandModelError(f"weights {path.name} are foreign: wanted {KIND!r}")
    try:
        concepts = [str(name) for name in read_json(header["config"])["concepts"]]
        return Space(concepts, safetensors.numpy.load(data))
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise LiveBandModelError(f"weights {path.name}: they cannot be read ({error})") from None


def suggestions() -> tuple[str, ...]:
    """Words that the shipped space knows: sounds first, then styles and manners."""
    known = shipped().concepts
    return tuple(
        name for group in ("sound", "style", "manner", "role") for name in GROUPS[group] if name in known
    )
