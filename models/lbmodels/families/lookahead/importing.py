# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models import lookahead`: the published diffusion or consistency checkpoint into a folder that plays.

Of a training checkpoint the U-Net's tensors alone are taken; what else is pickled in it is neither run nor read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lbmodels.errors import LiveBandModelError
from lbmodels.families.lookahead.family import MUSIC2LATENT, PUBLISHED
from lbmodels.families.lookahead.published import TIERS, PublishedConfig, PublishedNetwork
from lbmodels.families.lookahead.song_unet import SongUNetConfig
from lbmodels.folders import check_free, whole_folder
from lbmodels.weights.checkpoints import Stored, open_checkpoint, tensors_under
from lbmodels.weights.comparing import Shapes, check_names, fetch, filled, on_meta, state_dict
from lbmodels.weights.manifest import sha256, write_manifest
from lbmodels.weights.modules import save_weights

# Where the U-Net's tensors lie, and which of the two models a checkpoint that has them there is. The second copy of the
# diffusion model's tensors, the student's slow average and its teacher are left out.
PREFIXES: tuple[tuple[str, str], ...] = (
    ("net.model.unet.", "student"),
    ("model.unet.", "teacher"),
    ("model.diffusion.net.", "teacher"),
    ("", ""),
)
LICENCE = (
    "not for commercial use: the U-Net's code says CC BY-NC-SA 4.0, Music2Latent's code and weights CC BY-NC 4.0; of the "
    "checkpoints no licence was found, so ask their authors before you pass them on"
)
_MOST_CHANNELS = 4096


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was written, and how many tensors were left out of it."""

    folder: Path
    tier: str
    parameters: int
    codec: bool
    left_out: int


def import_model(
    file: Path, out: Path, *, codec: Path | None = None, tier: str | None = None, as_published: bool = False
) -> Imported:
    """Write published.safetensors, perhaps music2latent.safetensors, and card.md into a new folder, or nothing.

    `tier`, teacher or student, must be told of a file whose names do not say it.

    Raises:
        LiveBandModelError: a file that is damaged, hostile or of another model; the folder exists already.
    """
    check_free(out)
    checkpoint = open_checkpoint(file, opaque=True)
    state = state_dict(checkpoint)
    stored, found = _network_tensors(file, state)
    if tier is not None and found not in ("", tier):
        raise LiveBandModelError(f"{file} is a {found}, not a {tier}")
    tier = found or tier
    if tier not in TIERS:
        raise LiveBandModelError(f"{file} does not say which it is; give --tier teacher or --tier student")
    shapes = {name: one.shape for name, one in stored.items()}
    config = PublishedConfig(tier=tier, unet=sizes_of(shapes, file), as_published=as_published)
    network = on_meta(lambda: PublishedNetwork(config), file)
    check_names(file, "published U-Net", {n: tuple(t.shape) for n, t in network.state_dict().items()}, shapes)
    network = filled(network, fetch(checkpoint, stored, shapes), file)
    from lbmodels.families.lookahead.music2latent import read_codec

    autoencoder = None if codec is None else read_codec(codec)
    parts = [PUBLISHED.name] + ([] if autoencoder is None else [MUSIC2LATENT.name])
    with whole_folder(out, last="manifest.toml") as part:
        save_weights(part / "published.safetensors", network, kind=PUBLISHED.kind, config=config)
        if autoencoder is not None:
            target = part / "music2latent.safetensors"
            save_weights(target, autoencoder, kind=MUSIC2LATENT.kind, config=autoencoder.config)
        write_manifest(
            part,
            "lookahead",
            parts,
            name=out.resolve().name,
            recipe="lookahead/published",
            description=f"imported look-ahead {tier}, not for commercial use",
        )
        (part / "card.md").write_text(_card(config, file, codec), encoding="utf-8")
    return Imported(
        folder=out,
        tier=tier,
        parameters=sum(p.numel() for p in network.parameters()),
        codec=autoencoder is not None,
        left_out=sum(isinstance(value, Stored) for value in state.values()) - len(stored),
    )


def _network_tensors(file: Path, state: object) -> tuple[dict[str, Stored], str]:
    for prefix, tier in PREFIXES:
        stored = tensors_under(state, (prefix,))
        if stored and (prefix or any(name.startswith("enc.") for name in stored)):
            return stored, tier
    raise LiveBandModelError(
        f"{file} holds no U-Net of this system: no tensors under {', '.join(p for p, _ in PREFIXES if p)}"
    )


def sizes_of(shapes: Shapes, file: Path) -> SongUNetConfig:
    """The sizes that a checkpoint's shapes tell. Raises LiveBandModelError: they tell none."""
    try:
        first = next(name for name in shapes if re.fullmatch(r"enc\.\d+x\d+_conv\.weight", name))
        resolution = int(first.split(".")[1].split("x")[0])
        width = shapes["map_layer0.weight"][1]
        levels = [
            size
            for size in (resolution >> i for i in range(12))
            if f"enc.{size}x{size}_block0.conv0.weight" in shapes
        ]
        blocks = sum(
            re.fullmatch(rf"enc\.{resolution}x{resolution}_block\d+\.conv0\.weight", name) is not None
            for name in shapes
        )
        config = SongUNetConfig(
            resolution=resolution,
            in_channels=shapes[first][1],
            out_channels=shapes[f"dec.{resolution}x{resolution}_aux_conv.weight"][0],
            model_channels=width,
            channel_mult=tuple(
                shapes[f"enc.{size}x{size}_block0.conv0.weight"][0] // width for size in levels
            ),
            num_blocks=blocks,
            attn_resolutions=tuple(
                sorted(size for size in levels if f"enc.{size}x{size}_block0.qkv.weight" in shapes)
            ),
            label_dim=shapes["map_label.weight"][1],
        )
    except (StopIteration, KeyError, IndexError, ValueError, ZeroDivisionError):
        raise LiveBandModelError(f"{file} is no published U-Net: its tensors tell no sizes") from None
    if not (4 <= width <= _MOST_CHANNELS and 1 <= blocks <= 64 and 8 <= resolution <= 4096 and levels):
        raise LiveBandModelError(f"{file} has impossible sizes: {config}")
    return config


def _card(config: PublishedConfig, file: Path, codec: Path | None) -> str:
    files: Mapping[str, Path] = {"checkpoint": file} | ({} if codec is None else {"autoencoder": codec})
    rows = "\n".join(
        f"| {what} | {re.sub('[|`]', '', path.name)} | `{sha256(path)}` |" for what, path in files.items()
    )
    return f"""# Look-ahead accompaniment, imported: {config.tier}

Karchkhadze and Dubnov 2026, arXiv 2604.07612. Published at Zenodo, 10.5281/zenodo.19045462. Licence: {LICENCE}.
Written by `liveband models import lookahead` from the files below; nothing in them was run, and nothing was changed.

| File | Name | SHA-256 |
|---|---|---|
{rows}

44.1 kHz mono, windows of {config.unet.resolution} columns of 4096 samples, stems bass, drums, guitar, piano, sampled by {TIERS[config.tier].calls} calls.
It plays with the package music2latent, which you install, and its weights, which you bring.
"""
