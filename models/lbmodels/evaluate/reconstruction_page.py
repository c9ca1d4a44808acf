# SPDX-License-Identifier: GPL-3.0-or-later
"""What an autoencoder gives back, to look at and listen to: spectrograms and sound files beside the truth, curves, a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from lbmodels.evaluate.ceiling import Ceiling
from lbmodels.evaluate.gallery import write_ogg
from lbmodels.evaluate.pictures import Marks, draw_panels
from lbmodels.evaluate.reconstruction import Shown
from lbmodels.evaluate.reconstruction_table import ceiling_table, is_plain
from lbmodels.folders import whole_file
from lbmodels.isolation import prepare_drawing

SHOWN_S = 6.0
MOST_OGG_BYTES = 60_000


def write_shown(shown: Sequence[Shown], sample_rate: int, out: Path) -> tuple[list[str], list[Path]]:
    """A spectrogram and the sound files of the first seconds of each excerpt; the page's lines and the files written."""
    lines, written = ["## Look and listen", ""], []
    for number, one in enumerate(shown, 1):
        audio = {name: a[:, : round(SHOWN_S * sample_rate)].numpy() for name, a in one.audio.items()}
        stem = f"{number:02d}-{one.stem}"
        marks = Marks(beats_s=np.zeros(0), downbeats_s=np.zeros(0))
        title = f"{one.stem}, {one.sound.name}"
        draw_panels(
            list(audio.items()),
            sample_rate,
            out / f"{stem}.png",
            title=title,
            marks=marks,
            start_s=one.sound.start_s,
        )
        written.append(out / f"{stem}.png")
        # One gain for all files of an excerpt, so that their levels can be compared.
        peak = max(float(np.abs(sound).max(initial=0.0)) for sound in audio.values())
        gain = np.float32(min(1.0, 0.95 / max(peak, 1e-9)))
        links = []
        for k, (name, sound) in enumerate(audio.items()):
            target = out / f"{stem}-{k}.ogg"
            write_ogg(target, sound * gain, sample_rate, most_bytes=MOST_OGG_BYTES)
            written.append(target)
            links.append(f"[{name}]({target.name})")
        lines += [f"### {title}", "", f"![{title}: {', '.join(audio)}]({stem}.png)", "", ", ".join(links), ""]
    return (lines if shown else []), written


def write_page(
    found: Sequence[Ceiling], shown: Sequence[Shown], sample_rate: int, out: Path, *, source: str
) -> list[Path]:
    """README.md with the tables, curves.png where latents were treated, and what `write_shown` writes."""
    rows = [asdict(f) for f in found]
    shown_lines, written = write_shown(shown, sample_rate, out)
    lines = [
        "# What the autoencoder gives back",
        "",
        (
            f"{source}. In brackets the truth; of Frechet distances, one half of the truth against the other, each of as many excerpts as "
            "the distance beside it. *Blur*: how much longer onsets take from 10 to 90 % of their energy, median. Sound files are Opus "
            f"at a low rate, {SHOWN_S:g} s; a seed drew the excerpts before anything was heard."
        ),
        "",
        *ceiling_table([row for row in rows if is_plain(row)]),
        "",
    ]
    if treated := [row for row in rows if not is_plain(row)]:
        draw_curves(found, out / "curves.png")
        written.append(out / "curves.png")
        lines += [
            "## Noise on latents, and tokens",
            "",
            "![Curves](curves.png)",
            "",
            *ceiling_table(treated),
            "",
        ]
    lines += shown_lines
    (out / "README.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    return [out / "README.md", *written]


def draw_curves(found: Sequence[Ceiling], target: Path) -> None:
    """Log distance and Frechet distance over the noise, and over the levels of tokens; a colour a stem, a line style a coder."""
    prepare_drawing()
    import matplotlib.pyplot as plt

    noise = [f for f in found if not f.levels]
    tokens = [f for f in found if f.levels]
    axes_of = [(rows, x) for rows, x in ((noise, "noise_percent"), (tokens, "levels")) if len(rows)]
    names = sorted({name for f in found for name in f.frechet})
    tall = 1 + bool(names)
    figure, axes = plt.subplots(
        tall, len(axes_of), figsize=(5.2 * len(axes_of), 3.1 * tall), squeeze=False, layout="constrained"
    )
    stems, coders = (list(dict.fromkeys(getattr(f, key) for f in found)) for key in ("stem", "coder"))
    for column, (rows, x) in enumerate(axes_of):
        for stem in stems:
            for coder in coders:
                line = sorted(
                    (f for f in rows if (f.stem, f.coder) == (stem, coder)), key=lambda f: getattr(f, x)
                )
                styles = {
                    "color": f"C{stems.index(stem)}",
                    "linestyle": ("-", "--", ":", "-.")[coders.index(coder) % 4],
                }
                label = f"{stem}, {coder}"  # fmt: skip
                places = [getattr(f, x) for f in line]
                axes[0, column].plot(
                    places, [f.log_db for f in line], marker="o", markersize=3, label=label, **styles
                )
                if names:
                    distances = [f.frechet.get(names[0], math.nan) for f in line]
                    axes[1, column].plot(places, distances, marker="o", markersize=3, label=label, **styles)
        axes[0, column].set_ylabel("log STFT distance, dB")
        if names:
            axes[1, column].set_ylabel(names[0].replace("_", " "))
        axes[-1, column].set_xlabel(
            "noise on latents, % of their spread" if x == "noise_percent" else "levels of tokens"
        )
    for axis in axes.flat:
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7)
    with whole_file(target) as part:
        figure.savefig(part, dpi=90, format="png")
    plt.close(figure)
