# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights: safetensors files that carry their own configuration, and the manifest of those that ship."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import safetensors
import safetensors.torch
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from lbmodels import weights_file
from lbmodels.catalog import ModelCard, available, locate, sha256
from lbmodels.config import build
from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError

if TYPE_CHECKING:
    from lbmodels.codec.autoencoder import Codec
    from lbmodels.listening.chordkeeper import Chordkeeper
    from lbmodels.listening.timekeeper import Timekeeper
    from lbmodels.liveband.accompanist import LiveBandAccompanist
    from lbmodels.liveband.generator import Generator

M = TypeVar("M", bound=nn.Module)
FORMAT = "liveband-weights-1"
# What a size in a weights header may be, 1 to 16384 if it is not named here: a header is a stranger's word.
_LEAST_SIZES = dict.fromkeys(
    ("anticipation_max", "noise", "style", "semitones", "delay_strides", "decoder_depth", "encoder_columns", "decoder_columns"), 0
) | {"sample_rate": 8_000}  # fmt: skip
_MOST_SIZES = {
    "sample_rate": 192_000, "depth": 64, "decoder_depth": 64, "encoder_column_depth": 64, "decoder_column_depth": 64,
    "high_bands": 1024, "low_bins": 8192, "semitones": 256,
}  # fmt: skip
_MOST_NUMBER = 1e6


def save_weights(path: Path, model: nn.Module, *, kind: str, config: Any, half: bool = False) -> Path:
    """Write a module with the configuration that rebuilds it; `half` stores float16."""
    tensors = {
        name: (t.half() if half and t.dtype == torch.float32 and t.dim() > 1 else t).contiguous().cpu()
        for name, t in model.state_dict().items()
    }
    header = {"format": FORMAT, "kind": kind, "config": json.dumps(asdict(config))}
    digest = weights_file.digest_of(safetensors.torch.save(tensors, header))
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    safetensors.torch.save_file(tensors, part, metadata=header | {weights_file.DIGEST: digest})
    part.replace(path)
    return path


def read_weights(
    path: Path, kind: str, digest: str | None = None
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and tensors of a weights file; `digest` pins the SHA-256 of the whole file.

    Raises:
        LiveBandModelError: not there, truncated, damaged, not of this `kind` or not the pinned file.
    """
    data = weights_file.read_bytes(path)
    if digest is not None and hashlib.sha256(data).hexdigest() != digest:
        raise LiveBandModelError(
            f"weights {path.name} differ from the manifest: truncated or foreign; reinstall them"
        )
    header = weights_file.check(data, f"weights {path.name}").metadata
    if header.get("format") != FORMAT or header.get("kind") != kind:
        found = header.get("kind", "none of ours")
        raise LiveBandModelError(
            f"weights {path.name} are foreign: kind {found[:80]!r}, wanted {kind!r} in {FORMAT}"
        )
    if not header.keys() <= {"format", "kind", "config", weights_file.DIGEST}:
        raise LiveBandModelError(
            f"weights {path.name} are damaged or foreign: metadata {sorted(header)}"[:300]
        )
    try:
        config = read_json(header.get("config", ""))
    except ValueError as error:
        raise LiveBandModelError(
            f"weights {path.name}: their configuration cannot be read: {error}"
        ) from None
    if not isinstance(config, dict):
        raise LiveBandModelError(f"weights {path.name} carry no configuration: written by another program")
    try:
        tensors = safetensors.torch.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise LiveBandModelError(f"weights {path.name} are truncated or not safetensors ({error})") from None
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


class _Budget(TorchFunctionMode):
    """Stops a module under construction that asks for more numbers than its weights can fill."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.left = most

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not any(isinstance(value, torch.Tensor) for value in args):
            self.left -= result.numel()
            if self.left < 0:
                raise ValueError("larger than the file that should fill them")
        return result


def construct(
    make: Callable[[], M], config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str
) -> M:
    """A module whose sizes come from a file: it may ask for no more memory than the file's tensors account for.

    Raises:
        LiveBandModelError: sizes out of range, or that do not go together.
    """
    for key, value in config.items():
        least, most = _LEAST_SIZES.get(key, 1), _MOST_SIZES.get(key, 2**14)
        if isinstance(value, float) and not abs(value) <= _MOST_NUMBER:
            raise LiveBandModelError(f"weights {name} have an impossible {key}: {value:g}")
        if isinstance(value, int) and not isinstance(value, bool) and not least <= value <= most:
            raise LiveBandModelError(
                f"weights {name} have impossible sizes: {key} is {least} to {most}, got {value}"
            )
    # Besides its weights a module holds tables that are not saved; those stay below 4 million numbers.
    budget = 4 * sum(tensor.numel() for tensor in tensors.values()) + 2**22
    try:
        with _Budget(budget):
            return make()
    except (ValueError, RuntimeError, ZeroDivisionError, IndexError) as error:
        line = " ".join(str(error).split())[:200]
        raise LiveBandModelError(f"weights {name} have impossible sizes: {line}") from None


def load_codec(path: Path, digest: str | None = None) -> Codec:
    """The autoencoder of a weights file, ready to run; `digest` pins the SHA-256 of the file."""
    from lbmodels.codec.autoencoder import Codec, CodecConfig

    config, tensors = read_weights(path, "codec", digest)
    sizes = build(CodecConfig, config, path.name)
    codec = construct(lambda: Codec(sizes), config, tensors, path.name)
    if sizes.step > sizes.window:
        raise LiveBandModelError(
            f"weights {path.name} have impossible sizes: step {sizes.step}, window {sizes.window}"
        )
    fill(codec, tensors, path.name)
    return codec


def load_generator(path: Path, digest: str | None = None) -> Generator:
    """The generator of a weights file, ready to run; `digest` pins the SHA-256 of the file."""
    return _generator(*read_weights(path, "liveband-generator", digest), path.name)


def _generator(config: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], name: str) -> Generator:
    from lbmodels.liveband.generator import Generator, GeneratorConfig

    sizes = build(GeneratorConfig, config, name)
    generator = construct(lambda: Generator(sizes), config, tensors, name)
    fill(generator, tensors, name)
    return generator


def load_timekeeper(path: Path, digest: str | None = None) -> Timekeeper:
    """The timekeeper of a weights file, ready to run; `digest` pins the SHA-256 of the file."""
    from lbmodels.listening.timekeeper import Timekeeper, TimekeeperConfig

    config, tensors = read_weights(path, "timekeeper", digest)
    sizes = build(TimekeeperConfig, config, path.name)
    timekeeper = construct(lambda: Timekeeper(sizes), config, tensors, path.name)
    fill(timekeeper, tensors, path.name)
    return timekeeper


def load_chordkeeper(path: Path, digest: str | None = None) -> Chordkeeper:
    """The chordkeeper of a weights file, ready to run; `digest` pins the SHA-256 of the file."""
    from lbmodels.listening.chordkeeper import Chordkeeper, ChordkeeperConfig

    config, tensors = read_weights(path, "chordkeeper", digest)
    sizes = build(ChordkeeperConfig, config, path.name)
    chordkeeper = construct(lambda: Chordkeeper(sizes), config, tensors, path.name)
    fill(chordkeeper, tensors, path.name)
    return chordkeeper


def load(name: str | None = None) -> LiveBandAccompanist:
    """An accompanist by name (the manifest's default for None), or from a folder that holds
    codec.safetensors, generator.safetensors and perhaps timekeeper.safetensors and chordkeeper.safetensors.

    Raises:
        LiveBandModelError: unknown name, or weights that are missing, damaged or foreign.
    """
    found = locate(name)
    return assemble(
        found.name, found.codec, found.generator, found.pinned, found.timekeeper, found.chordkeeper
    )


def assemble(
    name: str,
    codec_file: Path,
    generator_file: Path,
    pinned: Mapping[str, str] | None = None,
    timekeeper_file: Path | None = None,
    chordkeeper_file: Path | None = None,
) -> LiveBandAccompanist:
    """Put an accompanist together from its weights files; `pinned`: the SHA-256 that each must have, by name.

    Raises:
        LiveBandModelError: a file is missing, damaged, foreign, or they do not belong together.
    """
    from lbmodels.liveband.accompanist import LiveBandAccompanist

    # A file that the manifest leaves out is no file of it: "" is no digest.
    digests = [None if pinned is None else pinned.get(file.name, "") for file in (codec_file, generator_file)]
    codec = load_codec(codec_file, digests[0])
    generator = load_generator(generator_file, digests[1])
    identity, timekeeper, chordkeeper = sha256(generator_file)[:12], None, None
    if timekeeper_file is not None:
        digest = None if pinned is None else pinned.get(timekeeper_file.name, "")
        timekeeper = load_timekeeper(timekeeper_file, digest)
        identity += f"+{sha256(timekeeper_file)[:6]}"
    if chordkeeper_file is not None:
        digest = None if pinned is None else pinned.get(chordkeeper_file.name, "")
        chordkeeper = load_chordkeeper(chordkeeper_file, digest)
        identity += f"+{sha256(chordkeeper_file)[:6]}"
    return LiveBandAccompanist(
        name, codec, generator, timekeeper, chordkeeper, weights_id=identity, recipe="liveband"
    ).eval()


def average(files: Sequence[Path], target: Path) -> Path:
    """The mean of generators of one run, taken at several steps (Wortsman 2022: it often beats each of them).

    What only some of them have, as the first layers of a steering that came later, is the mean over those. Sizes are the
    last file's.

    Raises:
        LiveBandModelError: fewer than two files, or files of different sizes.
    """
    if len(files) < 2:
        raise LiveBandModelError(f"a mean needs 2 files or more, got {len(files)}")
    read = [read_weights(file, "liveband-generator") for file in files]
    mean = {}
    for name, last in read[-1][1].items():
        found = [tensors[name].float() for _, tensors in read if name in tensors]
        if any(tensor.shape != last.shape for tensor in found):
            raise LiveBandModelError(f"{name} has different sizes in {', '.join(map(str, files))}")
        mean[name] = torch.stack(found).mean(0).to(last.dtype)
    generator = _generator(read[-1][0], mean, files[-1].name)
    return save_weights(target, generator, kind="liveband-generator", config=generator.config)


def publish(
    name: str,
    codec_file: Path,
    generator_file: Path,
    *,
    recipe: str,
    description: str,
    card: str,
    folder: Path,
    timekeeper_file: Path | None = None,
    chordkeeper_file: Path | None = None,
    trim_db: tuple[float, ...] = (),
) -> ModelCard:
    """Put a model's weights into `folder` in half precision, with its card, and enter it in the manifest.

    The entry becomes the default; an entry of the same name is replaced. `card` is Markdown. `trim_db` is a gain for each
    stem, by which the model was measured to play too softly; empty keeps the generator's own.
    """
    accompanist = assemble(name, codec_file, generator_file, None, timekeeper_file, chordkeeper_file)
    codec, generator = accompanist.codec, accompanist.generator
    folder.mkdir(parents=True, exist_ok=True)
    files = {"codec": f"{name}-codec.safetensors", "generator": f"{name}-generator.safetensors"}
    save_weights(folder / files["codec"], codec, kind="codec", config=codec.config, half=True)
    sizes = replace(generator.config, trim_db=trim_db or generator.config.trim_db)
    save_weights(folder / files["generator"], generator, kind="liveband-generator", config=sizes, half=True)
    for kind, keeper in (("timekeeper", accompanist.timekeeper), ("chordkeeper", accompanist.chordkeeper)):
        if keeper is not None:
            files[kind] = f"{name}-{kind}.safetensors"
            save_weights(folder / files[kind], keeper, kind=kind, config=keeper.config, half=True)
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
    for key in ("codec", "generator", "timekeeper", "chordkeeper", "recipe", "description", "default"):
        if key not in ("timekeeper", "chordkeeper") or getattr(card, key):
            lines.append(f"{key} = {json.dumps(getattr(card, key))}")
    lines.append(f"[{card.name}.sha256]")
    lines += [f"{json.dumps(file)} = {json.dumps(digest)}" for file, digest in card.sha256.items()]
    return "\n".join(lines) + "\n"
