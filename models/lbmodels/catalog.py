# SPDX-License-Identifier: GPL-3.0-or-later
"""Which models there are and where their weights lie. Knows no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lbmodels.documents import read_toml
from lbmodels.errors import LiveBandModelError


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """One entry of the manifest: an accompanist that ships."""

    name: str
    codec: str
    generator: str
    recipe: str
    description: str
    sha256: Mapping[str, str]
    default: bool = False
    timekeeper: str = ""
    chordkeeper: str = ""


@dataclass(frozen=True, kw_only=True)
class Located:
    """A model's files; `pinned` are the SHA-256 that its manifest tells by file name, None without a manifest.

    A model may have no timekeeper or no chordkeeper: it then knows of beat or chords what its host tells.
    """

    name: str
    codec: Path
    generator: Path
    pinned: Mapping[str, str] | None
    timekeeper: Path | None = None
    chordkeeper: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        paths = (self.codec, self.generator, self.timekeeper, self.chordkeeper)
        return tuple(path for path in paths if path is not None)


def weights_folder() -> Path:
    """The shipped weights: beside the package in a wheel, one folder up in a checkout."""
    here = Path(__file__).resolve().parent
    for folder in (here / "weights", here.parent / "weights"):
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
        cards = [ModelCard(name=name, **table) for name, table in tables.items()]
    except (OSError, ValueError, TypeError) as error:
        line = " ".join(str(error).split())[:160]
        raise LiveBandModelError(f"{manifest} is damaged: {line}; reinstall liveband") from None
    return sorted(cards, key=lambda card: not card.default)


def whole_name(name: str) -> str:
    """A name that means the same in every current folder: of a folder of weights, its absolute path."""
    return str(Path(name).absolute()) if _is_folder(name, available()) else name


def _is_folder(name: str, cards: list[ModelCard]) -> bool:
    """A folder that happens to be called as a model that ships is not meant by it; `./` before it means it."""
    return all(card.name != name for card in cards) and os.path.isdir(name)  # noqa: PTH112 (False for any name)


def locate(name: str | None = None) -> Located:
    """The files of a model by name (the manifest's default for None), or in a folder that holds
    codec.safetensors, generator.safetensors and perhaps timekeeper.safetensors and chordkeeper.safetensors. Whether the
    first two are there is not looked at.

    Raises:
        LiveBandModelError: unknown name.
    """
    cards = available()
    chosen = [card for card in cards if card.name == name or (name is None and card.default)]
    if name is not None and _is_folder(name, cards):
        folder = Path(name)
        timekeeper, chordkeeper = (folder / f"{name}.safetensors" for name in ("timekeeper", "chordkeeper"))
        return Located(
            name=folder.name,
            codec=folder / "codec.safetensors",
            generator=folder / "generator.safetensors",
            pinned=None,
            timekeeper=timekeeper if timekeeper.is_file() else None,
            chordkeeper=chordkeeper if chordkeeper.is_file() else None,
        )
    if not chosen:
        known = ", ".join(card.name for card in cards) or "none"
        if name is None:
            raise LiveBandModelError(
                "no model ships with this copy; train one, or give a folder with weights"
            )
        raise LiveBandModelError(
            f"unknown model {name[:80]!r}; there are: {known}, or give a folder with weights"
        )
    card, folder = chosen[0], weights_folder()
    return Located(
        name=card.name,
        codec=folder / card.codec,
        generator=folder / card.generator,
        pinned=card.sha256,
        timekeeper=folder / card.timekeeper if card.timekeeper else None,
        chordkeeper=folder / card.chordkeeper if card.chordkeeper else None,
    )
