# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models import streamgen`: published checkpoints into a folder that plays, every name and shape checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from lbmodels.documents import read_yaml
from lbmodels.errors import LiveBandModelError
from lbmodels.families.streamgen import CODEC_KIND, DECODER_KIND, published, published_lm
from lbmodels.families.streamgen.codec import Dac, DacConfig
from lbmodels.families.streamgen.decoder import Decoder, DecoderConfig
from lbmodels.folders import check_free, whole_folder
from lbmodels.weights.checkpoints import open_checkpoint, tensors_under
from lbmodels.weights.comparing import check_names, fetch, filled, on_meta, state_dict
from lbmodels.weights.manifest import sha256, write_manifest
from lbmodels.weights.modules import save_weights

LM_PREFIXES = ("model._orig_mod.", "model.")
CODEC_PREFIXES = ("tokenizer.model.",)
DEFAULT_WINDOW = 501
_CODEBOOK = "quantizer.quantizers.0.codebook.weight"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a published model comes from, for its card."""

    title: str
    authors: str
    place: str
    licence: str


SOURCES: Mapping[str, Source] = {
    "streamgen": Source(
        title="StreamMusicGen",
        authors="Wu, Wang, Lei, Brade, Blanchard, Wu, Courville and Huang 2025, arXiv 2510.22105",
        place="huggingface.co/lukewys/stream_music_gen",
        licence="code MIT; no licence of the weights was found: ask their authors before you pass them on",
    ),
    "silentmetronome": Source(
        title="SilentMetronome",
        authors="Bretz 2026, arXiv 2609.07688",
        place="huggingface.co/kevin-bretz/SilentMetronome",
        licence="code MIT; no licence of the weights was found: ask their authors before you pass them on",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was written, and what was left out of it by name."""

    folder: Path
    future_visibility: int
    chunk: int
    strides: tuple[int, ...]
    parameters: int
    left_out: int
    deployment: str


def import_model(
    kind: str, codec_file: Path, lm_file: Path, args_file: Path, out: Path, *, levelled: bool = True
) -> Imported:
    """Write tokens.safetensors, decoder.safetensors, card.md and manifest.toml into a new folder, or nothing.

    Raises:
        LiveBandModelError: a file that is damaged, hostile or of another model; each missing, extra and misshapen tensor
            is named. The folder exists already.
    """
    check_free(out)
    told = read_arguments(args_file)
    codec = _codec(codec_file)
    decoder, left_out = _decoder(lm_file, told, codec)
    if (decoder.config.trunk.condition > 0) != (kind == "silentmetronome"):
        other = "silentmetronome" if decoder.config.trunk.condition else "streamgen"
        raise LiveBandModelError(f"{lm_file} is a {other} model, not {kind}: liveband models import {other}")
    _check_pair(codec.config, decoder.config)
    config = replace(decoder.config, levelled=levelled)
    files = {"codec": codec_file, "language model": lm_file, "arguments": args_file}
    with whole_folder(out, last="manifest.toml") as part:
        save_weights(part / "tokens.safetensors", codec, kind=CODEC_KIND, config=codec.config)
        save_weights(part / "decoder.safetensors", decoder, kind=DECODER_KIND, config=config)
        (part / "card.md").write_text(_card(SOURCES[kind], files, codec, decoder, levelled), encoding="utf-8")
        write_manifest(
            part,
            "streamgen",
            ["tokens", "decoder"],
            name=out.resolve().name,
            recipe=f"streamgen/{kind}",
            description=f"{SOURCES[kind].title}, imported",
        )
    return Imported(
        folder=out,
        future_visibility=decoder.config.future_visibility,
        chunk=decoder.config.chunk,
        strides=codec.config.strides,
        parameters=sum(p.numel() for model in (codec, decoder) for p in model.parameters()),
        left_out=left_out,
        deployment=deployment(decoder.config, 1000 * codec.config.hop / codec.config.sample_rate),
    )


def read_arguments(path: Path) -> dict[str, Any]:
    """The published args.yml: a table of `Class.argument: value`, by the argument's name alone.

    Raises:
        LiveBandModelError: not there, no such table, or an argument that two classes tell differently and we need.
    """
    try:
        table = read_yaml(path.read_bytes())
    except FileNotFoundError:
        raise LiveBandModelError(f"arguments not found: {path}") from None
    except (OSError, ValueError) as error:
        raise LiveBandModelError(
            f"arguments {path} cannot be read: {' '.join(str(error).split())[:160]}"
        ) from None
    if not isinstance(table, dict):
        raise LiveBandModelError(f"arguments {path} are no table of names and values")
    told: dict[str, Any] = {}
    for name, value in table.items():
        short = str(name).rsplit(".", 1)[-1].rsplit("/", 1)[-1]
        if short in _NEEDED and short in told and told[short] != value:
            raise LiveBandModelError(f"arguments {path} tell {short} twice: {told[short]!r} and {value!r}")
        told[short] = value
    for name, (least, most) in _NEEDED.items():
        value = told.get(name)
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise LiveBandModelError(f"arguments {path}: {name} is {value!r}; accepted are {least} to {most}")
    if told.get("cond_method", "add") != "add":
        raise LiveBandModelError(f"arguments {path}: cond_method is {told['cond_method']!r}; accepted is add")
    return told


_NEEDED: Mapping[str, tuple[int, int]] = {
    "future_visibility": (-500, 500),
    "chunk_length": (1, 500),
    "max_seq_len": (8, 8192),
}


def _codec(path: Path) -> Dac:
    checkpoint = open_checkpoint(path)
    state = state_dict(checkpoint)
    stored = tensors_under(state, CODEC_PREFIXES) or tensors_under(state, ("",))
    shapes = {name: one.shape for name, one in stored.items()}
    try:
        config = published.dac_config(shapes, _sample_rate(path, checkpoint.root))
    except LiveBandModelError as error:
        raise LiveBandModelError(f"{path}: {error}") from None
    codec = on_meta(lambda: Dac(config), path)
    wanted = published.dac_shapes(config, codec)
    check_names(path, "causal DAC", wanted, shapes)
    given = fetch(checkpoint, stored, wanted)
    try:
        tensors = published.dac_tensors(config, given)
    except LiveBandModelError as error:
        raise LiveBandModelError(f"{path}: {error}") from None
    return filled(codec, tensors, path)


def _sample_rate(path: Path, root: Any) -> int:
    metadata = root.get("metadata") if isinstance(root, dict) else None
    kwargs = metadata.get("kwargs") if isinstance(metadata, dict) else None
    rate = kwargs.get("sample_rate", 32_000) if isinstance(kwargs, dict) else 32_000
    if type(rate) is not int or not 8_000 <= rate <= 192_000:
        # of a table not even its text: tables may be shared within it
        told = (
            f"{rate!r}"[:40]
            if isinstance(rate, str | float) or (type(rate) is int and abs(rate) < 2**64)
            else "no number"
        )
        raise LiveBandModelError(f"{path}: its sample rate is {told}; accepted are 8000 to 192000 Hz")
    return rate


def _decoder(path: Path, told: Mapping[str, Any], codec: Dac) -> tuple[Decoder, int]:
    checkpoint = open_checkpoint(path)
    state = state_dict(checkpoint)
    everything = tensors_under(state, LM_PREFIXES) or {
        name: one for name, one in tensors_under(state, ("",)).items() if not name.startswith(CODEC_PREFIXES)
    }
    stored = {name: one for name, one in everything.items() if not published_lm.TRAINING_ONLY.match(name)}
    shapes = {name: one.shape for name, one in stored.items()}
    try:
        config = published_lm.decoder_config(
            shapes,
            future_visibility=told.get("future_visibility"),
            chunk=told.get("chunk_length", 1),
            window=told.get("max_seq_len", DEFAULT_WINDOW),
        )
    except LiveBandModelError as error:
        raise LiveBandModelError(f"{path}: {error}") from None
    names = published_lm.decoder_names(config)
    decoder = on_meta(lambda: Decoder(config), path)
    wanted = published.shapes_of(names, decoder)
    check_names(path, "StreamMusicGen language model", wanted, shapes)
    tensors = published_lm.renamed(names, fetch(checkpoint, stored, wanted))
    inside = tensors_under(state, CODEC_PREFIXES).get(_CODEBOOK)
    for _name, own in checkpoint.tensors({_CODEBOOK: inside} if inside is not None else {}):
        given = codec.codebook(0)
        if own.shape != given.shape or not torch.allclose(own.float(), given, atol=1e-3):
            raise LiveBandModelError(
                f"{path} was trained with another codec than the one given: its own is inside it"
            )
    return filled(decoder, tensors, path), len(everything) - len(stored)


def _check_pair(codec: DacConfig, decoder: DecoderConfig) -> None:
    """Raises LiveBandModelError where codec and language model do not go together."""
    codes = decoder.tokens - 19
    if decoder.input_dim != codec.latent_dim or decoder.levels > codec.levels or codes != codec.codebook_size:
        raise LiveBandModelError(
            f"not a pair: the codec has {codec.levels} levels of {codec.codebook_size} codes in {codec.latent_dim} "
            f"dimensions, the language model wants {decoder.levels} of {codes} in {decoder.input_dim}"
        )


def _card(source: Source, files: Mapping[str, Path], codec: Dac, decoder: Decoder, levelled: bool) -> str:
    frame_ms = 1000 * codec.config.hop / codec.config.sample_rate
    t_f = decoder.config.future_visibility * frame_ms / 1000
    rows = "\n".join(
        f"| {what} | {re.sub('[|`]', '', path.name)} | `{sha256(path)}` |" for what, path in files.items()
    )
    return f"""# {source.title}, imported

{source.authors}. Published at {source.place}. Licence: {source.licence}.
Written by `liveband models import` from the files below; nothing in them was run, and nothing was changed but names and the
product of weight norms.

| File | Name | SHA-256 |
|---|---|---|
{rows}

{codec.config.sample_rate} Hz mono, strides {codec.config.strides}, {decoder.config.levels} of {codec.config.levels} levels of
{codec.config.codebook_size} codes, frames of {frame_ms:g} ms, t_f = {t_f:g} s, k = {decoder.config.chunk} frames.
{deployment(decoder.config, frame_ms)}
{_LEVELLED if levelled else "The mix is heard as loud as it is."}
In a stream the window of {decoder.config.trunk.window} steps slides, with the instrument's step in sight; beyond it nobody trained the model.
"""


_LEVELLED = """The published program brings whole clips to -16 LUFS before it codes them. A stream cannot: a causal gain follows the mix's
mean square to -16 dB instead, and the stem is turned down by as much (`--as-recorded` leaves it out)."""


def deployment(config: DecoderConfig, frame_ms: float) -> str:
    """Whether a model can play along, in words."""
    if config.future_visibility > 0:
        return f"It hears {config.future_visibility * frame_ms:g} ms of the future: it plays offline only."
    ahead = config.chunk * (-config.future_visibility // config.chunk) - config.levels
    if ahead < 0:
        return (
            f"Not deployable as it is: it comes {-ahead * frame_ms:g} ms late, since its t_f leaves no time for "
            "the delay pattern and the codec."
        )
    return f"It writes A = {ahead} frames ({ahead * frame_ms:g} ms) ahead, of which a machine may use all to compute."
