# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics that listen through an embedding: one entry in a table is all that one needs.

An embedding hears every stem, and every mix without the stem, from the scored start on and after the loudness
pipeline of `loudness`. What it says is kept on disk by the audio's hash and the embedding's version.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbmodels.evaluate import embedding, frechet
from lbmodels.evaluate.metrics import Audio, Floats
from lbmodels.weights.manifest import sha256, weights_folder


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """`embed` turns audio [C, T] at a rate in Hz into vectors [W, D]; raise `version` when it changes."""

    version: str
    embed: Callable[[Audio, int], Floats]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A score of one excerpt: (the mix's vectors, the stem's vectors) -> figure, higher is better."""

    embedding: str
    score: Callable[[Floats, Floats], float]


@dataclass(frozen=True, kw_only=True)
class SetMetric:
    """A distance of many excerpts: (vectors of the true stems, vectors of the judged) -> figure, lower is better."""

    embedding: str
    score: Callable[[Sequence[Floats], Sequence[Floats]], float]


EMBEDDINGS: dict[str, Embedding] = {}
PAIRS: dict[str, Pair] = {}
SETS: dict[str, SetMetric] = {}

# Optional: without the package that holds the weights the evaluation goes on without this column.
if embedding.installed():
    EMBEDDINGS["musicnn"] = Embedding(version=embedding.VERSION, embed=embedding.embed)
    SETS["frechet_musicnn"] = SetMetric(embedding="musicnn", score=frechet.distance)


def _coherent(audio: Audio, sample_rate: int) -> Floats:
    from lbmodels.evaluate import coherence

    return coherence.embed(audio, sample_rate)


def _judge(kind: str) -> Callable[[Floats, Floats], float]:
    def score(mix: Floats, stem: Floats) -> float:
        from lbmodels.evaluate import coherence

        return coherence.score(mix, stem, kind)

    return score


# Copies without the weights of the judge go on without its columns. Other weights are another version.
_JUDGE = weights_folder() / "coherence.safetensors"
if _JUDGE.is_file():
    EMBEDDINGS["coherence"] = Embedding(version=f"1 {sha256(_JUDGE)[:16]}", embed=_coherent)
    PAIRS["coherence"] = Pair(embedding="coherence", score=_judge("both"))
    PAIRS["coherence_harmonic"] = Pair(embedding="coherence", score=_judge("harmonic"))
    PAIRS["coherence_percussive"] = Pair(embedding="coherence", score=_judge("percussive"))
