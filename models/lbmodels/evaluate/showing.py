# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `liveband evaluate` that show rather than score: gallery, real recordings, model card."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lbmodels.errors import LiveBandModelError

EXAMPLES = """  liveband evaluate --data dataset --gallery 2 --seed 7 --out models/cards/gallery
  liveband evaluate --real recordings --seconds 60 --out real
  liveband evaluate --card models/cards/figures/tiny --keep scores=scores/results.json --keep real=real/real.json --out models/cards
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `liveband evaluate` that `run_shown` understands."""
    parser.add_argument(
        "--gallery",
        type=int,
        metavar="N",
        help="spectrograms and OGG files of N excerpts per stem that the seed draws, with a page: OUT/README.md",
    )
    parser.add_argument(
        "--real",
        type=Path,
        metavar="FOLDER",
        help="play all stems over the middle --seconds of each recording in FOLDER and report what fails: OUT/README.md",
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FIGURES/NAME",
        help="write the model's card OUT/NAME.md from a folder of figures",
    )
    parser.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="first copy a result or a training log into that folder (repeatable)",
    )


def run_shown(arguments: argparse.Namespace) -> int | None:
    """Do what the options of `add_options` ask; None where none was given.

    Raises:
        LiveBandModelError: what the user can mend, in one line.
    """
    if arguments.gallery is not None:
        return _gallery(arguments)
    if arguments.real is not None:
        return _real(arguments)
    if arguments.card is not None:
        return _card(arguments)
    return None


def _gallery(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.gallery import make_gallery
    from lbmodels.evaluate.players import open_player

    if arguments.data is None or not 1 <= arguments.gallery <= 20:
        raise LiveBandModelError("--gallery takes 1 to 20 excerpts per stem and needs --data ROOT")
    accompanist = open_player(arguments.model, arguments.runtime, arguments.device)
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


def _real(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.features import default_cache
    from lbmodels.evaluate.pieces import find_pieces
    from lbmodels.evaluate.players import open_player
    from lbmodels.evaluate.real import as_json, failures, page, play_real
    from lbmodels.evaluate.report import write_json
    from lbmodels.evaluate.tracker import check

    accompanist = open_player(arguments.model, arguments.runtime, arguments.device)
    pieces = find_pieces(arguments.real, accompanist.spec.stems)
    check()
    _folder(arguments.out)
    report = play_real(
        accompanist,
        pieces,
        arguments.out,
        stems=arguments.stems,
        seconds=arguments.seconds,
        start_s=arguments.skip_s,
        anticipation_ms=arguments.anticipation_ms[0],
        seed=arguments.seed,
        networks=arguments.networks,
        batch=arguments.batch,
        cache=None if arguments.no_cache else default_cache(),
        save_audio=arguments.out / "audio" if arguments.save_audio else None,
        on_step=_say,
    )
    write_json(as_json(report), arguments.out / "real.json")
    (arguments.out / "README.md").write_text(page(report))
    for line in failures(report):
        print(line)
    print(f"wrote {arguments.out / 'README.md'} and real.json; played at {report.speed:.1f} times real time")
    return 0


def _card(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.card import card, keep

    for kept in arguments.keep:
        name, equals, file = kept.partition("=")
        if not equals or not name.replace("-", "").replace("_", "").isalnum():
            raise LiveBandModelError(f"--keep {kept!r}: accepted is NAME=FILE, as real=real/real.json")
        keep(Path(file), arguments.card / f"{name}.json")
    text = card(arguments.card)
    _folder(arguments.out)
    target = arguments.out / f"{arguments.card.name}.md"
    target.write_text(text)
    print(f"wrote {target}")
    return 0


def _say(what: str) -> None:
    print(f"liveband: {what}", file=sys.stderr, flush=True)


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LiveBandModelError(f"cannot write to {path}: {error.strerror}") from None
