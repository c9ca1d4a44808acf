# SPDX-License-Identifier: GPL-3.0-or-later
"""Reader of Slakh2100-layout folders: the real data set, and ours with its beats, chords and key.

Source: Manilow et al. 2019, "Cutting music source separation some Slakh" (folder layout, metadata fields).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.contract.stems import STEMS
from lbmodels.data.errors import DataError
from lbmodels.data.harmony import parse_label, pitch_class_vector
from lbmodels.documents import check_scalar

SPLITS = ("train", "validation", "test")
_MOST_METADATA_CHARACTERS = 2**20  # Slakh's own have 10,000
_MOST_METADATA_DEPTH = 16
_CLASSES = {stem.capitalize(): stem for stem in STEMS}


@dataclass(frozen=True, kw_only=True)
class Stem:
    """One stem of a track. `stem_class` is drums, bass, piano, guitar or other."""

    id: str
    stem_class: str
    program: int
    is_drum: bool
    path: Path


@dataclass(frozen=True, kw_only=True)
class ChordSpan:
    """A chord that sounds from `start_s` to `end_s`. `pitch_classes` is 0/1 [12], all zero for no chord; `bass` -1 then."""

    start_s: float
    end_s: float
    label: str
    pitch_classes: npt.NDArray[np.float32]
    bass: int


@dataclass(frozen=True, kw_only=True)
class Track:
    """One track: its audio files and whatever truth its folder holds (empty arrays, `()` and None where it lacks it).

    `beats_s` [n] and `beat_in_bar` [n] (1-based) belong together; `key` is 0-11 major by tonic, 12-23 minor, and
    `keys` the (start in seconds, key) of each stretch, from 0 on, of a track that may change it.
    """

    name: str
    duration_s: float
    sample_rate: int
    stems: tuple[Stem, ...]
    mix_path: Path
    beats_s: npt.NDArray[np.float64]
    beat_in_bar: npt.NDArray[np.int64]
    downbeats_s: npt.NDArray[np.float64]
    chords: tuple[ChordSpan, ...]
    key: int | None
    info: dict[str, Any]
    keys: tuple[tuple[float, int], ...] = ()

    def stems_of(self, stem_class: str) -> tuple[Stem, ...]:
        """Stems of one class, in file order."""
        return tuple(s for s in self.stems if s.stem_class == stem_class)


def find_tracks(root: Path, split: str) -> list[Path]:
    """Folders of a split's complete tracks, sorted by name.

    Raises:
        DataError: no such folder, or no track in it.
    """
    folder = Path(root) / split
    if not folder.is_dir():
        raise DataError(f"no {split!r} split in {root}; expected {folder}/TrackNNNNN folders")
    tracks = sorted(p.parent for p in folder.glob("Track*/metadata.yaml"))
    if not tracks:
        raise DataError(f"no tracks in {folder}; expected TrackNNNNN folders that hold a metadata.yaml")
    return tracks


def load_yaml(path: Path) -> dict[str, Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(_MOST_METADATA_CHARACTERS + 1)
        if len(text) > _MOST_METADATA_CHARACTERS:
            raise DataError(
                f"{path}: larger than {_MOST_METADATA_CHARACTERS} characters, no metadata of a track"
            )
        # The quick loader recurses in C: 100,000 brackets end the process. Its events do not recurse.
        depth = 0
        for event in yaml.parse(text, Loader=loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            check_scalar(event)
            if depth > _MOST_METADATA_DEPTH:
                raise DataError(
                    f"{path}: nested more than {_MOST_METADATA_DEPTH} deep, no metadata of a track"
                )
        data = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    except DataError:
        raise
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as exc:
        raise DataError(f"{path}: cannot be read as YAML ({exc.__class__.__name__})") from exc
    if not isinstance(data, dict) or not isinstance(data.get("stems"), dict):
        raise DataError(f"{path}: not a Slakh metadata file (it has no `stems` table)")
    return data


def _stem_path(folder: Path, stem_id: str) -> Path | None:
    for suffix in (".flac", ".wav", ".ogg"):
        path = folder / "stems" / f"{stem_id}{suffix}"
        if path.is_file():
            return path
    return None


def _read_stems(folder: Path, table: dict[str, Any]) -> tuple[Stem, ...]:
    stems = []
    for stem_id, entry in table.items():
        path = _stem_path(folder, str(stem_id))
        # Slakh lists stems that were never rendered; they have no file.
        if path is None or not isinstance(entry, dict):
            continue
        is_drum = bool(entry.get("is_drum", False))
        stem_class = "drums" if is_drum else _CLASSES.get(str(entry.get("inst_class")), "other")
        program = int(entry.get("program_num") or 0)
        stems.append(
            Stem(id=str(stem_id), stem_class=stem_class, program=program, is_drum=is_drum, path=path)
        )
    return tuple(stems)


def _rows(path: Path, columns: int) -> list[list[str]]:
    """Tab- or space-separated rows of a truth file; none where the file is missing."""
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split()
        if len(fields) < columns:
            raise DataError(f"{path}, line {number}: expected {columns} columns, got {len(fields)}")
        rows.append(fields[:columns])
    return rows


def read_beats(path: Path) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Times [n] in seconds and positions in the bar [n], 1-based, of a beats.txt; empty where it is missing."""
    rows = _rows(path, 2)
    try:
        times = np.array([float(r[0]) for r in rows], np.float64)
        numbers = np.array([int(float(r[1])) for r in rows], np.int64)
    except ValueError as exc:
        raise DataError(f"{path}: expected `seconds<TAB>beat in bar` ({exc})") from exc
    if np.any(np.diff(times) <= 0):
        raise DataError(f"{path}: beat times must rise")
    return times, numbers


def read_chords(path: Path) -> tuple[ChordSpan, ...]:
    """Spans of a chords.txt (`start<TAB>end<TAB>Harte label`); empty where it is missing."""
    spans = []
    for start, end, label in _rows(path, 3):
        try:
            start_s, end_s = float(start), float(end)
        except ValueError as exc:
            raise DataError(f"{path}: expected `start<TAB>end<TAB>label` ({exc})") from exc
        value = parse_label(label)
        spans.append(
            ChordSpan(
                start_s=start_s,
                end_s=end_s,
                label=label,
                pitch_classes=pitch_class_vector(value),
                bass=value.bass,
            )
        )
    return tuple(spans)


def _is_key(value: object) -> bool:
    return isinstance(value, int) and 0 <= value < 24


def _read_keys(rows: object, key: int | None, path: Path) -> tuple[tuple[float, int], ...]:
    """Stretches of one key each; of a track that states no more than its key, one."""
    if rows is None:
        return () if key is None else ((0.0, key),)
    try:
        keys = tuple((float(row["start_s"]), int(row["key"])) for row in rows)  # type: ignore[attr-defined]
    except (TypeError, KeyError, ValueError) as exc:
        raise DataError(f"{path}/metadata.yaml: keys must be a list of {{start_s, key}}") from exc
    starts = [start for start, _ in keys]
    if not keys or not all(_is_key(value) for _, value in keys) or starts != sorted(set(starts)):
        raise DataError(
            f"{path}/metadata.yaml: keys must have rising start_s and key 0..23, got {list(keys)}"
        )
    return keys


def read_track(path: Path) -> Track:
    """The track in a folder, audio left on disk.

    Raises:
        DataError: the folder is no Slakh track, or one of its files is damaged.
    """
    import soundfile

    path = Path(path)
    if not (path / "metadata.yaml").is_file():
        raise DataError(f"{path}: not a Slakh track folder (no metadata.yaml)")
    metadata = load_yaml(path / "metadata.yaml")
    stems = _read_stems(path, metadata["stems"])
    mix_path = next((p for p in (path / f"mix{s}" for s in (".flac", ".wav", ".ogg")) if p.is_file()), None)
    if mix_path is None:
        raise DataError(f"{path}: no mix.flac or mix.wav")
    try:
        audio = soundfile.info(os.fsencode(mix_path))
    except (RuntimeError, OSError) as exc:
        raise DataError(f"{mix_path}: not an audio file that can be read") from exc
    extra = metadata.get("liveband")
    info: dict[str, Any] = extra if isinstance(extra, dict) else {}
    key = info.get("key")
    if key is not None and not _is_key(key):
        raise DataError(f"{path}/metadata.yaml: key must be 0..23, got {key!r}")
    beats_s, beat_in_bar = read_beats(path / "beats.txt")
    return Track(
        name=path.name, duration_s=audio.frames / audio.samplerate, sample_rate=int(audio.samplerate), stems=stems,
        mix_path=mix_path, beats_s=beats_s, beat_in_bar=beat_in_bar, downbeats_s=beats_s[beat_in_bar == 1],
        chords=read_chords(path / "chords.txt"), key=key, info=info,
        keys=_read_keys(info.get("keys"), key, path),
    )  # fmt: skip
