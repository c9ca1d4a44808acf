# SPDX-License-Identifier: GPL-3.0-or-later
"""Real recordings in a folder, each with a sidecar that says what is known of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lbmodels.data.slakh import Track
from lbmodels.documents import read_toml
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio, Floats

SUFFIXES = (".flac", ".wav", ".ogg", ".mp3", ".aiff")
_WORDS = ("title", "by", "licence", "source", "beats")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One recording. `beats` is a file of beat times given by hand, `stems` are isolated stems by class."""

    path: Path
    title: str
    by: str = ""
    licence: str = "not stated"
    source: str = ""
    beats: Path | None = None
    stems: Mapping[str, Path] = field(default_factory=dict)


def find_pieces(folder: Path, stem_classes: tuple[str, ...]) -> list[Piece]:
    """Every audio file in `folder` or below it that is not the isolated stem of another, in the order of paths.

    Beside NAME.flac there may be NAME.toml: title, by, licence, source, beats (a file whose lines begin with the
    time of a beat in seconds), and a table [stems] of files by stem class; paths are relative to the sidecar.

    Raises:
        LiveBandModelError: no audio, or a sidecar that cannot be understood.
    """
    if not folder.is_dir():
        raise LiveBandModelError(f"no folder {folder}")
    audio = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    pieces = [_piece(path, stem_classes) for path in audio]
    isolated = {stem.resolve() for piece in pieces for stem in piece.stems.values()}
    found = [piece for piece in pieces if piece.path.resolve() not in isolated]
    if not found:
        raise LiveBandModelError(f"no audio in {folder}; accepted: {', '.join(SUFFIXES)}")
    return found


def _piece(path: Path, stem_classes: tuple[str, ...]) -> Piece:
    sidecar = path.with_suffix(".toml")
    if not sidecar.is_file():
        return Piece(path=path, title=path.stem)
    try:
        told = read_toml(sidecar.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LiveBandModelError(f"{sidecar} is not TOML: {error}") from None
    stems = told.pop("stems", {})
    odd = [key for key, value in told.items() if key not in _WORDS or not isinstance(value, str)]
    if (
        odd
        or not isinstance(stems, dict)
        or any(name not in stem_classes or not isinstance(value, str) for name, value in stems.items())
    ):
        raise LiveBandModelError(
            f"{sidecar}: {', '.join(odd) or '[stems]'} not understood; accepted are texts {', '.join(_WORDS)} and a "
            f"table [stems] of files for {', '.join(stem_classes)}"
        )
    files = {name: path.parent / value for name, value in stems.items()}
    beats = path.parent / told.pop("beats") if "beats" in told else None
    for file in (*files.values(), *([beats] if beats else [])):
        if not file.is_file():
            raise LiveBandModelError(f"{sidecar} names {file}, which is not there")
    return Piece(path=path, stems=files, beats=beats, **{"title": path.stem, **told})


def read_stretch(path: Path, first_s: float, seconds: float, sample_rate: int) -> Audio:
    """[2, T] from `first_s` on at `sample_rate`, zero-padded at the end.

    Raises:
        LiveBandModelError: not audio that can be read.
    """
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            rate = file.samplerate
            file.seek(min(round(first_s * rate), file.frames))
            left, parts = min(round(seconds * rate), file.frames - file.tell()), []
            # A long Vorbis file is not read whole at once by some versions of libsndfile.
            while left > 0 and len(part := file.read(min(left, 65536), dtype="float32", always_2d=True)):
                parts.append(part)
                left -= len(part)
    except (OSError, RuntimeError) as error:
        raise LiveBandModelError(f"{path} is not audio that can be read: {error}") from None
    audio = np.concatenate(parts) if parts else np.zeros((0, 2), np.float32)
    audio = np.repeat(audio, 2, axis=1) if audio.shape[1] == 1 else audio[:, :2]
    if rate != sample_rate:
        audio = soxr.resample(audio, rate, sample_rate)
    result = np.zeros((2, round(seconds * sample_rate)), dtype=np.float32)
    result[:, : len(audio)] = np.nan_to_num(audio.T[:, : result.shape[1]])
    return result


def duration_s(path: Path) -> float:
    """Length of an audio file.

    Raises:
        LiveBandModelError: not audio that can be read.
    """
    import soundfile

    try:
        return float(soundfile.info(os.fsencode(path)).duration)
    except (OSError, RuntimeError) as error:
        raise LiveBandModelError(f"{path} is not audio that can be read: {error}") from None


def middle(piece: Piece, seconds: float, start_s: float) -> tuple[float, float]:
    """(begin, length) of the middle of a piece; a rule, so that nobody picks the stretch.

    Raises:
        LiveBandModelError: shorter than what is scored from `start_s` on, or not audio that can be read.
    """
    whole = duration_s(piece.path)
    if whole < start_s + 5:
        raise LiveBandModelError(f"{piece.path} lasts {whole:.1f} s; at least {start_s + 5:g} s are needed")
    long = min(seconds, whole)
    return (whole - long) / 2, long


def read_beats(path: Path) -> Floats:
    """Times in seconds: the first column of each line.

    Raises:
        LiveBandModelError: not such a file, or fewer than two beats.
    """
    try:
        beats = np.array([float(line.split()[0]) for line in path.read_text().splitlines() if line.strip()])
    except (OSError, ValueError) as error:
        raise LiveBandModelError(f"{path} is not a list of beat times: {error}") from None
    if len(beats) < 2 or not np.isfinite(beats).all() or (np.diff(beats) <= 0).any():
        raise LiveBandModelError(f"{path}: beat times must be two or more and increase")
    return beats


def as_track(piece: Piece, beats_s: Floats, downbeats_s: Floats, seconds: float, sample_rate: int) -> Track:
    """What a host that knows only these beats would state; bars of 4 where no first beats are known."""
    firsts = np.array([int(np.abs(beats_s - first).argmin()) for first in downbeats_s], dtype=np.int64)
    metre = int(np.median(np.diff(firsts))) if len(firsts) > 1 else 4
    phase = int(firsts[0]) if len(firsts) else 0
    numbers = (np.arange(len(beats_s)) - phase) % max(metre, 1) + 1
    return Track(
        name=piece.title,
        duration_s=seconds,
        sample_rate=sample_rate,
        stems=(),
        mix_path=piece.path,
        beats_s=beats_s,
        beat_in_bar=numbers.astype(np.int64),
        downbeats_s=beats_s[numbers == 1],
        chords=(),
        key=None,
        info={},
    )
