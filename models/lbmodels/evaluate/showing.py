# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `liveband evaluate` that show rather than score: gallery, real recordings, model card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lbmodels.errors import LiveBandModelError

EXAMPLES = """  liveband evaluate --data dataset --gallery 2 --seed 7 --out models/cards/gallery
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `liveband evaluate` that `run_shown` understands."""
    parser.add_argument(
        "--gallery",
        type=int,
        metavar="N",
        help="spectrograms and OGG files of N excerpts per stem that the seed draws, with a page: OUT/README.md",
    )


def run_shown(arguments: argparse.Namespace) -> int | None:
    """Do what the options of `add_options` ask; None where none was given.

    Raises:
        LiveBandModelError: what the user can mend, in one line.
    """
    if arguments.gallery is not None:
        return _gallery(arguments)
    return None


def _gallery(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.gallery import make_gallery
    from lbmodels.evaluate.players import open_player

    if arguments.data is None or not 1 <= arguments.gallery <= 20:
        raise LiveBandModelError("--gallery takes 1 to 20 excerpts per stem and needs --data ROOT")
    accompanist = open_player(arguments.model, arguments.runtime)
    _folder(arguments.out)
    shown = make_gallery(
        accompanist,
        arguments.data,
        arguments.split,
        arguments.out,
        stems=arguments.stems,
        count=arguments.gallery,
        seconds=12.0,
        seed=arguments.seed,
        anticipation_ms=arguments.anticipation_ms[0],
        on_step=_say,
    )
    print(f"wrote {len(shown)} examples: {arguments.out / 'README.md'}")
    return 0


def _say(what: str) -> None:
    print(f"liveband: {what}", file=sys.stderr, flush=True)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LiveBandModelError(f"cannot write to {path}: {error.strerror}") from None
