# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained weights into a folder that ships them, and the mean of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.families.loading import assemble
from lbmodels.families.registry import family
from lbmodels.folders import write_whole
from lbmodels.weights.manifest import Located, ModelCard, available, rewrite_manifest, sha256
from lbmodels.weights.modules import load_part, module_of, read_weights, save_weights
from lbmodels.weights.part import Part


def average(part: Part[Any], files: Sequence[Path], target: Path) -> Path:
    """The mean of a part of one run, taken at several steps (Wortsman 2022: it often beats each of them).

    What only some of them have, as the first layers of a steering that came later, is the mean over those. Sizes are the
    last file's.

    Raises:
        LiveBandModelError: fewer than two files, or files of different sizes.
    """
    if len(files) < 2:
        raise LiveBandModelError(f"a mean needs 2 files or more, got {len(files)}")
    read = [read_weights(file, part.kind) for file in files]
    mean = {}
    for name, last in read[-1][1].items():
        found = [tensors[name].float() for _, tensors in read if name in tensors]
        if any(tensor.shape != last.shape for tensor in found):
            raise LiveBandModelError(f"{name} has different sizes in {', '.join(map(str, files))}")
        mean[name] = torch.stack(found).mean(0).to(last.dtype)
    module = module_of(part, read[-1][0], mean, files[-1].name)
    return save_weights(target, module, kind=part.kind, config=module.config)


def publish(
    name: str,
    parts: Mapping[str, Path],
    *,
    family_name: str = "liveband",
    recipe: str,
    description: str,
    card: str,
    folder: Path,
    trim_db: tuple[float, ...] = (),
    default: bool = True,
) -> ModelCard:
    """Put a model's weights into `folder` in half precision, with its card, and enter it in the manifest.

    The entry becomes the default, unless `default` is false; an entry of the same name is replaced. A file of
    another entry in `folder` stays that file. `card` is Markdown. `trim_db` is a gain for each
    stem, by which the model was measured to play too softly; empty keeps the generator's own.

    Raises:
        LiveBandModelError: a part is missing or not one of the family's, damaged, or they do not belong together.
    """
    kind = family(family_name)
    found = Located(name=name, family=family_name, parts=dict(parts), pinned=None)
    assemble(found)
    folder.mkdir(parents=True, exist_ok=True)
    others = [other for other in available(folder) if other.name != name]
    shared = {(folder / file).resolve(): file for other in others for file in other.parts.values()}
    files = {}
    for part in (kind.part(part_name) for part_name in parts):
        module = load_part(part, parts[part.name])
        config: Any = module.config
        if trim_db and hasattr(config, "trim_db"):
            config = replace(config, trim_db=trim_db)
        elif (same := shared.get(parts[part.name].resolve())) is not None:
            files[part.name] = same
            continue
        files[part.name] = f"{name}-{part.name}.safetensors"
        save_weights(folder / files[part.name], module, kind=part.kind, config=config, half=True)
    entry = ModelCard(
        name=name,
        family=family_name,
        parts=files,
        recipe=recipe,
        description=description,
        sha256={file: sha256(folder / file) for file in files.values()},
        default=default,
    )
    if default:
        others = [replace(other, default=False) for other in others]
    rewrite_manifest([entry, *others] if default else [*others, entry], folder)
    write_whole(folder / f"{name}.md", card.encode())
    return entry
