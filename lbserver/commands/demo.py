# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband demo`."""

import argparse
from pathlib import Path

from lbserver.commands.playing import Bar, add_model_options, add_print_options, load, print_report
from lbserver.files.plain_json import to_json


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband demo`."""
    parser = commands.add_parser(
        "demo",
        help="hear the band play over a bundled song",
        description="Plays drums, bass, piano and guitar over a bundled recording; writes the audio and a picture.",
        epilog="example: liveband demo -o my_demo",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("liveband_demo"), metavar="DIR", help="default: %(default)s"
    )
    add_model_options(parser)
    add_print_options(parser)
    parser.set_defaults(run=_run)


def _run(parsed: argparse.Namespace) -> int:
    from lbserver.commands.demo_song import run_demo

    accompanist = load(parsed.model, parsed.device)
    with Bar(quiet=parsed.quiet or parsed.json) as bar:
        report, picture = run_demo(parsed.output, accompanist, seed=parsed.seed, progress=bar.show)
    if parsed.json:
        print(to_json({**report.as_json(), "picture": str(picture)}))
    elif not parsed.quiet:
        print_report(report)
        folder = parsed.output
        print(
            f"\nListen to {folder / 'demo_mix.wav'}: the song with the band; the stems lie beside it.\n"
            f"Look at   {picture}: what it heard, what it played, and when it decided.\n\n"
            "Next, a recording of your own:\n"
            f"  liveband bounce my_song.wav -o my_band.wav --stem bass --mix\n"
            "  ... and tell it what you know: --bpm 120 --first-beat 0.5 --key Am --chords chart.txt\n"
            f"  another take: liveband demo --seed {parsed.seed + 1}"
        )
    return 0
