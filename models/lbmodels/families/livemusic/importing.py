# SPDX-License-Identifier: GPL-3.0-or-later
"""Magenta RealTime 2 from its published files into a model folder: checked whole, copied as it is, with its card."""

from __future__ import annotations

import argparse
from pathlib import Path

Subparsers = argparse._SubParsersAction


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `mrt2` below `liveband models import`."""
    text = "Magenta RealTime 2, small or base (code Apache-2.0, weights CC BY 4.0)"
    parser = subparsers.add_parser(
        "mrt2",
        help=text,
        description=text,
        epilog="example: liveband models import mrt2 --checkpoint mrt2_small.safetensors --resources resources -o mrt2",
    )
    parser.add_argument(
        "--checkpoint", required=True, type=Path, metavar="FILE", help="mrt2_small.safetensors or mrt2_base"
    )
    parser.add_argument(
        "--resources",
        type=Path,
        metavar="DIR",
        help="the published resources folder: spectrostream/encoder.safetensors for prefill and injection",
    )
    parser.add_argument("-o", "--out", required=True, type=Path, metavar="DIR", help="model folder to make")
    parser.add_argument(
        "--past-window",
        type=int,
        metavar="FRAMES",
        help="attention window of a checkpoint that is neither small nor base",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from lbmodels.families.livemusic.model_folder import make

    told = make(arguments.checkpoint, arguments.resources, arguments.out, past_window=arguments.past_window)
    for line in told:
        print(line)
    return 0
