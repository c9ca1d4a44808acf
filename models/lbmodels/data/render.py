# SPDX-License-Identifier: GPL-3.0-or-later
"""Songs to tracks on disk: deterministic per seed, parallel by processes, resumable.

A track is written into a hidden folder and renamed when it is whole, so a reader never sees half of one,
and a second run with the same arguments makes only what is missing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.data.charts import charts_of_split, find_charts, read_chart, song_from_chart
from lbmodels.data.colours import arpeggio, percussion
from lbmodels.data.compact import CompactSong, StemPlan
from lbmodels.data.comping import guitar, pad, piano
from lbmodels.data.effects import apply_effects
from lbmodels.data.errors import DataError
from lbmodels.data.generate import generate_song
from lbmodels.data.harmony import key_name
from lbmodels.data.melody import counter, lead
from lbmodels.data.midi import Part, write_midi
from lbmodels.data.mixing import balance, fade_out, gated_rms_db, place
from lbmodels.data.parts import Note, bass, drums
from lbmodels.data.slakh import load_yaml
from lbmodels.data.song import Song
from lbmodels.data.styles import Style
from lbmodels.data.synth import FONTS, SAMPLE_RATE, available_fonts, fonts_for, render_part
from lbmodels.data.tags import song_tags, take_tags, time_signature
from lbmodels.folders import is_left, own_part
from lbmodels.tasks.outcome import TaskLostError
from lbmodels.tasks.running import run

GENERATOR_VERSION = 3
SPLITS = ("train", "validation", "test")

# Part name -> its player. Each draws from its own generator, so parts do not disturb each other.
PLAYERS: dict[str, Callable[[Song, np.random.Generator], list[Note]]] = {
    "drums": drums, "bass": bass, "piano": piano, "guitar": guitar, "lead": lead, "pad": pad, "counter": counter,
    "guitar2": partial(guitar, part="guitar2"), "percussion": percussion, "arpeggio": arpeggio,
}  # fmt: skip

_CLASS = {
    "drums": "drums", "bass": "bass", "piano": "piano", "guitar": "guitar", "guitar2": "guitar", "percussion": "drums",
}  # fmt: skip
_INST_CLASS = {
    "drums": "Drums", "percussion": "Drums", "bass": "Bass", "piano": "Piano", "guitar": "Guitar", "guitar2": "Guitar",
}  # fmt: skip
_DRUM_PARTS = ("drums", "percussion")
# Any sound of the family, whatever the style says, in a share of the stems.
_ANY_SOUND_SHARE = 0.22
_FAMILY = {
    "bass": tuple(range(32, 40)), "piano": (*range(8), 16, 17, 18), "guitar": tuple(range(24, 31)),
    "guitar2": tuple(range(24, 31)),
    "lead": (*range(8, 16), *range(21, 24), *range(40, 47), *range(52, 88), 104, 105, 107, 110, 111),
    "pad": (*range(16, 24), *range(44, 46), *range(48, 56), 61, *range(88, 96)),
    "counter": (*range(40, 46), *range(48, 52), *range(56, 84)),
    "arpeggio": (*range(8), *range(8, 15), 24, 25, 45, 46, 80, 81, 84, 88, 98, 102, 104, 108),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RenderOptions:
    """What a rendering run depends on. `min_s` and `max_s` bound a song's aimed length in seconds."""

    out: Path
    split: str
    seed: int
    min_s: float = 60.0
    max_s: float = 75.0
    soundfont_dirs: tuple[Path, ...] = ()
    charts: Path | None = None
    chart_share: float = 0.7


def _rng(seed: int, split: str, index: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, SPLITS.index(split), index, purpose])


def _program(part: str, style: Style, rng: np.random.Generator) -> int:
    """General MIDI number of a part's sound, by the style's table; of a drum part the kit's."""
    if part not in _DRUM_PARTS and rng.random() < _ANY_SOUND_SHARE:
        return int(rng.choice(_FAMILY[part]))
    table = {
        "drums": style.kits, "bass": style.bass_programs, "piano": style.piano_programs,
        "guitar": style.guitar_programs, "lead": style.lead_programs, "pad": style.pad_programs,
        "counter": style.pad_programs + style.lead_programs, "guitar2": style.guitar_programs, "percussion": (0,),
        "arpeggio": _FAMILY["arpeggio"],
    }[part]  # fmt: skip
    return int(rng.choice(table))


def _other_class(program: int) -> str:
    """Slakh's name of a melodic General MIDI number's family."""
    families = (
        "Piano", "Chromatic Percussion", "Organ", "Guitar", "Bass", "Strings", "Ensemble", "Brass", "Reed", "Pipe",
        "Synth Lead", "Synth Pad", "Synth Effects", "Ethnic", "Percussive", "Sound effects",
    )  # fmt: skip
    return families[program // 8]


def _band_cents(rng: np.random.Generator) -> float:
    """How far the whole band is off concert pitch: mostly not at all, at the most half a semitone."""
    return 0.0 if rng.random() < 0.5 else float(np.clip(rng.normal(0.0, 18.0), -50.0, 50.0))


def plan_stems(
    song: Song, parts: Sequence[str], fonts: Sequence[str], rng: np.random.Generator
) -> list[StemPlan]:
    """Notes, sound and font of every part that plays at least one note."""
    band_cents = _band_cents(rng)
    plans: list[StemPlan] = []
    for part in parts:
        part_rng = np.random.default_rng(rng.integers(2**63))
        notes = tuple(n for n in PLAYERS[part](song, part_rng) if n.start_s < song.duration_s)
        program = _program(part, song.style, part_rng)
        is_drum = part in _DRUM_PARTS
        able, shares = fonts_for(fonts, is_drum=is_drum)
        font = str(part_rng.choice(able, p=shares))
        own_cents = float(part_rng.normal(0.0, 2.5)) * min(song.take.looseness, 1.5)
        vibrato = int(part_rng.choice([0, 20, 40, 70])) if part in ("lead", "counter") else 0
        if not notes:
            continue
        plans.append(
            StemPlan(
                part=part, stem_class=_CLASS.get(part, "other"), inst_class=_INST_CLASS.get(part, _other_class(program)),
                program=program, is_drum=is_drum, font=font, notes=notes,
                cents=0.0 if is_drum else round(float(np.clip(band_cents + own_cents, -50.0, 50.0)), 2), vibrato=vibrato,
            )
        )  # fmt: skip
    return plans


@lru_cache(maxsize=2)
def _charts(folder: Path, split: str) -> tuple[Path, ...]:
    return tuple(charts_of_split(find_charts(folder), split))


def make_song(options: RenderOptions, index: int) -> tuple[Song, tuple[str, ...]]:
    """Song number `index` of a split, with its band: on a chart in `chart_share` of the cases, else of our own making."""
    name = f"Track{index:05d}"
    rng = _rng(options.seed, options.split, index, 0)
    target_s = (options.min_s, options.max_s)
    if options.charts is not None and rng.random() < options.chart_share:
        charts = _charts(options.charts, options.split)
        # A damaged chart, or one in a metre that no style plays, is passed over for another.
        for choice in rng.permutation(len(charts))[:20]:
            try:
                chart = read_chart(charts[int(choice)])
            except DataError:
                continue
            return song_from_chart(chart, name, options.seed, rng, target_s=target_s)
    return generate_song(name, options.seed, rng, target_s=target_s)


def compact(song: Song, plans: Sequence[StemPlan], number: int) -> CompactSong:
    """The song with its truth and its tags, without the style and the bars that it came from."""
    return CompactSong(
        name=song.name, title=song.title, seed=song.seed, number=number, generator_version=GENERATOR_VERSION,
        key=song.key, tempo_bpm=float(song.tempo_bpm), duration_s=float(song.duration_s),
        beats=tuple(song.beat_rows()),
        chords=tuple((start, end, value.label) for start, end, value in song.chord_rows()),
        keys=tuple(song.key_rows()), plans=tuple(plans),
        tags={"song": song_tags(song), "takes": [take_tags(plan) for plan in plans]},
    )  # fmt: skip


def render_stems(
    song: Song | CompactSong, plans: Sequence[StemPlan], fonts: dict[str, Path], rng: np.random.Generator
) -> tuple[list[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    """Audio [2, T] of every stem, and of the mix, which is their sum."""
    n_samples = round(song.duration_s * SAMPLE_RATE)
    stems = []
    for plan in plans:
        dry = render_part(
            fonts[plan.font], plan.notes, program=plan.program, is_drum=plan.is_drum, n_samples=n_samples,
            cents=plan.cents, vibrato=plan.vibrato,
        )  # fmt: skip
        beat_s = 60.0 / song.tempo_bpm
        wet = apply_effects(dry, plan.stem_class, plan.program, SAMPLE_RATE, rng, beat_s=beat_s)
        role = "percussion" if plan.part == "percussion" else plan.stem_class  # it sits well behind the kit
        stems.append(place(wet, role, SAMPLE_RATE, rng))
    if rng.random() < 0.08:
        fade_out(stems, SAMPLE_RATE, float(rng.uniform(3.0, 9.0)))
    return balance(stems)


def _metadata(
    song: Song, plans: Sequence[StemPlan], loudness_db: Sequence[float], options: RenderOptions
) -> dict[str, Any]:
    stems: dict[str, Any] = {}
    cards = {card.file: card for card in FONTS}
    for i, (plan, level) in enumerate(zip(plans, loudness_db, strict=True)):
        stems[f"S{i:02d}"] = {
            "inst_class": plan.inst_class, "is_drum": plan.is_drum, "program_num": plan.program,
            "midi_program_name": plan.part, "plugin_name": plan.font,
            "integrated_loudness": round(level, 2) if np.isfinite(level) else None,
            "audio_rendered": True, "midi_saved": True,
        }  # fmt: skip
    used = sorted({plan.font for plan in plans})
    return {
        "UUID": f"liveband-{options.seed}-{options.split}-{song.name}", "audio_dir": "stems", "midi_dir": "MIDI",
        "normalized": False, "stems": stems,
        "liveband": {
            "generator_version": GENERATOR_VERSION, "seed": options.seed, "split": options.split,
            "source": song.source, "title": song.title, "key": song.key, "key_name": key_name(song.key),
            "keys": [{"start_s": round(start, 6), "key": key} for start, key in song.key_rows()],
            "tempo_bpm": song.tempo_bpm, "tempo_kind": song.tempo_plan.kind,
            "looseness": round(song.take.looseness, 3), "beats_per_bar": song.style.beats_per_bar,
            "time_signature": time_signature(song.style), "style": song.style.name,
            "duration_s": round(song.duration_s, 6),
            "sound_fonts": {f"S{i:02d}": plan.font for i, plan in enumerate(plans)},
            "cents": {f"S{i:02d}": plan.cents for i, plan in enumerate(plans)},
            "sound_font_licences": {f: cards[f].licence for f in used},
            "sections": [
                {"start_s": round(float(song.beats_s[b.start_beat]), 6), "name": b.section}
                for b in song.bars if b.bar_in_section == 0
            ],
        },
    }  # fmt: skip


def render_track(options: RenderOptions, index: int) -> Path:
    """Writes one track, or leaves it alone where it already stands. Returns its folder."""
    final = options.out / options.split / f"Track{index:05d}"
    if (final / "metadata.yaml").is_file():
        return final
    song, parts = make_song(options, index)
    fonts = available_fonts(options.split, options.soundfont_dirs)
    plans = plan_stems(song, parts, sorted(fonts), _rng(options.seed, options.split, index, 1))
    stems, mix = render_stems(song, plans, fonts, _rng(options.seed, options.split, index, 2))
    partial = own_part(final.with_name(f".{final.name}"))
    shutil.rmtree(partial, ignore_errors=True)
    try:
        write_track(partial, song, plans, stems, mix, options)
        if final.exists():
            shutil.rmtree(final)
        partial.rename(final)
    except (OSError, RuntimeError) as exc:  # soundfile's errors are RuntimeErrors
        raise DataError(f"cannot write {final}: {' '.join(str(exc).split())}") from exc
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return final


def write_track(
    folder: Path,
    song: Song,
    plans: Sequence[StemPlan],
    stems: Sequence[npt.NDArray[np.float32]],
    mix: npt.NDArray[np.float32],
    options: RenderOptions,
) -> None:
    """Writes audio, MIDI and truth of one track into `folder`; metadata.yaml comes last."""
    import soundfile
    import yaml

    (folder / "stems").mkdir(parents=True)
    (folder / "MIDI").mkdir()
    midi_parts = [Part(name=p.part, program=p.program, is_drum=p.is_drum, notes=p.notes) for p in plans]
    for i, (stem, part) in enumerate(zip(stems, midi_parts, strict=True)):
        soundfile.write(
            os.fsencode(folder / "stems" / f"S{i:02d}.flac"),
            stem.T,
            SAMPLE_RATE,
            subtype="PCM_16",
            compression_level=0.2,
        )
        write_midi(folder / "MIDI" / f"S{i:02d}.mid", song, [part])
    soundfile.write(
        os.fsencode(folder / "mix.flac"), mix.T, SAMPLE_RATE, subtype="PCM_16", compression_level=0.2
    )
    write_midi(folder / "all_src.mid", song, midi_parts)
    beats = "".join(f"{seconds:.6f}\t{number}\n" for seconds, number in song.beat_rows())
    (folder / "beats.txt").write_text(beats, encoding="utf-8")
    chords = "".join(f"{start:.6f}\t{end:.6f}\t{value.label}\n" for start, end, value in song.chord_rows())
    (folder / "chords.txt").write_text(chords, encoding="utf-8")
    levels = [gated_rms_db(stem, SAMPLE_RATE) for stem in stems]
    text = yaml.safe_dump(_metadata(song, plans, levels, options), sort_keys=False, allow_unicode=True)
    (folder / "metadata.yaml").write_text(text, encoding="utf-8")


def _timed(options: RenderOptions, index: int) -> tuple[int, float, float]:
    start = time.perf_counter()
    folder = render_track(options, index)
    meta = load_yaml(folder / "metadata.yaml")
    return index, time.perf_counter() - start, float(meta["liveband"]["duration_s"])


@dataclass(frozen=True, kw_only=True)
class RenderReport:
    """What a run did; seconds of audio and of work of the tracks that this run made."""

    made: int
    skipped: int
    audio_s: float
    work_s: float


def render_split(
    options: RenderOptions,
    tracks: int,
    *,
    only: int | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    show_progress: bool = True,
) -> RenderReport:
    """Renders tracks 1..`tracks` of a split with `jobs` processes (1), or the one numbered `only`.

    With `cluster`, on a Ray cluster whose machines see all folders under the same names: see lbmodels.tasks.running.

    Raises:
        DataError: a bad option, no sound font for the split, or a folder that cannot be written.
    """
    if options.split not in SPLITS:
        raise DataError(f"unknown split {options.split!r}; accepted: {', '.join(SPLITS)}")
    if tracks < 1 or (jobs is not None and jobs < 1):
        raise DataError(f"tracks and jobs must be 1 or more, got {tracks} and {jobs}")
    if only is not None and only < 1:
        raise DataError(f"tracks are numbered from 1, got {only}")
    if not 2.0 <= options.min_s <= options.max_s <= 3600.0:
        raise DataError(
            f"lengths must satisfy 2 <= min <= max <= 3600 s, got {options.min_s:g} and {options.max_s:g}"
        )
    if not 0.0 <= options.chart_share <= 1.0:
        raise DataError(f"the share of charts must lie in 0..1, got {options.chart_share:g}")
    if options.charts is not None and not charts_of_split(find_charts(options.charts), options.split):
        raise DataError(f"none of the charts in {options.charts} falls into the {options.split} split")
    available_fonts(options.split, options.soundfont_dirs)
    root = options.out / options.split
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DataError(f"cannot write into {root}: {exc.strerror}") from exc
    for leftover in root.glob(".Track*.part"):
        if is_left(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
    numbers = range(1, tracks + 1) if only is None else [only]
    wanted = [i for i in numbers if not (root / f"Track{i:05d}" / "metadata.yaml").is_file()]
    report = RenderReport(made=0, skipped=len(numbers) - len(wanted), audio_s=0.0, work_s=0.0)
    if not wanted:
        return report
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, disable=not show_progress) as progress:
        task = progress.add_task(f"rendering {options.split}", total=len(wanted))
        for _, work_s, audio_s in _results(
            options if cluster is None else _absolute(options), wanted, jobs, cluster
        ):
            report = replace(
                report, made=report.made + 1, audio_s=report.audio_s + audio_s, work_s=report.work_s + work_s
            )
            progress.advance(task)
    return report


def _absolute(options: RenderOptions) -> RenderOptions:
    """As processes in another folder understand them."""
    return replace(
        options,
        out=options.out.absolute(),
        charts=None if options.charts is None else options.charts.absolute(),
        soundfont_dirs=tuple(Path(folder).absolute() for folder in options.soundfont_dirs),
    )


def _results(
    options: RenderOptions, wanted: Sequence[int], jobs: int | None, cluster: str | None
) -> Iterator[tuple[int, float, float]]:
    if cluster is None and jobs in (None, 1):
        for index in wanted:
            yield _timed(options, index)
        return
    with contextlib.closing(run(partial(_timed, options), wanted, jobs=jobs, cluster=cluster)) as results:
        for _, result in results:
            if isinstance(result, TaskLostError):
                raise result
            yield result
