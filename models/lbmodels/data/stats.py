# SPDX-License-Identifier: GPL-3.0-or-later
"""What a data set holds: counts as a value, and as one picture."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.contract.stems import STEMS_AND_REST
from lbmodels.data.errors import DataError
from lbmodels.data.harmony import NOTE_NAMES
from lbmodels.data.slakh import SPLITS, Track, find_tracks, read_track
from lbmodels.isolation import prepare_drawing


@dataclass(frozen=True, kw_only=True)
class SplitStats:
    """Counts over one split. Times in hours; `class_tracks` = tracks that have the class, `class_stems` = its stems."""

    split: str
    tracks: int
    hours: float
    stem_hours: float
    class_tracks: dict[str, int]
    class_stems: dict[str, int]
    tempo_bpm: list[float]
    keys: dict[int, int]
    chord_hours: dict[str, float]
    metres: dict[str, int]
    styles: dict[str, int]
    sound_fonts: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values, tempo as its spread."""
        values = asdict(self)
        tempo = np.array(self.tempo_bpm)
        values["tempo_bpm"] = (
            {"min": float(tempo.min()), "median": float(np.median(tempo)), "max": float(tempo.max())}
            if tempo.size
            else {}
        )
        values["keys"] = {str(k): n for k, n in sorted(self.keys.items())}
        return values


def chord_family(label: str) -> str:
    """Coarse type of a Harte label: maj, min, 7, maj7, min7, dim, aug, sus, other, N."""
    if label in ("N", "X"):
        return "N"
    quality = re.sub(r"/.*$", "", label).partition(":")[2] or "maj"
    families = (
        (r"^(maj7|maj9|maj11|maj13|maj6)", "maj7"), (r"^maj", "maj"), (r"^(min7|min9|min11|min13|min6|minmaj7)", "min7"),
        (r"^min", "min"), (r"^(7|9|11|13)", "7"), (r"^(dim|hdim)", "dim"), (r"^aug", "aug"), (r"^sus", "sus"),
    )  # fmt: skip
    return next((name for pattern, name in families if re.match(pattern, quality)), "other")


def _median_tempo(track: Track) -> float | None:
    if len(track.beats_s) < 2:
        return None
    return float(60.0 / np.median(np.diff(track.beats_s)))


def split_stats(root: Path, split: str) -> SplitStats:
    """Counts over a split's tracks, read from their metadata and truth (no audio is decoded).

    Raises:
        DataError: the split is missing, or a track is damaged.
    """
    tracks = [read_track(p) for p in find_tracks(root, split)]
    class_tracks: Counter[str] = Counter()
    class_stems: Counter[str] = Counter()
    chords: dict[str, float] = {}
    for track in tracks:
        present = [s.stem_class for s in track.stems]
        class_stems.update(present)
        class_tracks.update(set(present))
        for span in track.chords:
            family = chord_family(span.label)
            chords[family] = chords.get(family, 0.0) + (span.end_s - span.start_s) / 3600.0
    tempi = [t for t in map(_median_tempo, tracks) if t is not None]
    return SplitStats(
        split=split, tracks=len(tracks), hours=sum(t.duration_s for t in tracks) / 3600.0,
        stem_hours=sum(t.duration_s * len(t.stems) for t in tracks) / 3600.0,
        class_tracks={c: class_tracks[c] for c in STEMS_AND_REST}, class_stems={c: class_stems[c] for c in STEMS_AND_REST},
        tempo_bpm=tempi, keys=dict(Counter(t.key for t in tracks if t.key is not None)),
        chord_hours={name: round(float(hours), 4) for name, hours in sorted(chords.items(), key=lambda item: -item[1])},
        metres=dict(Counter(str(t.info.get("time_signature", "unknown")) for t in tracks).most_common()),
        styles=dict(Counter(str(t.info.get("style", "unknown")) for t in tracks).most_common()),
        sound_fonts=dict(
            Counter(str(f) for t in tracks for f in t.info.get("sound_fonts", {}).values()).most_common()
        ),
    )  # fmt: skip


def data_stats(root: Path) -> list[SplitStats]:
    """Counts of every split that the folder has.

    Raises:
        DataError: it has none.
    """
    present = [s for s in SPLITS if any((Path(root) / s).glob("Track*/metadata.yaml"))]
    if not present:
        raise DataError(f"no data set in {root}; expected {'/'.join(SPLITS)} with TrackNNNNN folders")
    return [split_stats(root, split) for split in present]


def draw_stats(stats: list[SplitStats], path: Path) -> None:
    """Draws hours, class balance, tempo, key, chord types and styles as one PNG."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(15, 8), layout="constrained")
    colours = ("#2b6cb0", "#dd8b2f", "#3b8f5a")
    width = 0.8 / len(stats)

    def bars(axis: Any, names: list[str], values: list[list[float]], title: str, unit: str) -> None:
        for i, (row, stat) in enumerate(zip(values, stats, strict=True)):
            axis.bar(np.arange(len(names)) + i * width, row, width, label=stat.split, color=colours[i])
        axis.set_xticks(
            np.arange(len(names)) + 0.4 - width / 2,
            names,
            rotation=60 if len(names) > 8 else 0,
            fontsize=8,
            ha="right" if len(names) > 8 else "center",
        )
        axis.set_title(title)
        axis.set_ylabel(unit)

    share = [[100 * s.class_tracks[c] / s.tracks for c in STEMS_AND_REST] for s in stats]
    bars(axes[0, 0], list(STEMS_AND_REST), share, "classes", "% of tracks that have it")
    axes[0, 0].legend(fontsize=8)
    for i, stat in enumerate(stats):
        if stat.tempo_bpm:
            axes[0, 1].hist(stat.tempo_bpm, bins=np.arange(40, 230, 10).tolist(), histtype="step", color=colours[i],
                            density=True, label=stat.split, linewidth=1.6)  # fmt: skip
    axes[0, 1].set_title("tempo")
    axes[0, 1].set_xlabel("BPM")
    axes[0, 1].set_ylabel("density")
    key_names = list(NOTE_NAMES) + [f"{n}m" for n in NOTE_NAMES]
    bars(
        axes[0, 2],
        key_names,
        [[s.keys.get(k, 0) / s.tracks * 100 for k in range(24)] for s in stats],
        "key",
        "% of tracks",
    )
    families = list(dict.fromkeys(name for s in stats for name in s.chord_hours))
    totals = [max(sum(s.chord_hours.values()), 1e-9) for s in stats]
    rows = [
        [100 * s.chord_hours.get(f, 0.0) / t for f in families] for s, t in zip(stats, totals, strict=True)
    ]
    bars(axes[1, 0], families, rows, "chord types", "% of time")
    styles = list(dict.fromkeys(name for s in stats for name in s.styles))
    bars(
        axes[1, 1],
        styles,
        [[100 * s.styles.get(n, 0) / s.tracks for n in styles] for s in stats],
        "styles",
        "% of tracks",
    )
    bars(axes[1, 2], ["mix", "stems"], [[s.hours, s.stem_hours] for s in stats], "amount", "hours")
    total = ", ".join(f"{s.split} {s.tracks} tracks {s.hours:.2f} h" for s in stats)
    figure.suptitle(total)
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as exc:
        raise DataError(f"cannot write {path}: {exc}") from exc
    finally:
        plt.close(figure)
