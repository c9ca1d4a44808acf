# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: safetensors files that carry their own configuration, and the manifest of those that ship."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from lbmodels.config import build
from lbmodels.errors import LiveBandModelError

if TYPE_CHECKING:
    from lbmodels.codec.autoencoder import Codec
    from lbmodels.liveband.accompanist import LiveBandAccompanist

FORMAT = "liveband-weights-1"


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
    tables = tomllib.loads(manifest.read_text()) if manifest.is_file() else {}
    cards = [ModelCard(name=name, **table) for name, table in tables.items()]
    return sorted(cards, key=lambda card: not card.default)


def save_weights(path: Path, model: nn.Module, *, kind: str, config: Any, half: bool = False) -> Path:
    """Write a module with the configuration that rebuilds it; `half` stores float16."""
    tensors = {
        name: (t.half() if half and t.dtype == torch.float32 and t.dim() > 1 else t).contiguous().cpu()
        for name, t in model.state_dict().items()
    }
    header = {"format": FORMAT, "kind": kind, "config": json.dumps(asdict(config))}
    part = path.with_suffix(".part")
    safetensors.torch.save_file(tensors, part, metadata=header)
    part.replace(path)
    return path


def read_weights(path: Path, kind: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and tensors of a weights file.

    Raises:
        LiveBandModelError: not there, truncated, or not of this `kind`.
    """
    if not path.is_file():
        raise LiveBandModelError(f"weights not found: {path}")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise LiveBandModelError(f"weights {path.name} are truncated or not safetensors ({error})") from None
    if header.get("format") != FORMAT or header.get("kind") != kind:
        found = header.get("kind", "none of ours")
        raise LiveBandModelError(
            f"weights {path.name} are foreign: kind {found!r}, wanted {kind!r} in {FORMAT}"
        )
    try:
        config = json.loads(header.get("config", ""))
    except json.JSONDecodeError:
        config = None
    if not isinstance(config, dict):
        raise LiveBandModelError(f"weights {path.name} carry no configuration: written by another program")
    return config, tensors


def fill(model: nn.Module, tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Load strictly, in float32.

    Raises:
        LiveBandModelError: a tensor is missing, left over or of another shape.
    """
    try:
        model.load_state_dict({k: t.float() if t.is_floating_point() else t for k, t in tensors.items()})
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise LiveBandModelError(f"weights {name} do not fit their configuration: {line}") from None
    model.eval().requires_grad_(False)


def load_codec(path: Path) -> Codec:
    """The autoencoder of a weights file, ready to run."""
    from lbmodels.codec.autoencoder import Codec, CodecConfig

    config, tensors = read_weights(path, "codec")
    sizes = build(CodecConfig, config, path.name)
    try:
        codec = Codec(sizes)
    except (ValueError, RuntimeError) as error:
        raise LiveBandModelError(f"weights {path.name} have impossible sizes: {error}") from None
    fill(codec, tensors, path.name)
    return codec


def load(name: str | None = None) -> LiveBandAccompanist:
    """An accompanist by name (the manifest's default for None), or from a folder that holds
    codec.safetensors and generator.safetensors.

    Raises:
        LiveBandModelError: unknown name, or weights that are missing, damaged or foreign.
    """
    cards = available()
    if name is not None and os.path.isdir(name):  # noqa: PTH112 (False for any name, even one too long)
        folder = Path(name)
        return assemble(folder.name, folder / "codec.safetensors", folder / "generator.safetensors")
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
    card, folder = chosen[0], weights_folder()
    for file, digest in card.sha256.items():
        if (folder / file).is_file() and sha256(folder / file) != digest:
            raise LiveBandModelError(
                f"weights {file} differ from the manifest: truncated or foreign; reinstall them"
            )
    return assemble(card.name, folder / card.codec, folder / card.generator)


def assemble(name: str, codec_file: Path, generator_file: Path) -> LiveBandAccompanist:
    """Put an accompanist together from its two weights files.

    Raises:
        LiveBandModelError: a file is missing, damaged, foreign, or the two are not a pair.
    """
    from lbmodels.liveband.accompanist import LiveBandAccompanist
    from lbmodels.liveband.generator import Generator, GeneratorConfig

    codec = load_codec(codec_file)
    config, tensors = read_weights(generator_file, "liveband-generator")
    sizes = build(GeneratorConfig, config, generator_file.name)
    try:
        generator = Generator(sizes)
    except (ValueError, RuntimeError, ZeroDivisionError) as error:
        raise LiveBandModelError(f"weights {generator_file.name} have impossible sizes: {error}") from None
    fill(generator, tensors, generator_file.name)
    identity = sha256(generator_file)[:12]
    return LiveBandAccompanist(name, codec, generator, weights_id=identity, recipe="liveband").eval()


def publish(
    name: str,
    codec_file: Path,
    generator_file: Path,
    *,
    recipe: str,
    description: str,
    card: str,
    folder: Path,
) -> ModelCard:
    """Put a pair of weights into `folder` in half precision, with its card, and enter it in the manifest.

    The entry becomes the default; an entry of the same name is replaced. `card` is Markdown.
    """
    accompanist = assemble(name, codec_file, generator_file)
    codec, generator = accompanist.codec, accompanist.generator
    folder.mkdir(parents=True, exist_ok=True)
    files = {"codec": f"{name}-codec.safetensors", "generator": f"{name}-generator.safetensors"}
    save_weights(folder / files["codec"], codec, kind="codec", config=codec.config, half=True)
    save_weights(
        folder / files["generator"], generator, kind="liveband-generator", config=generator.config, half=True
    )
    entry = ModelCard(
        name=name,
        **files,
        recipe=recipe,
        description=description,
        sha256={file: sha256(folder / file) for file in files.values()},
        default=True,
    )
    others = [replace(c, default=False) for c in available(folder) if c.name != name]
    (folder / "manifest.toml").write_text("\n".join(_table(c) for c in (entry, *others)))
    (folder / f"{name}.md").write_text(card)
    return entry


def _table(card: ModelCard) -> str:
    """One manifest entry as TOML."""
    lines = [f"[{card.name}]"]
    for key in ("codec", "generator", "recipe", "description", "default"):
        lines.append(f"{key} = {json.dumps(getattr(card, key))}")
    lines.append(f"[{card.name}.sha256]")
    lines += [f"{json.dumps(file)} = {json.dumps(digest)}" for file, digest in card.sha256.items()]
    return "\n".join(lines) + "\n"
