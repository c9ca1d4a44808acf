# SPDX-License-Identifier: GPL-3.0-or-later
"""The `liveband data` commands: render, stats, demo-song."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from lbmodels.plain_json import to_json

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> Subparsers:
    """Adds `data` with its own commands; each sets `run`, a function of the parsed arguments that returns the exit code.

    Returns `data`'s commands, for those that need more than data.
    """
    parser = subparsers.add_parser(
        "data",
        help="make and look at training data",
        description="Makes multi-stem songs with their beats, chords and key, and draws what a data set holds.",
        epilog="example: liveband data render --out data --tracks 20 --jobs 4 && liveband data stats data",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_render(commands)
    _add_stats(commands)
    _add_demo_song(commands)
    return commands


def _add_render(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "render",
        help="render songs to a Slakh2100-layout data set with beats, chords and key",
        description="Writes songs as OUT/SPLIT/TrackNNNNN/{mix.flac, stems/, MIDI/, metadata.yaml, beats.txt, chords.txt},\n"
        "48 kHz stereo. The same options give the same songs; a run that was stopped goes on where it was.\n"
        "Songs and sound fonts of the test split are heard in no other split.",
        epilog="examples:\n"
        "  liveband data render --out data --tracks 200 --jobs 4\n"
        "  liveband data render --out data --tracks 20 --split test --seed 3\n"
        "  liveband data render --out data --tracks 50 --charts billboard/ --charts-share 0.5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument(
        "--tracks", type=int, default=20, metavar="N", help="songs in the split, default: %(default)s"
    )
    parser.add_argument("--only", type=int, metavar="N", help="render song number N alone")
    parser.add_argument(
        "--split", default="train", metavar="NAME", help="train, validation or test, default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, help="another seed, other songs; default: %(default)s")
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes (default: 1; on a cluster all processors)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let a Ray cluster render: `local`, or its address (10.0.0.1:6379, auto); every machine needs liveband, its "
        "fonts, and DIR under the same name; needs liveband[cluster]",
    )
    parser.add_argument("--min-seconds", type=float, default=60.0, metavar="S", help="default: %(default)s")
    parser.add_argument("--max-seconds", type=float, default=75.0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--charts", type=Path, metavar="DIR",
        help="chords (and melodies) from here as well: McGill Billboard, OpenEWLD .mxl, POP909 folders",
    )  # fmt: skip
    parser.add_argument(
        "--charts-share",
        type=float,
        default=0.7,
        metavar="X",
        help="of the songs, with --charts; default: %(default)s",
    )
    parser.add_argument(
        "--soundfont-dir", type=Path, action="append", default=[], metavar="DIR",
        help="look for sound fonts here first (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=_run_render)


def _run_render(args: argparse.Namespace) -> int:
    from lbmodels.data.render import RenderOptions, render_split

    options = RenderOptions(
        out=args.out, split=args.split, seed=args.seed, min_s=args.min_seconds, max_s=args.max_seconds,
        soundfont_dirs=tuple(args.soundfont_dir), charts=args.charts, chart_share=args.charts_share,
    )  # fmt: skip
    report = render_split(
        options,
        args.tracks,
        only=args.only,
        jobs=args.jobs,
        cluster=args.cluster,
        show_progress=not args.json,
    )
    if args.json:
        print(to_json({"made": report.made, "skipped": report.skipped, "audio_s": round(report.audio_s, 3),
                          "work_s": round(report.work_s, 3)}))  # fmt: skip
        return 0
    print(f"{report.made} tracks made, {report.skipped} were there, in {args.out / args.split}")
    if report.made:
        print(
            f"{report.audio_s / 60:.1f} min of audio, {report.work_s / report.made:.1f} s of work per track "
            f"({report.audio_s / report.work_s:.0f} x real time per process)"
        )
        print(f"see what is in it: liveband data stats {args.out}")
    return 0


def _add_stats(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "stats",
        help="count what a data set holds, and draw it",
        description="Hours, classes, tempo, key, chord types and styles of a data set in Slakh2100's layout.",
        epilog="examples:\n  liveband data stats data -o data.png\n  liveband data stats data --sound 60",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("root", type=Path, metavar="DIR", help="folder with train/, validation/ or test/")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PNG",
        help="default: stats.png in DIR; with --json none unless named",
    )
    parser.add_argument(
        "--sound", type=int, metavar="N",
        help="also listen to the first N tracks of each split: loudness, tilt, silence, notes, polyphony",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    parser.set_defaults(run=_run_stats)


def _run_stats(args: argparse.Namespace) -> int:
    from lbmodels.data.measure import measure_split
    from lbmodels.data.stats import data_stats, draw_stats

    stats = data_stats(args.root)
    picture = args.output or (None if args.json else args.root / "stats.png")
    if picture is not None:
        draw_stats(stats, picture)
    sound = {s.split: measure_split(args.root, s.split, most=args.sound) for s in stats} if args.sound else {}
    if args.json:
        rows = {s.split: {**s.as_dict(), **({"sound": sound[s.split]} if sound else {})} for s in stats}
        print(to_json(rows))
        return 0
    for s in stats:
        classes = ", ".join(f"{name} {100 * n / s.tracks:.0f} %" for name, n in s.class_tracks.items())
        print(f"{s.split}: {s.tracks} tracks, {s.hours:.2f} h ({s.stem_hours:.2f} h of stems); {classes}")
    for split, figures in sound.items():
        print(f"{split}, 10th / 50th / 90th percentile over {args.sound} tracks at the most:")
        for name, (low, middle, high) in sorted(figures.items()):
            print(f"  {name:28} {low:9.2f} {middle:9.2f} {high:9.2f}")
    print(f"drawn in {picture}")
    return 0


def _add_demo_song(commands: Subparsers) -> None:
    parser = commands.add_parser(
        "demo-song",
        help="cut a demo recording from a rendered track, with its truth",
        description="Writes an excerpt of a track without some of its stems, starting on a bar, and its beats and chords\n"
        "as JSON beside it.",
        epilog="example: liveband data demo-song data/test/Track00001 -o demo.flac --start 15 --seconds 20",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("track", type=Path, metavar="TRACK", help="a TrackNNNNN folder")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help=".flac, .ogg or .wav"
    )
    parser.add_argument("--start", type=float, default=0.0, metavar="S", help="moved to the nearest bar")
    parser.add_argument("--seconds", type=float, default=20.0, metavar="S", help="default: %(default)s")
    parser.add_argument("--without", default="drums,bass", metavar="NAMES", help="default: %(default)s")
    parser.set_defaults(run=_run_demo_song)


def _run_demo_song(args: argparse.Namespace) -> int:
    from lbmodels.data.demo_song import make_demo_song

    without = tuple(name.strip() for name in args.without.split(",") if name.strip())
    truth = make_demo_song(
        args.track, args.output, start_s=args.start, length_s=args.seconds, without=without
    )
    print(
        f"{args.output}: {truth['title']}, with {', '.join(truth['stems'])}; truth in {args.output.with_suffix('.json')}"
    )
    return 0
