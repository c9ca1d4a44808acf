# SPDX-License-Identifier: GPL-3.0-or-later
"""What a control does: the same excerpts, the same seeds, one value after another, and what changes in the sound.

python -m lbmodels.evaluate.controls --model runs/band --data dataset --control density=0,0.25,0.75,1 --out curves
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.bootstrap import derangements
from lbmodels.evaluate.excerpts import Excerpt, choose_excerpts, read_excerpt, read_truth
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.generation import Accompanist, anticipation_frames, generate
from lbmodels.evaluate.metrics import Audio, beat_f1, chord_agreement, mono, silence_share, sounding
from lbmodels.evaluate.scores import UNPITCHED

if TYPE_CHECKING:
    from lbmodels.evaluate.excerpts import Truth

MEASURES = ("onsets_per_s", "centroid_hz", "chord", "beat_f1", "floor_chord", "floor_beat_f1", "silence")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Means over excerpts of one stem at one value of a control; NaN where a measure does not apply.

    The floors are the same stems scored against other songs.
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


def effects(
    accompanist: Accompanist,
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
    others = derangements([excerpt.track for excerpt in excerpts], 1, seed=seed)[0]
    found = []
    for value in values:
        stems = generate(
            accompanist, np.stack(mixes), told, stem=stem, known=conditions, seeds=range(seed, seed + len(mixes)),
            anticipation=anticipation_frames(spec, anticipation_ms), controls={control: value},
        )  # fmt: skip
        rows = []
        for n, audio in enumerate(stems):
            heard = analyse(audio, spec.sample_rate, networks=networks, start_s=start_s)
            seconds = audio.shape[1] / spec.sample_rate - start_s
            rows.append(
                (
                    (heard.onsets_s >= start_s).sum() / seconds,
                    centroid_hz(audio, spec.sample_rate, start_s=start_s),
                    *_agreement(heard, truths[n], stem, start_s),
                    *_agreement(heard, truths[others[n]], stem, start_s),
                    silence_share(heard.level_db, start_s=start_s),
                )
            )
            on_done()
        table = np.array(rows)
        known = np.isfinite(table)
        means = np.where(known, table, 0).sum(0) / np.where(known.any(0), known.sum(0), np.nan)
        measures = {name: float(mean) for name, mean in zip(MEASURES, means, strict=True)}
        found.append(Effect(control=control, value=value, stem=stem, excerpts=len(stems), **measures))
    return found


def draw(found: Sequence[Effect], target: Path) -> None:
    """A panel a measure, a line a stem."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(MEASURES), 3.2), layout="constrained")
    for axis, name in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        for stem in dict.fromkeys(effect.stem for effect in found):
            mine = [effect for effect in found if effect.stem == stem]
            axis.plot([e.value for e in mine], [getattr(e, name) for e in mine], marker="o", label=stem)
        axis.set(title=name, xlabel=found[0].control)
    figure.axes[0].legend()
    figure.savefig(target, dpi=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    from lbmodels.evaluate.players import open_player

    parser = argparse.ArgumentParser(prog="python -m lbmodels.evaluate.controls", description=__doc__)
    parser.add_argument("--model")
    parser.add_argument("--runtime", default="auto")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", default="validation")
    parser.add_argument("--stem", action="append", default=[])
    parser.add_argument("--control", required=True, metavar="NAME=X,X,...")
    parser.add_argument("--conditions", default="none", help="what the host tells")
    parser.add_argument("--excerpts", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--anticipation-ms", type=float, default=40.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    name, _, listed = asked.control.partition("=")
    try:
        values = [float(value) for value in listed.split(",")]
    except ValueError:
        parser.error(f"--control is NAME=X,X,..., not {asked.control!r}")
    try:
        player: Any = open_player(asked.model, asked.runtime)
        spec, found = player.spec, []
        for stem in asked.stem or spec.stems:
            excerpts = choose_excerpts(
                asked.data, asked.split, stem, asked.excerpts, seconds=asked.seconds, seed=asked.seed,
                hop=spec.hop, sample_rate=spec.sample_rate,
            )  # fmt: skip
            found += effects(
                player, excerpts, name, values, conditions=asked.conditions,
                anticipation_ms=asked.anticipation_ms, seed=asked.seed,
            )  # fmt: skip
            for effect in found[-len(values) :]:
                figures = "  ".join(f"{key} {getattr(effect, key):.3f}" for key in MEASURES)
                print(f"{stem:8} {name} {effect.value:<5g} {figures}", flush=True)
    except LiveBandModelError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{name}.json").write_text(json.dumps([asdict(effect) for effect in found], indent=1))
    draw(found, asked.out / f"{name}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
