# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder that holds Magenta RealTime 2: the published files as they came, what they are, and a card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic import mapped, published
from lbmodels.families.livemusic.conditioning import CHANNEL_SIZES
from lbmodels.families.livemusic.depthformer import PUBLISHED, Depthformer, DepthformerConfig
from lbmodels.families.livemusic.spectrostream import Decoder, Encoder, Quantiser
from lbmodels.folders import whole_folder
from lbmodels.weights.modules import construct

FORMAT = "liveband-mrt2-1"
LEVELS = 12
_CHECKPOINT, _FACTS, _CARD = "checkpoint.safetensors", "model.json", "card.md"
_PARTS = ("decoder", "quantizer")
_MOST_WINDOW = 4096

CARD = """# {name}

Magenta RealTime 2 by Google DeepMind (2026), from files that you have: nothing of it ships with LiveBand.

| | |
|---|---|
| Code of the original | Apache-2.0, github.com/magenta/magenta-realtime |
| Weights | CC BY 4.0, Google LLC: name them where you publish what they made |
| Language model | {millions:.1f} million numbers, {layers} layers of {dim}, window of {window} frames and the present one |
| Codec | SpectroStream, 48 kHz stereo, 25 frames a second, 12 of 64 levels, encoder {encoder} |
| Listens to | its own last frames, style tokens, notes, drums; not to your music, unless it is injected |

It is not real time on a CPU: on one core the small one was measured at about a tenth of real time, with numbers of
random weights, which cost the same. It needs a GPU to be played live.

| file | sha256 |
|---|---|
{files}
"""


@dataclass(frozen=True, kw_only=True)
class MagentaRealTime:
    """The loaded parts; without an encoder nothing can be prefilled or injected."""

    language_model: Depthformer
    decoder: Decoder
    quantiser: Quantiser
    encoder: Encoder | None


def _config(tensors: Mapping[str, Tensor], past_window: int | None) -> tuple[str, DepthformerConfig]:
    """Its name and sizes; the window follows from the sizes where they are published ones."""
    shapes = {key: tuple(value.shape) for key, value in tensors.items()}
    if past_window is not None and not 1 <= past_window <= _MOST_WINDOW:
        raise LiveBandModelError(f"past window {past_window}: accepted is 1 to {_MOST_WINDOW} frames")
    for name, known in PUBLISHED.items():
        found = published.sizes(
            shapes, past_window=known.past_window, levels=LEVELS, channel_sizes=CHANNEL_SIZES
        )
        if found == known and past_window in (None, known.past_window):
            return f"mrt2-{name}", found
    if past_window is None:
        raise LiveBandModelError(
            f"checkpoint: {found.temporal.layers} layers of {found.temporal.dim} are neither small (12 of 1024) nor base "
            "(20 of 3072); say its --past-window"
        )
    return "mrt2", published.sizes(
        shapes, past_window=past_window, levels=LEVELS, channel_sizes=CHANNEL_SIZES
    )


def _known(tensors: Mapping[str, Tensor], prefixes: tuple[str, ...], name: str) -> None:
    odd = sorted(key for key in tensors if not key.startswith(prefixes))
    if odd:
        raise LiveBandModelError(f"{name} does not fit: left over: {', '.join(odd[:5])[:300]}")


def _codec(tensors: Mapping[str, Tensor], prefix: str, name: str) -> tuple[Decoder, Quantiser]:
    table = tensors.get(f"{prefix}quantizer/embedding")
    if table is None or table.dim() != 3:
        raise LiveBandModelError(
            f"{name} does not fit: missing: {prefix}quantizer/embedding [levels, codes, 256]"
        )
    decoder = published.fit(Decoder(), tensors, f"{prefix}decoder/", name)
    quantiser = construct(lambda: Quantiser(*table.shape), {}, tensors, name)
    return decoder, published.fit(quantiser, tensors, f"{prefix}quantizer/", name)


def _load(
    files: Mapping[str, Path], past_window: int | None
) -> tuple[str, DepthformerConfig, MagentaRealTime]:
    """From files by part: checkpoint, and decoder, quantizer, encoder where they are files of their own."""
    tensors = mapped.read(files["checkpoint"])
    name = files["checkpoint"].name
    _known(tensors, (published.DEPTHFORMER, published.JOINT_SPECTROSTREAM), name)
    told, config = _config(tensors, past_window)
    model = construct(lambda: Depthformer(config), {}, tensors, name)
    published.fit(model, tensors, published.DEPTHFORMER, name)
    prefix, where = published.JOINT_SPECTROSTREAM, name
    if not any(key.startswith(prefix) for key in tensors):
        prefix, where = published.SPECTROSTREAM, "spectrostream"
        missing = [part for part in _PARTS if part not in files]
        if missing:
            raise LiveBandModelError(
                f"{name} has no {prefix}soundstream/; give --resources with spectrostream/{missing[0]}.safetensors"
            )
        tensors = {key: value for part in _PARTS for key, value in mapped.read(files[part]).items()}
        _known(tensors, tuple(f"{prefix}{part}/" for part in _PARTS), where)
    decoder, quantiser = _codec(tensors, prefix, where)
    encoder = None
    if "encoder" in files:
        found = mapped.read(files["encoder"])
        key = f"{published.SPECTROSTREAM}encoder/"
        _known(found, (key,), files["encoder"].name)
        encoder = published.fit(Encoder(), found, key, files["encoder"].name)
    return (
        told,
        config,
        MagentaRealTime(language_model=model, decoder=decoder, quantiser=quantiser, encoder=encoder),
    )


def _sources(checkpoint: Path, resources: Path | None) -> dict[str, Path]:
    files = {"checkpoint": checkpoint}
    if resources is None:
        return files
    if not resources.is_dir():
        raise LiveBandModelError(
            f"resources not found: {resources}; accepted is the published folder of that name"
        )
    for part in ("encoder", *_PARTS):
        path = resources / "spectrostream" / f"{part}.safetensors"
        if path.is_file():
            files[part] = path
    if "encoder" not in files:
        raise LiveBandModelError(
            f"{resources} has no spectrostream/encoder.safetensors; leave --resources out to do without"
        )
    return files


def make(
    checkpoint: Path, resources: Path | None, folder: Path, *, past_window: int | None = None
) -> Iterator[str]:
    """Check the files and put them into `folder`; what was made, line by line.

    Raises:
        LiveBandModelError: a file is missing, damaged, or its tensors are not the published ones, each named.
    """
    files = _sources(checkpoint, resources)
    name, config, model = _load(files, past_window)
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / _FACTS).is_file())
    ):
        raise LiveBandModelError(f"{folder} is there and no model folder of ours; give another one")
    millions = sum(p.numel() for p in model.language_model.parameters()) / 1e6
    with whole_folder(folder, last=_FACTS) as part:
        digests = {}
        for what, path in files.items():
            target = part / f"{what}.safetensors"
            shutil.copyfile(path, target)
            digests[target.name] = mapped.sha256(target)
        facts = {"format": FORMAT, "name": name, "past_window": config.past_window, "sha256": digests}
        (part / _FACTS).write_text(json.dumps(facts, indent=1) + "\n")
        (part / _CARD).write_text(
            CARD.format(
                name=name,
                millions=millions,
                layers=config.temporal.layers,
                dim=config.temporal.dim,
                window=config.past_window,
                encoder="here" if model.encoder else "not here: no prefill from audio, no injection",
                files="\n".join(f"| {file} | {digest} |" for file, digest in digests.items()),
            )
        )
    yield f"{name}: {millions:.1f} million numbers in {folder}"
    if model.encoder is None:
        yield "no encoder: prefill from audio and injection need --resources"
    yield "weights CC BY 4.0, Google LLC; on a CPU it is not real time: see card.md"


def load(folder: Path) -> MagentaRealTime:
    """What `make` made, its files compared with their checksums.

    Raises:
        LiveBandModelError: no such folder, of another kind, or files that were changed.
    """
    try:
        facts: Any = read_json((folder / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LiveBandModelError(
            f"{folder} is no model folder of Magenta RealTime 2: it has no {_FACTS}"
        ) from None
    if (
        not isinstance(facts, dict)
        or facts.get("format") != FORMAT
        or not isinstance(facts.get("sha256"), dict)
    ):
        raise LiveBandModelError(f"{folder}/{_FACTS} is of another kind; wanted {FORMAT}")
    allowed = {f"{part}.safetensors" for part in ("checkpoint", "encoder", *_PARTS)}
    window = facts.get("past_window")
    if (
        not set(facts["sha256"]) <= allowed
        or _CHECKPOINT not in facts["sha256"]
        or not isinstance(window, int)
    ):
        raise LiveBandModelError(f"{folder}/{_FACTS} is damaged: files {sorted(facts['sha256'])[:5]}")
    files = {}
    for file, digest in facts["sha256"].items():
        path = folder / file
        if not path.is_file() or mapped.sha256(path) != digest:
            raise LiveBandModelError(f"{path} is missing or was changed; import it again")
        files[path.stem] = path
    return _load(files, window)[2]
