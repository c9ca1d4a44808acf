# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models import lookahead`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from lbmodels.plain_json import to_json


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add it."""
    parser = subparsers.add_parser(
        "lookahead",
        help="look-ahead diffusion (Karchkhadze and Dubnov 2026), not for commercial use",
        description="Makes the published diffusion model (teacher) or its consistency student playable. Its code and its "
        "autoencoder Music2Latent are not for commercial use; nothing of them is part of liveband. Nothing is downloaded, "
        "nothing in the files is run.",
        epilog="example: liveband models import lookahead --checkpoint last.ckpt --codec music2latent.pt -o my-model",
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="FILE",
        help="last.ckpt, or its tensors as .safetensors",
    )
    parser.add_argument(
        "--codec",
        type=Path,
        metavar="FILE",
        help="music2latent.pt, without which the model is kept but cannot play",
    )
    parser.add_argument(
        "--tier", choices=("teacher", "student"), help="where the file does not say which of the two it is"
    )
    parser.add_argument(
        "--as-published",
        action="store_true",
        help="play 41 to 48 ms late, as the published server does (default: where the audio belongs)",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="DIR", help="new folder for --model")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from lbmodels.families.lookahead.importing import import_model

    done = import_model(
        arguments.checkpoint,
        arguments.out,
        codec=arguments.codec,
        tier=arguments.tier,
        as_published=arguments.as_published,
    )
    if arguments.json:
        print(to_json(asdict(done)))
        return 0
    print(
        f"{done.folder}: {done.tier} of {done.parameters / 1e6:.1f} million parameters, not for commercial use; "
        f"{done.left_out} other tensors left out{'' if done.codec else '; it cannot play without --codec'}"
    )
    return 0
