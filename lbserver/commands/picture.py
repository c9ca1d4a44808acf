# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture of a bounce: what was heard, what was played, beats, chords, and when each frame was decided."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lbserver.audio.channels import to_channels
from lbserver.audio.reading import AudioReader
from lbserver.engine import backends
from lbserver.engine.bounce import MIX, BounceReport
from lbserver.errors import LiveBandError
from lbserver.files.paths import beside
from lbserver.music.conditions import BeatMap, HostKnowledge, SteadyBeat

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

_INK, _PAPER, _MUTED = "#e8e6e3", "#14161b", "#8b8f99"
_COLOURS = ("#7cc7ff", "#ff9f6b", "#b7e07a", "#e3a6ff", "#ffd866", "#7fe0c8")
_LOWEST_HZ, _HIGHEST_HZ, _BANDS = 40.0, 16000.0, 128
_MOST_S = 60.0  # a longer recording shows its first minute


def draw(report: BounceReport, known: HostKnowledge, path: Path) -> None:
    """Write a PNG of the bounce. Raises LiveBandError when the file cannot be written."""
    # pyplot keeps figures in a global; the plain Figure renders with Agg and is forgotten.
    backends.prepare_drawing()
    from matplotlib.figure import Figure

    stems = [file for file in report.files if file.name != MIX]
    shown_s = min(report.duration_s, _MOST_S)
    rows: list[tuple[str, Path, str]] = [("input", report.source, _INK)]
    rows += [(file.name, file.path, _COLOURS[i % len(_COLOURS)]) for i, file in enumerate(stems)]
    figure = Figure(figsize=(15, 3.6 + 1.75 * len(rows)), dpi=110, facecolor=_PAPER)
    heights = [0.35] + [0.45, 1.0] * len(rows) + [0.28, 1.25]
    grid = figure.add_gridspec(
        len(heights), 1, height_ratios=heights, hspace=0.08, left=0.075, right=0.985, top=0.945, bottom=0.035
    )
    _title(figure, report)
    chords = figure.add_subplot(grid[0])
    _draw_chords(chords, known, shown_s)
    _draw_beats(chords, known, shown_s, alpha=0.0)
    for index, (name, source, colour) in enumerate(rows):
        audio, rate_hz = _read(source, shown_s)
        wave = figure.add_subplot(grid[1 + 2 * index])
        _draw_wave(wave, audio, rate_hz, colour)
        _draw_beats(wave, known, shown_s, alpha=0.55)
        spectrum = figure.add_subplot(grid[2 + 2 * index])
        _draw_spectrum(spectrum, audio, rate_hz)
        _draw_beats(spectrum, known, shown_s, alpha=0.22)
        spectrum.set_ylabel(name, color=colour, fontsize=13, fontweight="bold", labelpad=8)
        if index == len(rows) - 1:
            spectrum.tick_params(axis="x", labelbottom=True, colors=_MUTED, labelsize=9)
            spectrum.set_xlabel("seconds; thin lines: beats, strong lines: bars", color=_MUTED, fontsize=9)
    _draw_timeline(figure.add_subplot(grid[len(heights) - 1]), report)
    try:
        path = path.resolve()  # a symbolic link stays one, as for the audio beside it
        part = beside(path, ".part")
    except (OSError, RuntimeError) as error:
        raise LiveBandError(f"cannot write {path}: {error}") from error
    try:
        part.unlink(missing_ok=True)
        figure.savefig(part, format="png", facecolor=_PAPER)
        part.replace(path)
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def log_spectrogram(
    audio: NDArray[np.float32], rate_hz: int, *, columns: int = 1400
) -> tuple[NDArray[np.float64], float]:
    """Level in dB re full scale [bands, columns] of mono audio [T], bands 40 Hz to 16 kHz by ear; and its length in s."""
    from scipy.signal import ShortTimeFFT, get_window

    window = max(256, int(0.046 * rate_hz))
    hop = max(window // 4, len(audio) // columns, 1)
    transform = ShortTimeFFT(
        get_window("hann", window), hop, fs=rate_hz, mfft=4 * window, scale_to="magnitude"
    )
    if len(audio) < window:
        audio = np.pad(audio, (0, window - len(audio)))
    power = np.square(np.abs(transform.stft(audio.astype(np.float64), p0=0, p1=max(1, len(audio) // hop))))
    edges_hz = np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, rate_hz / 2), _BANDS + 1)
    edges = np.clip(np.round(edges_hz / transform.delta_f).astype(int), 1, len(power) - 1)
    sums = np.concatenate([np.zeros((1, power.shape[1])), np.cumsum(power, axis=0)])
    upper = np.maximum(edges[1:], edges[:-1] + 1)
    bands = (sums[upper] - sums[edges[:-1]]) / (upper - edges[:-1])[:, None]
    return 10.0 * np.log10(np.maximum(bands, 1e-12)), power.shape[1] * hop / rate_hz


def short_label(label: str) -> str:
    """A Harte label as a musician writes it: C:maj -> C, A:min7/b3 -> Am7/b3, F:maj7 -> Fmaj7."""
    chord, slash, bass = label.partition("/")
    root, _, quality = chord.partition(":")
    quality = "" if quality == "maj" else quality.replace("min", "m", 1).replace("hdim7", "m7b5")
    return f"{root}{quality}{slash}{bass}"


def _read(path: Path, shown_s: float) -> tuple[NDArray[np.float32], int]:
    with AudioReader(path) as reader:
        blocks, samples = [], 0
        for block in reader.blocks():
            blocks.append(to_channels(block, 1)[0])
            samples += block.shape[-1]
            if samples >= shown_s * reader.rate_hz:
                break
        return np.concatenate(blocks)[: int(np.ceil(shown_s * reader.rate_hz))], reader.rate_hz


def _bare(axes: "Axes", shown_s: float | None = None) -> None:
    axes.set_facecolor(_PAPER)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(bottom=False, left=False, labelbottom=False, labelleft=False)
    if shown_s is not None:
        axes.set_xlim(0, shown_s)


def _title(figure: "Figure", report: BounceReport) -> None:
    figure.text(0.075, 0.972, "LiveBand", color=_INK, fontsize=20, fontweight="bold", va="center")
    figure.text(
        0.985,
        0.972,
        f"{report.source.name}  ·  model {report.model}  ·  seed {report.seed}  ·  "
        f"{len(report.stems)} stems at {report.rtf:.1f} x real time",
        color=_MUTED,
        fontsize=11,
        va="center",
        ha="right",
    )


def _draw_chords(axes: "Axes", known: HostKnowledge, shown_s: float) -> None:
    from matplotlib import colormaps

    _bare(axes, shown_s)
    axes.set_ylim(0, 1)
    axes.set_ylabel("chords", color=_MUTED, fontsize=10, rotation=0, ha="right", va="center", labelpad=8)
    for span in known.spans:
        start_s, end_s = span.start_s, min(span.end_s, shown_s)
        if start_s >= shown_s:
            break
        root = span.chord.bass
        # Neighbours on the circle of fifths get neighbouring colours.
        colour = _MUTED if root is None else colormaps["hsv"]((root * 7 % 12) / 12.0)
        axes.axvspan(
            start_s, end_s, 0.06, 0.94, facecolor=colour, alpha=0.34, edgecolor=_PAPER, linewidth=1.5
        )
        if end_s - start_s > 0.018 * shown_s:
            axes.text(
                (start_s + end_s) / 2,
                0.48,
                short_label(span.chord.label),
                color=_INK,
                ha="center",
                va="center",
                fontsize=9.5,
                clip_on=True,
            )
    if not known.spans:
        axes.text(0.0, 0.5, "not told", color=_MUTED, va="center", fontsize=10)


def _beats(known: HostKnowledge, shown_s: float) -> tuple[list[float], list[float]]:
    """(all beats, first beats of bars) in seconds."""
    if isinstance(known.beat, BeatMap):
        pairs = list(zip(known.beat.beats_s, known.beat.beat_in_bar, strict=True))
        return [time for time, _ in pairs], [time for time, number in pairs if number == 1]
    if isinstance(known.beat, SteadyBeat) and known.beat.first_beat_s is not None:
        period_s = 60.0 / known.beat.bpm
        before = int(known.beat.first_beat_s / period_s)
        numbers = range(-before, int((shown_s - known.beat.first_beat_s) / period_s) + 1)
        times = {n: known.beat.first_beat_s + n * period_s for n in numbers}
        return list(times.values()), [time for n, time in times.items() if n % known.beat.beats_per_bar == 0]
    return [], []


def _draw_beats(axes: "Axes", known: HostKnowledge, shown_s: float, *, alpha: float) -> None:
    beats, bars = _beats(known, shown_s)
    low, high = axes.get_ylim()
    axes.vlines([t for t in beats if t <= shown_s], low, high, color=_INK, alpha=alpha * 0.45, linewidth=0.5)
    axes.vlines([t for t in bars if t <= shown_s], low, high, color=_INK, alpha=alpha, linewidth=1.1)
    axes.set_xlim(0, shown_s)
    axes.set_ylim(low, high)


def _draw_wave(axes: "Axes", audio: NDArray[np.float32], rate_hz: int, colour: str) -> None:
    _bare(axes)
    points = min(1600, len(audio))
    edges = np.linspace(0, len(audio), points + 1).astype(int)[:-1]
    high, low = np.maximum.reduceat(audio, edges), np.minimum.reduceat(audio, edges)
    # Every row fills its height: the picture shows when and what, the report says how loud.
    reach = max(float(np.abs(audio).max()), 1e-4)
    axes.fill_between(edges / rate_hz, low / reach, high / reach, color=colour, linewidth=0, alpha=0.95)
    axes.set_ylim(-1.08, 1.08)


def _colours_of_level() -> "Colormap":
    """Magma that begins with the paper, so that silence is no black box."""
    from matplotlib import colormaps
    from matplotlib.colors import LinearSegmentedColormap

    magma = colormaps["magma"]
    return LinearSegmentedColormap.from_list("level", [_PAPER, *(magma(x) for x in np.linspace(0.2, 1.0, 8))])


def _draw_spectrum(axes: "Axes", audio: NDArray[np.float32], rate_hz: int) -> None:
    _bare(axes)
    level_db, length_s = log_spectrogram(audio, rate_hz)
    top_hz = min(_HIGHEST_HZ, rate_hz / 2)
    loudest_db = max(float(level_db.max()), -80.0)
    axes.imshow(
        level_db,
        origin="lower",
        aspect="auto",
        cmap=_colours_of_level(),
        vmin=loudest_db - 65.0,
        vmax=loudest_db,
        extent=(0.0, length_s, 0.0, 1.0),
        interpolation="bilinear",
    )
    marks = [f for f in (100.0, 1000.0, 10000.0) if f < top_hz]
    axes.set_yticks(
        [float(np.log(f / _LOWEST_HZ) / np.log(top_hz / _LOWEST_HZ)) for f in marks],
        [f"{f:.0f}" if f < 1000 else f"{f / 1000:.0f}k" for f in marks],
    )
    axes.tick_params(axis="y", labelleft=True, colors=_MUTED, labelsize=8)


def _draw_timeline(axes: "Axes", report: BounceReport) -> None:
    """Frames before and after "now": the newest whole mix frame, the frame decided from it, A*H, L and the gap."""
    _bare(axes)
    frame_ms = report.frame_ms
    ahead = report.timing.anticipation_frames
    latency_ms = 1000.0 * report.timing.latency_samples / report.rate_hz
    past, future = 6, max(6, ahead + 3)
    axes.set_xlim(-past - 0.2, future + 0.2)
    axes.set_ylim(-1.05, 2.75)
    for n in range(-past, future):
        heard = n < 0
        _box(axes, n, 1.1, _INK if heard else _MUTED, filled=heard, newest=n == -1)
        # What was decided by now: everything up to the frame A after the newest heard.
        _box(axes, n, 0.0, _COLOURS[1], filled=n <= ahead, newest=n == ahead)
    axes.vlines(0, -0.25, 2.2, color=_INK, linewidth=1.6)
    axes.text(0, 2.3, "now: a mix frame is complete", color=_INK, ha="center", fontsize=9.5)
    axes.text(-past - 0.3, 1.5, "heard", color=_INK, ha="right", va="center", fontsize=10)
    axes.text(-past - 0.3, 0.4, "played", color=_COLOURS[1], ha="right", va="center", fontsize=10)
    axes.annotate(
        "",
        xy=(ahead + 0.5, 0.8),
        xytext=(-0.5, 1.1),
        arrowprops={"arrowstyle": "-|>", "color": _COLOURS[4], "linewidth": 1.8},
    )
    axes.text(ahead + 0.5, 0.4, "decided\nnow", color=_PAPER, ha="center", va="center", fontsize=8.5)
    if ahead:
        axes.annotate(
            "",
            xy=(ahead, -0.3),
            xytext=(0, -0.3),
            arrowprops={
                "arrowstyle": "<->",
                "color": _COLOURS[4],
                "linewidth": 1.4,
                "shrinkA": 0,
                "shrinkB": 0,
            },
        )
        axes.text(ahead + 0.08, -0.28, "A·H", color=_COLOURS[4], fontsize=9, va="center")
    gap_ms = report.timing.recency_gap_ms
    axes.text(
        0.04,
        -0.85,
        f"anticipation A·H = {report.anticipation_ms:g} ms ({ahead} {'frame' if ahead == 1 else 'frames'})   ·   latency L = {latency_ms:g} ms   ·   "
        f"recency gap A·H + L = {gap_ms:g} ms   ·   t_f = {float(report.timing.future_visibility_s) * 1000:g} ms   ·   "
        f"one frame = {frame_ms:g} ms",
        color=_INK,
        fontsize=10,
        ha="center",
        va="center",
    )


def _box(axes: "Axes", at: int, bottom: float, colour: str, *, filled: bool, newest: bool) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (at + 0.06, bottom + 0.02),
            0.88,
            0.78,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=colour if filled else "none",
            edgecolor=colour,
            alpha=1.0 if newest else 0.42 if filled else 0.3,
            linewidth=1.0,
        )
    )
