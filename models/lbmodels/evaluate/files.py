# SPDX-License-Identifier: GPL-3.0-or-later
"""A stem that was bounced to a recording without known beats or chords, judged against the recording itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import metrics
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.metrics import Audio, Floats

SHIFTS = 24
_MOST_SECONDS, _MOST_CHANNELS = 1800.0, 16


@dataclass(frozen=True, kw_only=True)
class FileScore:
    """One stem against its mix. Beats are those the tracker hears in the mix: the ceiling is unknown, not 1.

    `beat_floor` is the mean over the stem's beats rotated in time (same tempo, wrong place), `beat_half` half a
    beat late; `chroma_floor` the mean over the stem transposed by 1 to 11 semitones.
    """

    file: str
    seconds: float
    mix_beats: int
    mix_tempo_bpm: float
    stem_beats: int
    beat_f1: float
    beat_floor: float
    beat_half: float
    chroma: float
    chroma_floor: float
    loudness_lufs: float
    mix_loudness_lufs: float
    silence: float


def score_files(
    stems: list[Path],
    mix: Path,
    *,
    networks: int,
    cache: Path | None,
    start_s: float,
    on_done: Callable[[], None] = lambda: None,
) -> list[FileScore]:
    """Scores of each stem.

    Raises:
        LiveBandModelError: a file cannot be read, is too short, or no beat is heard in the mix.
    """
    mix_audio, rate = _read(mix)
    seconds = mix_audio.shape[1] / rate
    if seconds < start_s + 3:
        raise LiveBandModelError(f"{mix} lasts {seconds:.1f} s; at least {start_s + 3:g} s are needed")
    heard = analyse(mix_audio, rate, networks=networks, cache=cache, start_s=start_s)
    on_done()
    reference = heard.beats_s
    if np.count_nonzero(reference >= start_s) < 4:
        raise LiveBandModelError(f"no steady beat is heard in {mix}; beat scores need one")
    result = []
    for path in stems:
        audio, stem_rate = _read(path)
        features = analyse(audio, stem_rate, networks=networks, cache=cache, start_s=start_s)
        result.append(
            FileScore(
                file=str(path),
                seconds=seconds,
                mix_beats=len(reference),
                mix_tempo_bpm=60 / float(np.median(np.diff(reference))),
                stem_beats=len(features.beats_s),
                **agreement(features, heard, seconds, start_s=start_s),
                loudness_lufs=features.loudness_lufs,
                mix_loudness_lufs=heard.loudness_lufs,
                silence=metrics.silence_share(features.level_db, start_s=start_s),
            )
        )
        on_done()
    return result


def agreement(features: Features, heard: Features, seconds: float, *, start_s: float) -> dict[str, float]:
    """beat_f1, beat_floor, beat_half, chroma and chroma_floor of `FileScore`: a stem's features against its mix's."""
    reference = heard.beats_s
    # A beat counts where the mix sounds: a stem silent there scores 0.
    scored = metrics.sounding(heard.level_db, reference)
    beat = float(np.median(np.diff(reference)))
    shifted = [_rotate(features.beats_s, seconds, k / SHIFTS) for k in range(2, SHIFTS - 1)]
    chromas = [
        metrics.chroma_agreement(
            np.roll(features.chroma, k, axis=1), heard.chroma, reference, scored, start_s=start_s
        )
        for k in range(12)
    ]
    return {
        "beat_f1": metrics.beat_f1(reference, features.beats_s, start_s=start_s),
        "beat_floor": float(np.mean([metrics.beat_f1(reference, b, start_s=start_s) for b in shifted])),
        "beat_half": metrics.beat_f1(reference, features.beats_s + beat / 2, start_s=start_s),
        "chroma": chromas[0],
        "chroma_floor": float(np.mean(chromas[1:])),
    }


def _rotate(beats_s: Floats, seconds: float, share: float) -> Floats:
    # The odd fraction keeps a rotation from landing on the beat at common tempi.
    return np.sort((beats_s + share * seconds + 0.137) % seconds)


def _read(path: Path) -> tuple[Audio, int]:
    import soundfile

    if not path.is_file():
        raise LiveBandModelError(f"file not found: {path}")
    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            # The whole file is scored at once, and 3 MB of FLAC may claim 4 hours: its header is asked first.
            rate, told_s = file.samplerate, file.frames / file.samplerate
            if told_s > _MOST_SECONDS or file.channels > _MOST_CHANNELS:
                raise LiveBandModelError(
                    f"{path} has {told_s / 60:.4g} minutes and {file.channels} channels; accepted are up to "
                    f"{_MOST_SECONDS / 60:g} minutes and {_MOST_CHANNELS} channels"
                )
            audio = file.read(dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise LiveBandModelError(f"{path} is not audio that can be read: {error}") from None
    if not np.isfinite(audio).all():
        raise LiveBandModelError(f"{path} holds samples that are not finite")
    return np.ascontiguousarray(audio.T), int(rate)
