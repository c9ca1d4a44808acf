# SPDX-License-Identifier: GPL-3.0-or-later
"""One stem's features against one excerpt's truth."""

from __future__ import annotations

from lbmodels.evaluate.excerpts import Truth
from lbmodels.evaluate.extras import PAIRS
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.metrics import (
    beat_f1,
    chord_agreement,
    key_agreement,
    onset_scores,
    rest_placement,
    silence_share,
    sounding,
)

ERRORS = ("loudness_error_db", "silence_error")
"""Metrics of which less is better."""

METRICS = (
    "beat_f1", "downbeat_f1", "chord", "key", "onset_f1", "onset_precision", "onset_recall", "rest_placement", *ERRORS, *PAIRS,
)  # fmt: skip
UNPITCHED = ("drums",)


def score_stem(
    heard: Features, truth: Truth, true_stem: Features, stem_class: str, *, start_s: float
) -> dict[str, float]:
    """Every metric of `METRICS`; NaN where it does not apply (chords of drums) or nothing can be judged."""
    scored = sounding(true_stem.level_db, truth.beats_s)
    chord = key = float("nan")
    if stem_class not in UNPITCHED:
        chord = chord_agreement(heard.chroma, truth.beats_s, truth.beat_chords, scored, start_s=start_s)
        key = key_agreement(heard.chroma, truth.beats_s, truth.beat_keys, scored, start_s=start_s)
    precision, recall, f = onset_scores(true_stem.onsets_s, heard.onsets_s, start_s=start_s)
    silence = silence_share(heard.level_db, start_s=start_s)
    return {
        "beat_f1": beat_f1(truth.beats_s, heard.beats_s, start_s=start_s),
        "downbeat_f1": beat_f1(truth.downbeats_s, heard.downbeats_s, start_s=start_s),
        "chord": chord,
        "key": key,
        "onset_f1": f,
        "onset_precision": precision,
        "onset_recall": recall,
        "rest_placement": rest_placement(true_stem.level_db, heard.level_db, start_s=start_s),
        "loudness_error_db": abs(heard.loudness_lufs - true_stem.loudness_lufs),
        "silence_error": abs(silence - silence_share(true_stem.level_db, start_s=start_s)),
        **{
            # What was not heard through an embedding, as a part of a piece, is not judged by it.
            name: pair.score(truth.mix_embeddings[pair.embedding], heard.embeddings[pair.embedding])
            if pair.embedding in truth.mix_embeddings and pair.embedding in heard.embeddings
            else float("nan")
            for name, pair in PAIRS.items()
        },
    }
