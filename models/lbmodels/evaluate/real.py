# SPDX-License-Identifier: GPL-3.0-or-later
"""All stems over real recordings, told nothing and told the beat, judged against an independent tracker.

Nothing is true here: beats are those that madmom hears in the whole recording, chords are unknown. So there is no
ceiling of 1, and a tracker that errs on a piece makes the stem look wrong. Where an isolated stem is at hand, its own
scores say what a right one gets.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lbmodels.contract.accompanist import Streaming
from lbmodels.data.conditions import frame_conditions
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import metrics
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.files import agreement
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.evaluate.metrics import Audio, Floats
from lbmodels.evaluate.pictures import Marks, draw_panels
from lbmodels.evaluate.pieces import Piece, as_track, middle, read_beats, read_stretch
from lbmodels.evaluate.scores import UNPITCHED

MIX_NETWORKS = 8
PICTURE_S = 20.0
TOLD = {"none": "told nothing", "beat": "told the beat"}
TRUE = "own"
# What the words of a verdict mean; each was fixed before the first piece was heard.
IN_TIME, OFF_BEAT, IN_KEY, SILENT, NOTHING = 0.6, 0.5, 0.2, 0.5, 0.98


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One stem over one piece. `told` is none, beat, or own: the recording's own isolated stem.

    `beat_half` is beat F1 of the stem moved half a beat; `beat_floor` of the stem rotated in time; `chroma_floor` of
    the stem transposed by 1 to 11 semitones; `tempo_ratio` is the stem's tempo by the mix's, as tracked.
    """

    piece: str
    stem: str
    told: str
    beat_f1: float
    beat_half: float
    beat_floor: float
    chroma: float
    chroma_floor: float
    tempo_ratio: float
    silence: float
    loudness_lufs: float
    mix_loudness_lufs: float

    @property
    def verdict(self) -> tuple[str, ...]:
        """In plain words: time, key where the stem has pitch, and whether it is silent for most of the stretch."""
        if self.silence > NOTHING:
            return ("silent",)
        if self.beat_f1 >= IN_TIME:
            words = ["in time"]
        elif self.beat_half >= OFF_BEAT and self.beat_half > self.beat_f1:
            words = ["half a beat off"]
        elif any(abs(self.tempo_ratio / ratio - 1) < 0.05 for ratio in (0.5, 2.0)):
            words = ["half or double tempo"]
        else:
            words = ["not in time"]
        if math.isfinite(self.chroma):
            words.append("in key" if self.chroma - self.chroma_floor >= IN_KEY else "not in key")
        return (*words, "mostly silent") if self.silence > SILENT else tuple(words)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything measured; `pieces` holds what is known of each, `speed` audio seconds played per second."""

    model: str
    anticipation_ms: float
    seed: int
    speed: float
    pieces: list[dict[str, Any]]
    judged: list[Judged]


def play_real(
    accompanist: Streaming,
    pieces: Sequence[Piece],
    out: Path,
    *,
    stems: tuple[str, ...],
    seconds: float,
    start_s: float,
    anticipation_ms: float,
    seed: int,
    networks: int,
    batch: int,
    cache: Path | None,
    save_audio: Path | None = None,
    on_step: Callable[[str], None] = lambda _what: None,
) -> Report:
    """Bounce `stems` over `seconds` from the middle of each piece, score them, draw them into `out`.

    `networks` of madmom's 8 listen to the stems; all 8 to the recording. Pieces are played `batch` at a time.

    Raises:
        LiveBandModelError: a piece that cannot be read, is too short, or in which no beat is heard.
    """
    spec = accompanist.spec
    rate, ahead = spec.sample_rate, anticipation_frames(spec, anticipation_ms)
    judged: list[Judged] = []
    facts: list[dict[str, Any]] = []
    spent_s = played_s = 0.0
    for first in range(0, len(pieces), batch):
        group = list(pieces[first : first + batch])
        spans = [middle(piece, seconds, start_s) for piece in group]
        length = max(long for _begin, long in spans)
        mixes = [read_stretch(p.path, b, length, rate) for p, (b, _long) in zip(group, spans, strict=True)]
        heard, told, marks = [], [], []
        for piece, mix, (begin, long) in zip(group, mixes, spans, strict=True):
            on_step(f"{piece.title}: listening for beats")
            features = analyse(mix, rate, networks=MIX_NETWORKS, cache=cache, start_s=start_s)
            if np.count_nonzero(features.beats_s >= start_s) < 4:
                raise LiveBandModelError(f"no steady beat is heard in {piece.path}; beat scores need one")
            beats, fact = _beats_to_tell(piece, features, begin, long, start_s)
            facts.append(fact)
            # First beats of bars are heard, never given: a list of beats by hand rarely has them.
            track = as_track(piece, beats, features.downbeats_s, long, rate)
            told.append(frame_conditions(track, 0, mix.shape[1] // spec.hop, hop=spec.hop, sample_rate=rate))
            heard.append(features)
            marks.append(Marks(beats_s=features.beats_s, downbeats_s=features.downbeats_s))
        sounds: list[dict[tuple[str, str], Audio]] = [{} for _ in group]
        for stem in stems:
            inputs, own = _inputs(group, spans, mixes, stem, length, rate)
            for known in TOLD:
                on_step(f"{stem}, {TOLD[known]}: playing over {', '.join(p.title for p in group)}")
                began = time.perf_counter()
                found = generate(
                    accompanist, np.stack(inputs), told, stem=stem, anticipation=ahead, known=known,
                    seeds=[seed * 100_000 + first + i for i in range(len(group))],
                )  # fmt: skip
                spent_s += time.perf_counter() - began
                played_s += length * len(group)
                for i in range(len(group)):
                    sounds[i][stem, known] = found[i]
            for i, audio in enumerate(own):
                if audio is not None:
                    sounds[i][stem, TRUE] = audio
        for i, piece in enumerate(group):
            begin, long = spans[i]
            for (stem, known), audio in sounds[i].items():
                on_step(f"{piece.title}: listening to {stem}, {TOLD.get(known, 'its own')}")
                judged.append(
                    _judge(
                        piece,
                        stem,
                        known,
                        audio[:, : round(long * rate)],
                        heard[i],
                        networks,
                        cache,
                        start_s,
                        rate,
                    )
                )
            _draw(piece, mixes[i], sounds[i], marks[i], stems, begin, rate, out, number=first + i + 1)
            if save_audio is not None:
                _save(save_audio, piece, sounds[i], rate)
    return Report(
        model=spec.name,
        anticipation_ms=anticipation_ms,
        seed=seed,
        speed=played_s / max(spent_s, 1e-9),
        pieces=facts,
        judged=judged,
    )


def _beats_to_tell(
    piece: Piece, heard: Features, begin: float, long: float, start_s: float
) -> tuple[Floats, dict[str, Any]]:
    """Beats given by hand where the sidecar has them, else those heard; and what is known of the piece."""
    tracked, beats, agree = heard.beats_s, heard.beats_s, float("nan")
    if piece.beats is not None:
        given = read_beats(piece.beats) - begin
        given = given[(given >= 0) & (given < long)]
        if len(given) >= 2:
            beats, agree = given, metrics.beat_f1(given, tracked, start_s=start_s)
    return beats, {
        "title": piece.title,
        "by": piece.by,
        "licence": piece.licence,
        "source": piece.source,
        "begin_s": begin,
        "seconds": long,
        "tempo_bpm": 60 / float(np.median(np.diff(tracked))),
        "beats_told": "tracked" if beats is tracked else "by hand",
        "tracker_against_hand_f1": agree,
        "isolated": sorted(piece.stems),
    }


def _inputs(
    group: list[Piece],
    spans: list[tuple[float, float]],
    mixes: list[Audio],
    stem: str,
    length: float,
    rate: int,
) -> tuple[list[Audio], list[Audio | None]]:
    """What the model hears: the recording, less the stem where it is at hand alone; and that stem."""
    own = [
        read_stretch(piece.stems[stem], begin, length, rate) if stem in piece.stems else None
        for piece, (begin, _long) in zip(group, spans, strict=True)
    ]
    heard = [mix if alone is None else mix - alone for mix, alone in zip(mixes, own, strict=True)]
    return heard, own


def _judge(
    piece: Piece, stem: str, told: str, audio: Audio, heard: Features, networks: int, cache: Path | None,
    start_s: float, rate: int,
) -> Judged:  # fmt: skip
    features = analyse(audio, rate, networks=networks, cache=cache, start_s=start_s)
    found = agreement(features, heard, audio.shape[1] / rate, start_s=start_s)
    if stem in UNPITCHED:
        found |= {"chroma": float("nan"), "chroma_floor": float("nan")}
    beats = features.beats_s[features.beats_s >= start_s]
    ratio = (
        float(np.median(np.diff(heard.beats_s)) / np.median(np.diff(beats)))
        if len(beats) > 2
        else float("nan")
    )
    return Judged(
        piece=piece.title,
        stem=stem,
        told=told,
        tempo_ratio=ratio,
        silence=metrics.silence_share(features.level_db, start_s=start_s),
        loudness_lufs=features.loudness_lufs,
        mix_loudness_lufs=heard.loudness_lufs,
        **found,
    )


def _draw(
    piece: Piece, mix: Audio, sounds: dict[tuple[str, str], Audio], marks: Marks, stems: Sequence[str],
    begin: float, rate: int, out: Path, *, number: int,
) -> None:  # fmt: skip
    """The first `PICTURE_S` after a lead-in of 5 s, one picture for each thing told."""
    lead = 5.0
    cut = slice(round(lead * rate), round((lead + PICTURE_S) * rate))
    moved = Marks(beats_s=marks.beats_s - lead, downbeats_s=marks.downbeats_s - lead)
    for known, words in TOLD.items():
        panels = [("the recording", mix[:, cut])]
        panels += [(f"our {stem}, {words}", sounds[stem, known][:, cut]) for stem in stems]
        draw_panels(
            panels,
            rate,
            out / f"{number:02d}-{known}.png",
            title=f"{piece.title}{f' ({piece.by})' if piece.by else ''}, {words}",
            marks=moved,
            start_s=begin + lead,
        )


def _save(folder: Path, piece: Piece, sounds: dict[tuple[str, str], Audio], rate: int) -> None:
    import soundfile

    folder.mkdir(parents=True, exist_ok=True)
    for (stem, known), audio in sounds.items():
        soundfile.write(
            os.fsencode(folder / f"{piece.path.stem}_{stem}_{known}.flac"), np.clip(audio.T, -1, 1), rate
        )


def summary(report: Report) -> list[dict[str, Any]]:
    """Means over pieces per stem and thing told, and how often each verdict fell."""
    rows = []
    for stem in dict.fromkeys(one.stem for one in report.judged):
        for told in (*TOLD, TRUE):
            these = [one for one in report.judged if (one.stem, one.told) == (stem, told)]
            if these:
                names = (
                    "beat_f1",
                    "beat_half",
                    "beat_floor",
                    "chroma",
                    "chroma_floor",
                    "silence",
                    "loudness_lufs",
                )
                means = {name: float(np.mean([getattr(one, name) for one in these])) for name in names}
                words = Counter(word for one in these for word in one.verdict)
                rows.append(
                    {"stem": stem, "told": told, "pieces": len(these), **means, "verdicts": dict(words)}
                )
    return rows


def as_json(report: Report) -> dict[str, Any]:
    """The report for JSON, with its summary."""
    return {**asdict(report), "summary": summary(report)}


def page(report: Report) -> str:
    """The report in Markdown: what fails first, then all figures, then pictures."""
    lines = [
        f"# {report.model} over real recordings",
        "",
        (
            f"{len(report.pieces)} pieces, the middle {max(p['seconds'] for p in report.pieces):.0f} s of each, "
            f"A = {report.anticipation_ms:g} ms, seed {report.seed}, played at {report.speed:.1f} times real time (all four "
            "stems, both settings). Beats are those that madmom (all 8 networks) hears in the recording; it may err. "
            f"*In time*: beat F1 at least {IN_TIME:g}. *Half a beat off*: F1 of the stem moved half a beat is at least "
            f"{OFF_BEAT:g} and higher than unmoved. *In key*: chroma agreement with the recording at least {IN_KEY:g} above "
            "that of the stem transposed by 1 to 11 semitones. *Mostly silent*: more than half of its frames. Told the beat, a stem is judged by the beats it was told, "
            "where the piece has none by hand: that measures obedience, not hearing."
        ),
        "",
        "## What fails",
        "",
        *(f"- {line}" for line in failures(report)),
        "",
        "## Means over pieces",
        "",
        *summary_table(summary(report)),
        "",
        "## Pieces",
        "",
    ]
    for i, fact in enumerate(report.pieces, 1):
        by = f", {fact['by']}" if fact["by"] else ""
        lines += [
            f"### {i}. {fact['title']}{by}",
            "",
            (
                f"{fact['licence']}{', from ' + fact['source'] if fact['source'] else ''}; from {fact['begin_s']:.0f} s on, "
                f"{fact['tempo_bpm']:.0f} BPM as tracked; beats told: {fact['beats_told']}"
                + (
                    f" (the tracker agrees with them by F1 {fact['tracker_against_hand_f1']:.2f})."
                    if math.isfinite(fact["tracker_against_hand_f1"])
                    else "."
                )
            ),
            "",
            "| stem | told | beat F1 | half a beat off | rotated | chroma | transposed | silent | LUFS (mix) | verdict |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for one in report.judged:
            if one.piece == fact["title"]:
                cells = (one.beat_f1, one.beat_half, one.beat_floor, one.chroma, one.chroma_floor)
                lines.append(
                    f"| {one.stem} | {'the true stem' if one.told == TRUE else TOLD[one.told]} | "
                    f"{' | '.join(_figure(v) for v in cells)} | {one.silence:.0%} | "
                    f"{one.loudness_lufs:.0f} ({one.mix_loudness_lufs:.0f}) | {', '.join(one.verdict)} |"
                )
        lines += ["", f"Pictures: [told nothing]({i:02d}-none.png), [told the beat]({i:02d}-beat.png)", ""]
    return "\n".join(lines)


def failures(report: Report) -> list[str]:
    """One plain sentence per stem and thing told."""
    found = []
    for row in summary(report):
        if row["told"] == TRUE:
            continue
        words, count = row["verdicts"], row["pieces"]
        bad = [f"{words[w]} {w}" for w in ("not in time", "half a beat off", "half or double tempo", "silent", "mostly silent", "not in key") if w in words]  # fmt: skip
        good = f"{words.get('in time', 0)} of {count} in time"
        found.append(f"{row['stem']}, {TOLD[row['told']]}: {'; '.join([good, *bad])}.")
    return found


def summary_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of a Markdown table of `summary`."""
    lines = [
        "| stem | told | pieces | in time | beat F1 | half a beat off | rotated | chroma | transposed | silent |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [row[name] for name in ("beat_f1", "beat_half", "beat_floor", "chroma", "chroma_floor")]
        told = "the true stem" if row["told"] == TRUE else TOLD[row["told"]]
        lines.append(
            f"| {row['stem']} | {told} | {row['pieces']} | {row['verdicts'].get('in time', 0)} | "
            f"{' | '.join(_figure(v) for v in cells)} | {row['silence']:.0%} |"
        )
    return lines


def _figure(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.2f}"
