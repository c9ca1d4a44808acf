# SPDX-License-Identifier: GPL-3.0-or-later
"""Spectrograms that can be read: a log-frequency axis, beats and chords over them, small files."""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbmodels.evaluate.metrics import Audio, Floats, mono
from lbmodels.folders import write_whole
from lbmodels.isolation import prepare_drawing

BANDS = 128
LOW_HZ, HIGH_HZ = 40.0, 14000.0
WINDOW_SAMPLES = 4096
RANGE_DB = 72.0
MOST_PNG_BYTES = 150_000
TICKS_HZ = (50, 100, 200, 500, 1000, 2000, 5000, 10000)


@dataclass(frozen=True, kw_only=True)
class Marks:
    """What is drawn over the panels, in seconds from their left edge: beats, first beats of bars, (start, chord name)."""

    beats_s: Floats
    downbeats_s: Floats
    chords: tuple[tuple[float, str], ...] = ()


def spectrogram_db(audio: Audio, sample_rate: int, *, columns: int) -> Floats:
    """Level [BANDS, columns] in dB of [C, T] at `BANDS` frequencies, evenly spaced in octaves.

    Where a band is wider than a bin its loudest bin counts, where it is narrower the bins are interpolated.
    """
    x = mono(audio)
    half = WINDOW_SAMPLES // 2
    padded = np.pad(x, (half, half))
    starts = np.round(np.linspace(0, max(len(x) - 1, 0), columns)).astype(int)
    shape = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
    frames = np.stack([padded[s : s + WINDOW_SAMPLES] for s in starts]) * shape
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, axis=1)) * 2 / shape.sum() + 1e-7)
    edges = np.geomspace(LOW_HZ, HIGH_HZ, BANDS + 1) * WINDOW_SAMPLES / sample_rate
    result = np.empty((BANDS, columns))
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        first, last = int(np.ceil(low)), min(int(np.floor(high)), level.shape[1] - 1)
        if last > first:
            result[band] = level[:, first : last + 1].max(axis=1)
        else:
            centre = min((low + high) / 2, level.shape[1] - 1.001)
            share = centre - int(centre)
            result[band] = (1 - share) * level[:, int(centre)] + share * level[:, int(centre) + 1]
    return result


def draw_panels(
    panels: Sequence[tuple[str, Audio]],
    sample_rate: int,
    target: Path,
    *,
    title: str,
    marks: Marks,
    start_s: float = 0.0,
    columns: int = 420,
) -> None:
    """One spectrogram per (name, audio [C, T]) under one another, all on one scale of level, as a PNG under 150 kB.

    `start_s` is the time printed at the left edge. A panel without a sound says so.
    """
    prepare_drawing()
    import matplotlib.pyplot as plt

    seconds = panels[0][1].shape[1] / sample_rate
    levels = [spectrogram_db(audio, sample_rate, columns=columns) for _name, audio in panels]
    loudest = max(float(np.percentile(level, 99.8)) for level in levels)
    top = max(loudest, -60.0)
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(11.4, 1.0 + 1.75 * len(panels)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, (name, audio), level in zip(axes[:, 0], panels, levels, strict=True):
        axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            cmap="magma",
            vmin=top - RANGE_DB,
            vmax=top,
            extent=(0, seconds, 0, BANDS),
            interpolation="nearest",
        )
        _mark(axis, marks, seconds)
        spots = [BANDS * np.log(f / LOW_HZ) / np.log(HIGH_HZ / LOW_HZ) for f in TICKS_HZ]
        axis.set_yticks(spots, [f"{f // 1000}k" if f >= 1000 else str(f) for f in TICKS_HZ], fontsize=7)
        axis.set_ylim(0, BANDS)
        axis.set_xlim(0, seconds)
        axis.set_ylabel("Hz", fontsize=8)
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold", pad=14 if axis is axes[0, 0] else 4)
        if float(np.abs(audio).max(initial=0.0)) < 1e-4:
            axis.text(seconds / 2, BANDS / 2, "silent", color="white", ha="center", va="center", fontsize=14)
    _name_chords(axes[0, 0], marks, seconds)
    every = 1 if seconds <= 20 else 5
    whole = np.arange(np.ceil(start_s / every) * every, start_s + seconds + 1e-6, every)
    axes[-1, 0].set_xticks(whole - start_s, [f"{s:g}" for s in whole], fontsize=8)
    axes[-1, 0].set_xlabel("seconds into the song", fontsize=9)
    figure.suptitle(title, fontsize=12)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=84, format="png")
    plt.close(figure)
    _save_small(buffer.getvalue(), target)


def _mark(axis, marks: Marks, seconds: float) -> None:  # type: ignore[no-untyped-def]
    firsts = marks.downbeats_s
    for beat in marks.beats_s:
        if 0 <= beat <= seconds and not np.any(np.abs(firsts - beat) < 0.02):
            axis.axvline(beat, color="white", linewidth=0.9, alpha=0.75, linestyle=(0, (1, 3)))
    for beat in firsts:
        if 0 <= beat <= seconds:
            axis.axvline(beat, color="white", linewidth=1.2, alpha=0.95)


def _name_chords(axis, marks: Marks, seconds: float) -> None:  # type: ignore[no-untyped-def]
    """Names above the panel, each where its chord begins; one that would touch the last is left out."""
    free_from = -1.0
    for start, name in marks.chords:
        at = max(start, 0.0)
        if at < seconds - 0.1 and at >= free_from:
            axis.text(at, BANDS + 3, name, fontsize=8, color="black", ha="left", va="bottom", clip_on=False)
            free_from = at + (0.4 + len(name)) * seconds / 120


def _save_small(png: bytes, target: Path) -> None:
    """With as many colours as fit into `MOST_PNG_BYTES`: noise in the picture costs bytes, not what one sees."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (96, 64, 40, 24, 14, 8):
        buffer = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(buffer, format="png", optimize=True)
        if buffer.tell() < MOST_PNG_BYTES:
            break
    write_whole(target, buffer.getvalue())
