# SPDX-License-Identifier: GPL-3.0-or-later
"""One stem's features against one excerpt's truth."""

from __future__ import annotations

from lbmodels.evaluate.excerpts import Truth
from lbmodels.evaluate.features import Features
from lbmodels.evaluate.metrics import beat_f1, chord_agreement, onset_scores, sounding

METRICS = ("beat_f1", "chord", "onset_f1", "onset_precision", "onset_recall")
UNPITCHED = ("drums",)


def score_stem(
    heard: Features, truth: Truth, true_stem: Features, stem_class: str, *, start_s: float
) -> dict[str, float]:
    """Every metric of `METRICS`; NaN where it does not apply (chords of drums) or nothing can be judged."""
    scored = sounding(true_stem.level_db, truth.beats_s)
    chord = float("nan")
    if stem_class not in UNPITCHED:
        chord = chord_agreement(heard.chroma, truth.beats_s, truth.beat_chords, scored, start_s=start_s)
    precision, recall, f = onset_scores(true_stem.onsets_s, heard.onsets_s, start_s=start_s)
    return {
        "beat_f1": beat_f1(truth.beats_s, heard.beats_s, start_s=start_s),
        "chord": chord,
        "onset_f1": f,
        "onset_precision": precision,
        "onset_recall": recall,
    }
