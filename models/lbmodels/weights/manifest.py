# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models there are, of which families, and where the weights of their parts lie. Knows no torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lbmodels.documents import read_toml
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import write_whole
from lbmodels.former_names import formerly, today
from lbmodels.weights import checks

_DEFAULT_FAMILY = "liveband"
_FIRST_PARTS = ("codec", "generator", "beat_tracker", "chord_tracker")
"""Of entries of the manifest's first version, which knew one family and named its parts beside everything else."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One entry of a manifest: an accompanist that ships. `parts`: name of the part -> file; `sha256`: file -> digest.

    `graphs`: runtime -> the file of its exported step, which plays without torch; `made_by`: runtime -> the exporter.
    `memory_bytes`: by how much a process grew that played it on the first of them; 0 where nobody measured.
    """

    name: str
    parts: Mapping[str, str]
    recipe: str
    description: str
    sha256: Mapping[str, str]
    family: str = _DEFAULT_FAMILY
    default: bool = False
    graphs: Mapping[str, str] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Located:
    """A model's files by part; `pinned` are the SHA-256 that its manifest tells by file name, None without a manifest."""

    name: str
    parts: Mapping[str, Path]
    pinned: Mapping[str, str] | None
    family: str = _DEFAULT_FAMILY
    recipe: str = field(default="", compare=False)
    graphs: Mapping[str, Path] = field(default_factory=dict, compare=False)
    made_by: Mapping[str, str] = field(default_factory=dict, compare=False)
    measured_bytes: int = field(default=0, compare=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return tuple(self.parts.values())

    @property
    def memory_bytes(self) -> int:
        """About the memory that it takes to play it: as measured when it was published, else its weights in float32."""
        return self.measured_bytes or sum(checks.loaded_bytes(file) for file in self.files)


def weights_folder() -> Path:
    """The shipped weights: beside the package's code in a wheel, one folder up in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "shipped", package.parent / "weights"):
        if folder.is_dir():
            return folder
    raise LiveBandModelError("no weights folder found beside lbmodels; reinstall liveband")


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def available(folder: Path | None = None) -> list[ModelCard]:
    """The accompanists of a folder's manifest (the shipped ones for None), the default first."""
    manifest = (folder or weights_folder()) / "manifest.toml"
    try:
        tables = read_toml(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        cards = [ModelCard(name=name, **_brought_up(table)) for name, table in tables.items()]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        line = " ".join(str(error).split())[:160]
        raise LiveBandModelError(f"{manifest} is damaged: {line}; reinstall liveband") from None
    return sorted(cards, key=lambda card: not card.default)


def _brought_up(table: Mapping[str, Any]) -> dict[str, Any]:
    """An entry as this version has it, whichever wrote it."""
    entry = {today(key): value for key, value in table.items()}
    if "parts" not in entry:
        entry["parts"] = {name: entry.pop(name) for name in _FIRST_PARTS if entry.get(name)}
        for name in _FIRST_PARTS:
            entry.pop(name, None)
    for table_name in ("parts", "sha256", "graphs", "made_by"):
        texts = entry.get(table_name, {} if table_name in ("graphs", "made_by") else None)
        if not isinstance(texts, Mapping) or not all(isinstance(text, str) for text in texts.values()):
            raise ValueError(f"{table_name} is no table of texts")
    if type(entry.get("memory_bytes", 0)) is not int:
        raise ValueError("memory_bytes is no whole number")
    entry["parts"] = {today(name): file for name, file in entry["parts"].items()}
    return entry


def to_toml(card: ModelCard) -> str:
    """One entry of a manifest."""
    lines = [f"[{card.name}]"]
    for key in (
        "family",
        "recipe",
        "description",
        "default",
        *(("memory_bytes",) if card.memory_bytes else ()),
    ):
        lines.append(f"{key} = {json.dumps(getattr(card, key))}")
    for key in ("parts", "graphs", "made_by", "sha256"):
        lines.append(f"[{card.name}.{key}]")
        lines += [f"{json.dumps(name)} = {json.dumps(text)}" for name, text in getattr(card, key).items()]
    return "\n".join(lines) + "\n"


def write_manifest(
    folder: Path, family: str, parts: Sequence[str], *, recipe: str, description: str, name: str | None = None
) -> ModelCard:
    """Make a folder with files called as the parts of one model a model of its own, named as the folder for None."""
    files = {part: f"{part}.safetensors" for part in parts}
    card = ModelCard(
        name=re.sub(r"[^A-Za-z0-9_-]", "-", name or folder.resolve().name) or family,
        family=family,
        parts=files,
        recipe=recipe,
        description=description,
        sha256={file: sha256(folder / file) for file in files.values()},
        default=True,
    )
    write_whole(folder / "manifest.toml", to_toml(card).encode())
    return card


def rewrite_manifest(cards: Sequence[ModelCard], folder: Path) -> None:
    """Write a folder's manifest anew."""
    write_whole(folder / "manifest.toml", "\n".join(map(to_toml, cards)).encode())


def whole_name(name: str) -> str:
    """A name that means the same in every current folder: of a folder of weights, its absolute path."""
    return str(Path(name).absolute()) if _is_folder(name, available()) else name


def _is_folder(name: str, cards: list[ModelCard]) -> bool:
    """A folder that happens to be called as a model that ships is not meant by it; `./` before it means it."""
    return all(card.name != name for card in cards) and os.path.isdir(name)  # noqa: PTH112 (False for any name)


def locate(name: str | None = None) -> Located:
    """The files of a model by name (the manifest's default for None), or in a folder.

    A folder holds a manifest with one entry or more, of which the default counts, or the parts of a model of LiveBand, each
    called as the part: codec.safetensors, generator.safetensors, perhaps others. Whether files are there is not looked at.

    Raises:
        LiveBandModelError: unknown name.
    """
    cards = available()
    if name is not None and _is_folder(name, cards):
        folder = Path(name)
        own = available(folder)
        if own:
            return located(own[0], folder)
        paths = {part: _file_of(part, folder) for part in _FIRST_PARTS}
        parts = {part: path for part, path in paths.items() if path.is_file() or part in _FIRST_PARTS[:2]}
        return Located(name=folder.name, parts=parts, pinned=None)
    chosen = [card for card in cards if card.name == name or (name is None and card.default)]
    if not chosen:
        known = ", ".join(card.name for card in cards) or "none"
        if name is None:
            raise LiveBandModelError(
                "no model ships with this copy; train one, or give a folder with weights"
            )
        raise LiveBandModelError(
            f"unknown model {name[:80]!r}; there are: {known}, or give a folder with weights"
        )
    return located(chosen[0], weights_folder())


def _file_of(part: str, folder: Path) -> Path:
    """The file called as a part in a folder, by a former name of it where an earlier release wrote the folder."""
    file, *former = (folder / f"{name}.safetensors" for name in (part, *formerly(part)))
    return next((path for path in (file, *former) if path.is_file()), file)


def located(card: ModelCard, folder: Path) -> Located:
    """Where the files of a card are. Raises LiveBandModelError: the manifest names a file outside of its folder."""
    for file in (*card.parts.values(), *card.graphs.values()):
        if Path(file).name != file:
            raise LiveBandModelError(
                f"{folder / 'manifest.toml'} names {file[:80]!r}: accepted are files beside it"
            )
    parts = {part: folder / file for part, file in card.parts.items()}
    return Located(
        name=card.name,
        family=card.family,
        parts=parts,
        pinned=card.sha256,
        graphs={runtime: folder / file for runtime, file in card.graphs.items()},
        made_by=card.made_by,
        measured_bytes=card.memory_bytes,
    )
