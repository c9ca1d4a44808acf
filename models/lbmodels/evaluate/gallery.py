# SPDX-License-Identifier: GPL-3.0-or-later
"""A gallery: spectrograms and short OGG files of mix, truth and ours, and the page that shows them.

Excerpts are drawn by a seed before anything is heard. Nobody picks them; all that were drawn are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lbmodels.contract.accompanist import Streaming
from lbmodels.contract.quality import QUALITIES
from lbmodels.contract.spec import Spec
from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import Track, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.excerpts import Excerpt, choose_excerpts, read_excerpt
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.evaluate.metrics import Audio
from lbmodels.evaluate.pictures import Marks, draw_panels
from lbmodels.folders import write_whole

MOST_OGG_BYTES = 100_000
MOST_TOTAL_BYTES = 3_900_000
OPUS_LEVELS = (
    0.8,
    0.85,
    0.88,
    0.9,
    0.91,
    0.92,
    0.93,
    0.94,
    0.95,
    0.96,
    0.97,
    0.98,
)  # 112 down to 22 kbit/s in stereo
SOUNDS = 7  # files per example
LEAD_IN_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Take:
    """One way of playing an example: what the host tells, what controls are set to, and both in words."""

    told: str
    words: str
    controls: Mapping[str, float] = field(default_factory=dict)


KNOWN = {
    "none": Take(told="none", words="told nothing"),
    "all": Take(told="all", words="told beat, chords and key"),
}


def takes_of(spec: Spec) -> dict[str, Take]:
    """What is shown of a model: what it plays told nothing and all, or, if it has several qualities, its usual one and its best."""
    quality = next((control for control in spec.controls if control.name == "quality"), None)
    if quality is None:
        return KNOWN
    return {
        QUALITIES[int(value)]: Take(
            told="all",
            words=f"{QUALITIES[int(value)]}, told beat, chords and key",
            controls={"quality": value},
        )
        for value in (quality.default, quality.maximum)
    }


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One example: its picture and its sounds, as file names beside the page."""

    stem: str
    track: str
    start_s: float
    seconds: float
    picture: str
    sounds: dict[str, str]


def make_gallery(
    accompanist: Streaming,
    root: Path,
    split: str,
    out: Path,
    *,
    stems: tuple[str, ...],
    count: int,
    seconds: float,
    seed: int,
    anticipation_ms: float,
    on_step: Callable[[str], None] = lambda _what: None,
) -> list[Shown]:
    """Play, draw and write `count` excerpts per stem; the page is `out`/README.md.

    Each excerpt is played from `LEAD_IN_S` before what is shown: the scores leave that stretch out as well.

    Raises:
        LiveBandModelError: no such data, stem or anticipation, or a data set at another rate.
    """
    spec, takes = accompanist.spec, takes_of(accompanist.spec)
    ahead = anticipation_frames(spec, anticipation_ms)
    most_bytes = min(MOST_OGG_BYTES, MOST_TOTAL_BYTES // (SOUNDS * count * len(stems)))
    shown: list[Shown] = []
    for stem in stems:
        excerpts = choose_excerpts(
            root, split, stem, count, seconds=LEAD_IN_S + seconds, seed=seed, hop=spec.hop,
            sample_rate=spec.sample_rate,
        )  # fmt: skip
        tracks = [read_track(excerpt.track_dir) for excerpt in excerpts]
        for track in tracks:
            if track.sample_rate != spec.sample_rate:
                raise LiveBandModelError(
                    f"{track.mix_path.parent} is at {track.sample_rate} Hz; {spec.name} needs {spec.sample_rate} Hz"
                )
        pairs = [read_excerpt(e, track) for e, track in zip(excerpts, tracks, strict=True)]
        mixes = np.stack([mix for mix, _true in pairs])
        told = [
            frame_conditions(
                track, e.first_frame, mixes.shape[2] // spec.hop, hop=spec.hop, sample_rate=spec.sample_rate
            )
            for e, track in zip(excerpts, tracks, strict=True)
        ]
        played = {}
        for key, take in takes.items():
            on_step(f"{stem}: playing, {take.words}")
            played[key] = generate(
                accompanist, mixes, told, stem=stem, anticipation=ahead, known=take.told, controls=take.controls,
                seeds=[seed * 100_000 + i for i in range(len(excerpts))],
            )  # fmt: skip
        for i, (excerpt, track) in enumerate(zip(excerpts, tracks, strict=True)):
            on_step(f"{stem}: drawing and writing {i + 1} of {len(excerpts)}")
            audio = {"mix": pairs[i][0], "truth": pairs[i][1], **{k: played[k][i] for k in takes}}
            shown.append(_show(excerpt, track, audio, takes, spec.sample_rate, out, i + 1, most_bytes))
    page = _page(shown, takes, spec.name, split, seed=seed, anticipation_ms=anticipation_ms)
    (out / "README.md").write_text(page)
    return shown


def _show(
    excerpt: Excerpt,
    track: Track,
    audio: dict[str, Audio],
    takes: Mapping[str, Take],
    sample_rate: int,
    out: Path,
    number: int,
    most_bytes: int,
) -> Shown:
    """Write one example's files."""
    first = round(LEAD_IN_S * sample_rate)
    cut = {name: sound[:, first:] for name, sound in audio.items()}
    start_s = excerpt.start_s + LEAD_IN_S
    name = f"{excerpt.stem_class}-{number}"
    draw_panels(
        [
            (f"the mix without {excerpt.stem_class}: all that the model hears", cut["mix"]),
            (f"truth: the song's own {excerpt.stem_class}", cut["truth"]),
            *((f"ours, {take.words}", cut[key]) for key, take in takes.items()),
        ],
        sample_rate,
        out / f"{name}.png",
        title=f"{excerpt.stem_class}, {excerpt.track}",
        marks=marks_of(track, start_s, cut["mix"].shape[1] / sample_rate),
        start_s=start_s,
    )
    sounds = {"mix": cut["mix"]}
    for key in ("truth", *takes):
        sounds |= {key: cut["mix"] + cut[key], f"{key}-solo": cut[key]}
    # One gain for all files of an example, so that their levels can be compared.
    peak = max(float(np.abs(sound).max(initial=0.0)) for sound in sounds.values())
    gain = np.float32(min(1.0, 0.95 / max(peak, 1e-9)))
    files = {}
    for key, sound in sounds.items():
        files[key] = f"{name}-{key}.ogg"
        write_ogg(out / files[key], sound * gain, sample_rate, most_bytes=most_bytes)
    return Shown(
        stem=excerpt.stem_class,
        track=excerpt.track,
        start_s=start_s,
        seconds=cut["mix"].shape[1] / sample_rate,
        picture=f"{name}.png",
        sounds=files,
    )


def marks_of(track: Track, start_s: float, seconds: float) -> Marks:
    """A track's beats and chords from `start_s` on."""
    chords = tuple(
        (span.start_s - start_s, chord_name(span.label))
        for span in track.chords
        if span.end_s > start_s and span.start_s < start_s + seconds
    )
    return Marks(beats_s=track.beats_s - start_s, downbeats_s=track.downbeats_s - start_s, chords=chords)


def chord_name(label: str) -> str:
    """A chord label as musicians write it: `A:min7/b3` is Am7/b3, `N` no chord."""
    root, colon, kind = label.partition(":")
    if not colon or kind == "1":  # "1": the root alone is known
        return "–" if label == "N" else root
    for long, short in (
        ("maj7", "maj7"),
        ("maj", ""),
        ("min", "m"),
        ("hdim7", "ø7"),
        ("dim", "°"),
        ("aug", "+"),
    ):
        if kind.startswith(long):
            return root + short + kind[len(long) :]
    return root + kind


def write_ogg(path: Path, audio: Audio, sample_rate: int, *, most_bytes: int = MOST_OGG_BYTES) -> None:
    """[C, T] as Opus in Ogg, at the best rate that stays below `most_bytes`.

    Raises:
        LiveBandModelError: it does not fit at the lowest rate either.
    """
    import io

    import soundfile

    clipped = np.clip(np.nan_to_num(audio.T), -1, 1)
    for compression in OPUS_LEVELS:
        # What the level asks of the encoder; it may miss that by a fifth.
        if (1 - compression) * 250_000 / 8 * clipped.shape[1] * len(clipped) / sample_rate > 1.2 * most_bytes:
            continue
        buffer = io.BytesIO()
        with soundfile.SoundFile(
            buffer, "w", sample_rate, clipped.shape[1], format="OGG", subtype="OPUS",
            compression_level=compression,
        ) as file:  # fmt: skip
            # libsndfile's encoders need the stack for what they are given at once.
            for first in range(0, len(clipped), 16384):
                file.write(clipped[first : first + 16384])
        if buffer.tell() < most_bytes:
            write_whole(path, buffer.getvalue())
            return
    raise LiveBandModelError(
        f"{path.name} does not fit into {most_bytes} bytes: {len(clipped) / sample_rate:.0f} s are too long"
    )


def _page(
    shown: list[Shown],
    takes: Mapping[str, Take],
    model: str,
    split: str,
    *,
    seed: int,
    anticipation_ms: float,
) -> str:
    lines = [
        f"# What {model} plays",
        "",
        (
            f"Excerpts of the `{split}` split that a seed drew ({seed}) before anything was heard: nobody picked them, and every one "
            "that was drawn is here. The only condition is that the song's own stem sounds for half of the stretch."
        ),
        "",
        (
            f"The model hears the mix without the stem and writes A = {anticipation_ms:g} ms ahead. It has played for "
            f"{LEAD_IN_S:g} s before each picture and file begins. *Told nothing* means that it only listens; "
            "*told beat, chords and key* means that the host states them, as a session with a chord track would. "
            "Levels are as played: one gain for all files of an example. Sound files are Opus at a low rate, which costs them some of their treble and width."
        ),
        "",
        (
            "In the pictures, dotted lines are true beats, full lines first beats of bars, names above are true chords. "
            "Pitch is on a logarithmic axis; all four panels share one scale of level (72 dB)."
        ),
    ]
    heading, ways = "", ", ".join(take.words for take in takes.values())
    for one in shown:
        if one.stem != heading:
            heading = one.stem
            lines += ["", f"## {heading.capitalize()}"]
        s = one.sounds
        lines += [
            "",
            f"### {one.track}, from {one.start_s:.0f} s",
            "",
            f"![Spectrograms of {one.stem} in {one.track}: mix, truth, {ways}]({one.picture})",
            "",
            f"The mix alone: [listen]({s['mix']})",
            "",
            "| | with the mix | alone |",
            "|---|---|---|",
            f"| the song's own {one.stem} | [listen]({s['truth']}) | [listen]({s['truth-solo']}) |",
            *(
                f"| ours, {take.words} | [listen]({s[k]}) | [listen]({s[k + '-solo']}) |"
                for k, take in takes.items()
            ),
        ]
    return "\n".join(lines) + "\n"
