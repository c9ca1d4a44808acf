# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches of sound that an autoencoder is judged by: stems and mixes of rendered songs, and real recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lbmodels.data.slakh import read_track
from lbmodels.evaluate.excerpts import Excerpt, read_excerpt, read_truth
from lbmodels.evaluate.extras import PAIRS
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.files import agreement
from lbmodels.evaluate.metrics import Audio
from lbmodels.evaluate.pieces import Piece, middle, read_stretch
from lbmodels.evaluate.scores import UNPITCHED, score_stem

MIX = "mix"
"""In place of a stem class: everything that sounds."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One stretch as it was. `read` gives it, [2, T] at `sample_rate`; `score` the scores of what is heard, given what is
    heard in the truth; `start_s` is where it begins in its song.
    """

    name: str
    sample_rate: int
    start_s: float
    read: Callable[[], Audio]
    score: Callable[[Features, Features], dict[str, float]]


def audio_of(excerpt: Excerpt, stem: str) -> Audio:
    """The true stem [2, T] of an excerpt, or everything that sounds in it if `stem` is "mix"."""
    others, own = read_excerpt(excerpt, read_track(excerpt.track_dir))
    return np.ascontiguousarray(others + own if stem == MIX else own, dtype=np.float32)


def of_excerpts(excerpts: Sequence[Excerpt], stem: str, *, start_s: float) -> list[Sound]:
    """Stems or mixes of rendered songs, whose beats, chords and keys are known; scores begin at `start_s`."""
    return [
        Sound(
            name=excerpt.track,
            sample_rate=read_track(excerpt.track_dir).sample_rate,
            start_s=excerpt.start_s,
            read=partial(audio_of, excerpt, stem),
            score=partial(_by_truth, excerpt, stem, start_s),
        )
        for excerpt in excerpts
    ]


def _by_truth(
    excerpt: Excerpt, stem: str, start_s: float, heard: Features, true: Features
) -> dict[str, float]:
    truth = read_truth(excerpt, read_track(excerpt.track_dir))
    found = score_stem(heard, truth, true, stem, start_s=start_s)
    return {name: value for name, value in found.items() if name not in PAIRS}


def of_pieces(
    pieces: Sequence[Piece],
    stem: str,
    *,
    seconds: float,
    start_s: float,
    sample_rate: int,
    networks: int,
    cache: Path | None,
) -> list[Sound]:
    """The middle of real recordings, or of their isolated stems where they have them.

    Nothing is true there: beats and chroma are held against those heard in the whole recording by `networks` of madmom's 8.

    Raises:
        LiveBandModelError: a recording that cannot be read or is too short.
    """
    found = []
    for piece in pieces:
        path = piece.path if stem == MIX else piece.stems.get(stem)
        if path is None:
            continue
        first_s, length_s = middle(piece, seconds, start_s)
        whole = partial(read_stretch, piece.path, first_s, length_s, sample_rate)

        def score(
            heard: Features, true: Features, whole: Callable[[], Audio] = whole, length_s: float = length_s
        ) -> dict[str, float]:
            reference = (
                true
                if stem == MIX
                else analyse(whole(), sample_rate, networks=networks, cache=cache, start_s=start_s)
            )
            figures = agreement(heard, reference, length_s, start_s=start_s)
            return {"beat_f1": figures["beat_f1"]} | (
                {} if stem in UNPITCHED else {"chroma": figures["chroma"]}
            )

        found.append(
            Sound(
                name=piece.title,
                sample_rate=sample_rate,
                start_s=first_s,
                read=partial(read_stretch, path, first_s, length_s, sample_rate),
                score=score,
            )
        )
    return found
