# SPDX-License-Identifier: GPL-3.0-or-later
"""A window model on the same excerpts at every look-ahead, step ratio and quality, between floor, codec and truth.

The table of Karchkhadze and Dubnov 2026: retrospective (w = -1) hears what it plays over, immediate (w = 0) what comes before,
look-ahead (w = 1) what comes a step before that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.bootstrap import derangements
from lbmodels.evaluate.excerpts import Excerpt, read_excerpt
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.generation import generate
from lbmodels.evaluate.hearing import ANALYSIS_WEIGHT, hear_truths
from lbmodels.evaluate.metrics import Audio
from lbmodels.evaluate.reconstruction import reconstruct
from lbmodels.evaluate.run import Settings, choose, score_all, set_scores
from lbmodels.evaluate.scores import METRICS
from lbmodels.families import loading
from lbmodels.families.lookahead.accompanist import LookaheadAccompanist
from lbmodels.families.lookahead.quality import tier_of
from lbmodels.families.lookahead.window import LOOK_AHEADS, Window
from lbmodels.isolation import prepare_drawing
from lbmodels.runtime.eager import TorchAccompanist

Tables = np.ndarray[Any, np.dtype[np.float64]]
SHOWN = ("beat_f1", "chord", "onset_f1", "coherence", "silence_error")
WORDS = {-1: "retrospective", 0: "immediate", 1: "look-ahead"}
Advance = Callable[[str, int], None]


@dataclass(frozen=True, kw_only=True)
class WindowRow:
    """Means over excerpts of one stem. `who` is floor, truth, codec or a tier of quality; w, r and what the host tells are a tier's.

    `frechet`: NaN where the evaluation has no such ear. `calls`: passes of the network in a step.
    """

    stem: str
    who: str
    excerpts: int
    scores: dict[str, float]
    frechet: float = float("nan")
    look_ahead: int | None = None
    ratio: float | None = None
    conditions: str = ""
    calls: int = 0


def open_windows(model: str | None) -> LookaheadAccompanist:
    """Raises LiveBandModelError: no such model, or one that has no windows of our own."""
    found = loading.load(model)
    if not isinstance(found, LookaheadAccompanist):
        raise LiveBandModelError(
            f"{found.spec.name} is no look-ahead model: --windows takes one that `liveband train lookahead` made"
        )
    return found


def measure_windows(
    model: LookaheadAccompanist,
    settings: Settings,
    *,
    ratios: Sequence[float],
    tiers: Sequence[str],
    advance: Advance = lambda _what, _steps: None,
) -> list[WindowRow]:
    """Every row of the table.

    Raises:
        LiveBandModelError: a step ratio, tier or stem that there is not.
    """
    windows = [Window(ratio=ratio, look_ahead=ahead) for ratio in ratios for ahead in LOOK_AHEADS]
    for tier in tiers:
        tier_of(tier)
    rows: list[WindowRow] = []
    for stem, excerpts in choose(settings, TorchAccompanist(model)).items():
        rows += _rows(model, settings, stem, excerpts, windows, tiers, advance)
    return rows


def _rows(
    model: LookaheadAccompanist,
    settings: Settings,
    stem: str,
    excerpts: list[Excerpt],
    windows: Sequence[Window],
    tiers: Sequence[str],
    advance: Advance,
) -> list[WindowRow]:
    """Those of one stem."""
    spec, start_s = model.spec, settings.start_s
    mixes, stems, told = _read(excerpts, spec.hop, spec.sample_rate)
    truths, true = hear_truths(spec, excerpts, settings.listening, pool=None, on_progress=advance)

    def listen(played: Audio) -> list[Features]:
        return [
            analyse(audio, spec.sample_rate, networks=settings.networks, cache=None, start_s=start_s)
            for audio in played
        ]

    def row(who: str, heard: list[Features], **more: Any) -> WindowRow:
        sets = set_scores([h.embeddings for h in heard], [t.embeddings for t in true])
        return WindowRow(
            stem=stem,
            who=who,
            excerpts=len(true),
            scores=dict(zip(METRICS, _mean(score_all(heard, truths, true, stem, start_s)), strict=True)),
            frechet=next((one.score for one in sets.values()), float("nan")),
            **more,
        )

    wrong = derangements([excerpt.track for excerpt in excerpts], 1, seed=settings.seed)[0]
    codec = listen(_through(model, stems))
    rows = [row("floor", [true[i] for i in wrong]), row("truth", true), row("codec", codec)]
    for window in windows:
        for tier in tiers:
            player = model.at(window, tier)
            for known in settings.conditions:
                advance(f"{stem}: w {window.look_ahead}, r {window.ratio:g}, {tier}", 0)
                played = generate(
                    TorchAccompanist(player),
                    mixes,
                    told,
                    stem=stem,
                    anticipation=window.look_ahead * player.new,
                    known=known,
                    seeds=[settings.seed * 100_000 + i for i in range(len(excerpts))],
                )
                at = {"look_ahead": window.look_ahead, "ratio": window.ratio, "calls": tier_of(tier).calls}
                rows.append(row(tier, listen(played), conditions=known, **at))
                advance(f"{stem}: listening", len(excerpts) * ANALYSIS_WEIGHT)
    return rows


def _mean(scores: Tables) -> list[float]:
    """Of each metric over the excerpts that it judges; NaN where it judges none."""
    judged = ~np.isnan(scores)
    total = np.where(judged, scores, 0.0).sum(axis=0)
    return [float(t / n) if n else float("nan") for t, n in zip(total, judged.sum(axis=0), strict=True)]


def _read(
    excerpts: Sequence[Excerpt], hop: int, sample_rate: int
) -> tuple[Audio, Audio, list[dict[str, Any]]]:
    """Mixes and true stems [B, 2, T], and what a host would tell of each."""
    mixes, stems, told = [], [], []
    for excerpt in excerpts:
        track = read_track(excerpt.track_dir)
        mix, stem = read_excerpt(excerpt, track)
        mixes.append(mix)
        stems.append(stem)
        frames = mix.shape[1] // hop
        told.append(frame_conditions(track, excerpt.first_frame, frames, hop=hop, sample_rate=sample_rate))
    return np.stack(mixes), np.stack(stems), told


@torch.inference_mode()
def _through(model: LookaheadAccompanist, stems: Audio) -> Audio:
    """True stems as the autoencoder gives them back."""
    whole = stems.shape[-1] // model.codec.config.hop * model.codec.config.hop
    _, decoded = reconstruct(model.codec, torch.from_numpy(stems[..., :whole]))
    return np.asarray(decoded.numpy(), np.float32)


def windows_table(rows: Sequence[WindowRow]) -> Table:
    """One line a row."""
    table = Table(title="look-ahead windows; means over excerpts")
    for name in ("stem", "window", "w", "r", "quality", "calls", "host tells", *SHOWN, "Frechet", "n"):
        table.add_column(name.replace("_", " "))
    for row in rows:
        at = (
            ("", "", "")
            if row.look_ahead is None
            else (WORDS[row.look_ahead], f"{row.look_ahead}", f"{row.ratio:g}")
        )
        figures = [row.scores[name] for name in SHOWN] + [row.frechet]
        shown = ["" if np.isnan(x) else f"{x:.2f}" for x in figures]
        table.add_row(row.stem, *at, row.who, str(row.calls or ""), row.conditions, *shown, str(row.excerpts))
    return table


def draw_windows(rows: Sequence[WindowRow], target: Path) -> None:
    """Beat F1 over look-ahead, a panel a stem, a line for each quality, ratio and what the host tells; floor and truth dashed."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    stems = list(dict.fromkeys(row.stem for row in rows))
    figure, panels = plt.subplots(1, len(stems), figsize=(4 * len(stems), 3.5), sharey=True, squeeze=False)
    for panel, stem in zip(panels[0], stems, strict=True):
        mine = [row for row in rows if row.stem == stem]
        lines: dict[tuple[str, float | None, str], list[tuple[int, float]]] = {}
        for row in mine:
            if row.look_ahead is None:
                panel.axhline(row.scores["beat_f1"], linestyle="--", linewidth=0.8, color="grey")
                panel.text(1.02, row.scores["beat_f1"], row.who, fontsize=7, color="grey")
            else:
                key = (row.who, row.ratio, row.conditions)
                lines.setdefault(key, []).append((row.look_ahead, row.scores["beat_f1"]))
        for (who, ratio, known), points in lines.items():
            panel.plot(*zip(*sorted(points), strict=True), marker="o", label=f"{who}, r {ratio:g}, {known}")
        panel.set_title(stem)
        panel.set_xlabel("look-ahead w")
        panel.set_xticks(list(LOOK_AHEADS))
    panels[0][0].set_ylabel("beat F1")
    panels[0][0].legend(fontsize=6)
    figure.tight_layout()
    figure.savefig(target, dpi=110)
    plt.close(figure)
