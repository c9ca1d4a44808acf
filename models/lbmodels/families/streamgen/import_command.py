# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband models import streamgen` and `... silentmetronome`."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from lbmodels.plain_json import to_json

_KINDS = {
    "streamgen": ("StreamMusicGen (Wu and others 2025)", "huggingface.co/lukewys/stream_music_gen"),
    "silentmetronome": ("SilentMetronome (Bretz 2026)", "huggingface.co/kevin-bretz/SilentMetronome"),
}
_TEXT = """Makes {title} playable from the files that its authors publish at {place}: codec (.pth), models (step=*.ckpt) and
their args.yml. Their code is MIT; no licence of the weights was found. Nothing is downloaded, nothing in the files is run."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both."""
    for kind, (title, place) in _KINDS.items():
        parser = subparsers.add_parser(
            kind,
            help=title,
            description=_TEXT.format(title=title, place=place),
            epilog=f"example: liveband models import {kind} --codec dac.pth --lm step=100000.ckpt --args args.yml -o my-model",
        )
        parser.add_argument(
            "--codec",
            type=Path,
            metavar="FILE",
            help="autoencoder (default: the one inside the language model's file)",
        )
        parser.add_argument(
            "--lm", type=Path, required=True, metavar="FILE", help="language model, .ckpt or .safetensors"
        )
        parser.add_argument("--args", type=Path, required=True, metavar="FILE", help="the args.yml beside it")
        parser.add_argument(
            "-o", "--out", type=Path, required=True, metavar="DIR", help="new folder for --model"
        )
        parser.add_argument(
            "--as-recorded",
            action="store_true",
            help="hear the mix as loud as it is (default: brought to -16 dB)",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")
        parser.set_defaults(run=_run, kind=kind)


def _run(arguments: argparse.Namespace) -> int:
    from lbmodels.families.streamgen.importing import import_model

    done = import_model(
        arguments.kind,
        arguments.codec or arguments.lm,
        arguments.lm,
        arguments.args,
        arguments.out,
        levelled=not arguments.as_recorded,
    )
    if arguments.json:
        print(to_json(asdict(done)))
        return 0
    print(
        f"{done.folder}: {done.parameters / 1e6:.1f} million parameters, strides {'-'.join(map(str, done.strides))}, future "
        f"visibility {done.future_visibility} frames, k = {done.chunk}; {done.left_out} tensors of training alone left out. {done.deployment}"
    )
    return 0
