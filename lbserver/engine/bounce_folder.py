# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of recordings played along to: what is in it, what each one's stems are called, one of them played.

A file is done once: what is there already, of the same recording, settings and weights, to the byte, is skipped.
"""

import functools
import hashlib
import json
import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from lbmodels.contract.accompanist import Accompanist
from lbserver import __version__
from lbserver.audio.headers import ENDINGS, kind_of
from lbserver.audio.reading import Recording
from lbserver.audio.writing import BeingWrittenError
from lbserver.engine import backends
from lbserver.engine.bounce import BounceRequest, Take, bounce, output_names
from lbserver.errors import LiveBandError
from lbserver.files.paths import reason

_PIECE_BYTES = 1 << 20
_PATIENCE_S = 30.0
"""How long whoever did this before, and was stopped or lost its machine, may take to let go of its files."""


@dataclass(frozen=True, kw_only=True)
class Settings(Take):
    """What holds for every file of a folder."""

    model: str | None
    runtime: str
    device: str
    weights_id: str
    mix: bool = False
    mix_only: bool = False

    def identity(self) -> str:
        """A digest of all that a stem depends on beside its recording."""
        values = {**asdict(self), "version": __version__}
        del values["feed_samples"], values["model"]  # its weights count, not where they lie
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Item:
    """A recording, where its stems go, and what is known of what was written there before.

    `name` is its path within the folder. `before` maps the names of outputs to digests of their files, and `source` to
    that of the recording; empty where nothing is known.
    """

    name: str
    source: Path
    size_bytes: int
    outputs: Mapping[str, Path]
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an item: `done`, `skipped` or `failed` with a reason. `files` are as in a bounce's report, each with its
    digest.
    """

    name: str
    state: str
    reason: str = ""
    sha256: str = ""
    duration_s: float = 0.0
    compute_s: float = 0.0
    files: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is in a folder: recordings by their names in it, with their sizes in bytes; how many other files; and what cannot
    be looked into, with reasons.
    """

    folder: Path
    recordings: Mapping[str, int]
    others: int
    closed: Mapping[str, str]


def look_into(folder: Path, out: Path) -> Found:
    """Every recording below `folder`, but for what lies in `out` or begins with a dot. Links are followed, once.

    What counts is a file's ending; of a file without one, its first bytes.
    """
    recordings: dict[str, int] = {}
    closed: dict[str, str] = {}
    others = 0
    been = {_place(out)} if out.exists() else set()
    waiting = [folder]
    while waiting:
        inside = waiting.pop()
        name = str(inside.relative_to(folder))
        try:
            place = _place(inside)
            if place in been:
                continue
            been.add(place)
            entries = sorted(inside.iterdir())
        except OSError as error:
            closed[name] = reason(error, named=False)
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                found = entry.stat()
            except OSError as error:  # a link that leads nowhere
                if entry.suffix.lower() in ENDINGS:
                    closed[str(entry.relative_to(folder))] = reason(error, named=False)
                continue
            if stat.S_ISDIR(found.st_mode):
                waiting.append(entry)
            elif stat.S_ISREG(found.st_mode) and _is_recording(entry):
                recordings[str(entry.relative_to(folder))] = found.st_size
            else:
                others += 1
    return Found(folder=folder, recordings=dict(sorted(recordings.items())), others=others, closed=closed)


def _place(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _is_recording(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in ENDINGS
    try:
        with Recording(path) as recording:
            kind = kind_of(recording.look)
    except LiveBandError:
        return False
    return kind is not None and kind.is_audio


def plan(found: Found, out: Path, settings: Settings, before: Mapping[str, Mapping[str, str]]) -> list[Item]:
    """An item for each recording, the largest first: so no long one is left to the end alone.

    A stem lies in `out` where its recording lies in its folder, named after it; where two recordings differ in their
    endings only, the name keeps the ending.
    """
    titles = Counter(str(Path(name).with_suffix("")) for name in found.recordings)
    names = output_names(settings.stems, mix=settings.mix, mix_only=settings.mix_only)
    items = []
    for name, size in found.recordings.items():
        inner = Path(name)
        title = inner.name if titles[str(inner.with_suffix(""))] > 1 else inner.stem
        items.append(
            Item(
                name=name,
                source=(found.folder / name).absolute(),
                size_bytes=size,
                outputs={each: (out / inner.parent / f"{title}_{each}.wav").absolute() for each in names},
                before=before.get(name, {}),
            )
        )
    return sorted(items, key=lambda item: -item.size_bytes)


def clashes(items: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    """Items that would be written over by another's stems or write over a recording, and why.

    Files count, whatever names lead to them: a writer follows links, and `..` hides that two folders are one.
    """
    files = [[os.path.realpath(path) for path in item.outputs.values()] for item in items]
    writers = Counter(file for each in files for file in each)
    sources = {os.path.realpath(item.source): item.name for item in items}
    for item, each in zip(items, files, strict=True):
        for file in each:
            if writers[file] > 1:
                yield item, f"another stem would be written to {file} too: rename one of them"
                break
            if file in sources:
                yield (
                    item,
                    f"its stem would replace the recording {sources[file]}: choose another output folder",
                )
                break


def entry(settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """What a journal keeps of a recording that was played along to."""
    return {"settings": settings.identity(), **asdict(outcome)}


def known(entries: Iterable[Mapping[str, Any]], settings: Settings) -> dict[str, Mapping[str, str]]:
    """What a journal says was done with these settings, by the recording's name, as in an Item's `before`.

    Entries are believed in nothing but digests; of several for one recording the last counts.
    """
    found: dict[str, Mapping[str, str]] = {}
    identity = settings.identity()
    for each in entries:
        name, files = each.get("name"), each.get("files")
        if not isinstance(name, str) or not isinstance(files, list):
            continue
        pairs = [(file.get("name"), file.get("sha256")) for file in files if isinstance(file, dict)]
        digests = {str(stem): str(digest) for stem, digest in pairs}
        ours = each.get("settings") == identity
        found[name] = {"source": str(each.get("sha256")), **digests} if ours else {}
    return found


def play(settings: Settings, item: Item) -> Outcome:
    """Play along to one recording, unless that was done. Whatever is wrong with it is told in the outcome."""
    try:
        deadline_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return _play(settings, item)
            except BeingWrittenError:
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(0.1)
    except OSError as error:
        why = reason(error)
    except Exception as error:  # noqa: BLE001 (whatever it is, the others are played)
        why = str(error) if backends.is_user_error(error) else f"{type(error).__name__}: {error}"
    return Outcome(name=item.name, state="failed", reason=" ".join(why.split()))


def _play(settings: Settings, item: Item) -> Outcome:
    with Recording(item.source) as recording:
        seen = os.fstat(recording.descriptor)
        digest = hashlib.sha256()
        for at in range(0, recording.size, _PIECE_BYTES):
            digest.update(recording.look(at, _PIECE_BYTES))
        sha256 = digest.hexdigest()
        if _is_done(item, sha256):
            kept = [
                {"name": name, "path": str(path), "sha256": item.before[name]}
                for name, path in item.outputs.items()
            ]
            return Outcome(name=item.name, state="skipped", sha256=sha256, files=kept)
        accompanist = _accompanist(settings.model, settings.runtime, settings.device)
        if accompanist.spec.weights_id != settings.weights_id:
            raise LiveBandError(
                f"{os.uname().nodename} has other weights of {accompanist.spec.name}: install one version on every machine"
            )
        for folder in {path.parent for path in item.outputs.values()}:
            folder.mkdir(parents=True, exist_ok=True)
        take = {one.name: getattr(settings, one.name) for one in fields(Take)}
        request = BounceRequest(source=recording, outputs=item.outputs, **take)
        report = bounce(request, accompanist)
        after = os.fstat(recording.descriptor)
    if (seen.st_size, seen.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise LiveBandError("it was changed while it was read: let it be, and begin again")
    files = [{**file, "sha256": _digest(Path(file["path"]))} for file in report.as_json()["files"]]
    return Outcome(
        name=item.name,
        state="done",
        sha256=sha256,
        duration_s=report.duration_s,
        compute_s=report.compute_s,
        files=files,
    )


def _is_done(item: Item, sha256: str) -> bool:
    """Whether every stem is there as it was written, of this very recording."""
    if item.before.get("source") != sha256:
        return False
    try:
        return all(
            path.is_file() and _digest(path) == item.before.get(name) for name, path in item.outputs.items()
        )
    except OSError:
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=1)
def _accompanist(model: str | None, runtime: str, device: str) -> Accompanist:
    """One a process, for all that it plays."""
    return backends.load(model, runtime, device)
