# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control does: the same excerpts, the same seeds, one value after another, and what changes in the sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lbmodels.contract.accompanist import Streaming
from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.bootstrap import derangements
from lbmodels.evaluate.excerpts import Excerpt, read_excerpt, read_truth
from lbmodels.evaluate.extras import PAIRS
from lbmodels.evaluate.features import Features, analyse, embed, narrowed
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.evaluate.metrics import (
    Audio,
    Floats,
    beat_f1,
    chord_agreement,
    mono,
    onset_scores,
    onsets_s,
    silence_share,
    sounding,
)
from lbmodels.evaluate.scores import UNPITCHED
from lbmodels.isolation import prepare_drawing

if TYPE_CHECKING:
    from lbmodels.evaluate.excerpts import Truth

MEASURES = (
    "onsets_per_s", "centroid_hz", "chord", "beat_f1", "floor_chord", "floor_beat_f1", "silence", "coherence", "other_take_f1",
)  # fmt: skip

_OTHER_TAKE = 50_000


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Means over excerpts of one stem at one value of a control; NaN where a measure does not apply.

    The floors are the same stems scored against other songs. `other_take_f1`: onset F1 of a second take, with another
    seed, against the first; 1 for a model that always plays the same.
    """

    control: str
    value: float
    stem: str
    excerpts: int
    onsets_per_s: float
    centroid_hz: float
    chord: float
    beat_f1: float
    floor_chord: float
    floor_beat_f1: float
    silence: float
    coherence: float
    other_take_f1: float


def centroid_hz(audio: Audio, sample_rate: int, *, start_s: float) -> float:
    """Magnitude-weighted mean frequency of [C, T] from `start_s` on; NaN in silence."""
    x = mono(audio)[int(start_s * sample_rate) :]
    frames = np.lib.stride_tricks.sliding_window_view(x, 2048)[::1024] * np.hanning(2048)
    size = np.abs(np.fft.rfft(frames, axis=-1)).sum(0)
    if size.sum() < 1e-3:
        return float("nan")
    return float((size * np.fft.rfftfreq(2048, 1 / sample_rate)).sum() / size.sum())


def _agreement(heard: Features, truth: Truth, stem: str, start_s: float) -> tuple[float, float]:
    """Chord agreement (NaN for drums) and beat F1 against a song's truth."""
    chord = float("nan")
    if stem not in UNPITCHED:
        scored = sounding(heard.level_db, truth.beats_s)
        chord = chord_agreement(heard.chroma, truth.beats_s, truth.beat_chords, scored, start_s=start_s)
    return chord, beat_f1(truth.beats_s, heard.beats_s, start_s=start_s)


def _coherence(mix: Mapping[str, Floats], heard: Features) -> float:
    """Of mix and stem; NaN without the judge's weights."""
    judge = PAIRS.get("coherence")
    return (
        float("nan")
        if judge is None
        else judge.score(mix[judge.embedding], heard.embeddings[judge.embedding])
    )


def effects(
    accompanist: Streaming,
    excerpts: Sequence[Excerpt],
    control: str,
    values: Sequence[float],
    *,
    conditions: str,
    anticipation_ms: float,
    seed: int = 0,
    start_s: float = 5.0,
    networks: int = 1,
    on_done: Callable[[], None] = lambda: None,
) -> list[Effect]:
    """One `Effect` a value, of excerpts of one stem class.

    Raises:
        LiveBandModelError: the model has no such control, or fewer than two excerpts.
    """
    if len(excerpts) < 2:
        raise LiveBandModelError(f"a floor needs 2 excerpts or more, got {len(excerpts)}")
    spec, stem = accompanist.spec, excerpts[0].stem_class
    mixes, told, truths = [], [], []
    for excerpt in excerpts:
        track = read_track(excerpt.track_dir)
        mixes.append(read_excerpt(excerpt, track)[0])
        frames = mixes[-1].shape[1] // spec.hop
        told.append(
            frame_conditions(track, excerpt.first_frame, frames, hop=spec.hop, sample_rate=spec.sample_rate)
        )
        truths.append(read_truth(excerpt, track))
    mix_embeddings = [embed(mix, spec.sample_rate, cache=None, start_s=start_s) for mix in mixes]
    others = derangements([excerpt.track for excerpt in excerpts], 1, seed=seed)[0]
    found = []
    for value in values:
        takes = [
            generate(
                accompanist, np.stack(mixes), told, stem=stem, known=conditions, seeds=range(first, first + len(mixes)),
                anticipation=anticipation_frames(spec, anticipation_ms), controls={control: value},
            )
            for first in (seed, seed + _OTHER_TAKE)
        ]  # fmt: skip
        rows = []
        for n, (audio, again) in enumerate(zip(*takes, strict=True)):
            heard = analyse(audio, spec.sample_rate, networks=networks, start_s=start_s)
            seconds = audio.shape[1] / spec.sample_rate - start_s
            rows.append(
                (
                    (heard.onsets_s >= start_s).sum() / seconds,
                    centroid_hz(audio, spec.sample_rate, start_s=start_s),
                    *_agreement(heard, truths[n], stem, start_s),
                    *_agreement(heard, truths[others[n]], stem, start_s),
                    silence_share(heard.level_db, start_s=start_s),
                    _coherence(mix_embeddings[n], heard),
                    onset_scores(
                        heard.onsets_s, onsets_s(narrowed(again, spec.sample_rate)), start_s=start_s
                    )[2],
                )
            )
            on_done()
        table = np.array(rows)
        known = np.isfinite(table)
        means = np.where(known, table, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
        measures = {name: float(mean) for name, mean in zip(MEASURES, means, strict=True)}
        found.append(Effect(control=control, value=value, stem=stem, excerpts=len(mixes), **measures))
    return found


def draw(found: Sequence[Effect], target: Path) -> None:
    """A panel a measure, a line a stem."""
    prepare_drawing()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(MEASURES), 3.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        for stem in dict.fromkeys(effect.stem for effect in found):
            mine = [effect for effect in found if effect.stem == stem]
            axis.plot([e.value for e in mine], [getattr(e, name) for e in mine], marker="o", label=stem)
        axis.set(title=name, xlabel=found[0].control)
    figure.axes[0].legend()
    figure.savefig(target, dpi=110)
