# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband evaluate`: arguments in, table, JSON and picture out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.contract.stems import STEMS
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import reconstruction_command, streams_command, windows_command
from lbmodels.evaluate.showing import EXAMPLES, add_options, run_shown
from lbmodels.plain_json import to_json
from lbmodels.runtime.devices import ACCEPTED

if TYPE_CHECKING:
    from lbmodels.evaluate.run import Settings

CONDITIONS = ("none", "beat", "chords", "all")

EPILOG = (
    """examples:
  liveband evaluate --data dataset --out scores
  liveband evaluate --data dataset --stems drums,bass --conditions none,beat --anticipation-ms 40,200,1000 --out scores
  liveband evaluate --data dataset --model baseline:repeat --out repeat
  liveband evaluate --compare scores repeat --out scores
  liveband evaluate --data dataset --drift --excerpts 20 --out scores
  liveband evaluate --data dataset --reaction --excerpts 20 --out scores
  liveband evaluate --data dataset --control density=0,0.25,0.75,1 --conditions beat --excerpts 12 --out scores
  liveband evaluate --data dataset --reconstruction --excerpts 30 --codec runs/codec/codec.safetensors --out codec
  liveband evaluate --real recordings --reconstruction --seconds 30 --codec runs/codec/codec.safetensors --out codec-real
  liveband evaluate --data dataset --model runs/lookahead --windows 0.125,0.25 --quality fast,full --conditions none,all --out windows
  liveband evaluate --data dataset --model runs/livemusic --stream all --excerpts 12 --out stream
  liveband evaluate --data dataset --check-metrics --excerpts 30 --out scores
  liveband evaluate --files bass.wav drums.wav --mix recording.wav
"""
    + EXAMPLES
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; `run` is left in the parsed arguments."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score generated stems: beats, chords, onsets, loudness, silence",
        description="Score the stems a model plays on unheard songs, between the floor of a wrong song and the "
        "ceiling of the true stem; or score bounced files against the recording they accompany.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, metavar="ROOT", help="data set folder with train, validation and test"
    )
    parser.add_argument("--split", default="test", help="split to take excerpts from (default: %(default)s)")
    parser.add_argument(
        "--model",
        help="name or folder of the model (default: the one that ships), or baseline:silence, :repeat, :sampler, "
        ":random, :truth",
    )
    parser.add_argument(
        "--runtime",
        default="auto",
        help="what runs the model: auto, onnx, onnx-float32, torch (default: the quickest that is installed)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="DEVICE", help=f"where it runs: {ACCEPTED} (default: the CPU)"
    )
    parser.add_argument("--stems", type=_words(STEMS), default=STEMS, help="comma-separated (default: all)")
    parser.add_argument(
        "--anticipation-ms",
        type=_times,
        default=(40.0,),
        metavar="MS[,MS]",
        help="A in ms, several for a curve (default: 40)",
    )
    parser.add_argument(
        "--conditions",
        type=_words(CONDITIONS),
        metavar="SET[,SET]",
        help="what the host tells: none, beat (phase, bar, tempo), chords (with key), all "
        "(default: none,beat,all; none with --control)",
    )
    parser.add_argument("--excerpts", type=_at_least(2), default=100, help="per stem (default: %(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        help="length of an excerpt (default: 20; 60 with --drift, 30 with --reaction)",
    )
    parser.add_argument(
        "--skip-s", type=float, default=5.0, help="scores begin here in each excerpt (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=_at_least(0), default=0, help="chooses excerpts, pairings and noise (default: 0)"
    )
    parser.add_argument(
        "--batch", type=_at_least(1), default=16, help="excerpts played at once (default: %(default)s)"
    )
    parser.add_argument(
        "--networks", type=_at_least(1), default=1, help="beat networks asked, 1 to 8: fewer is faster"
    )
    parser.add_argument(
        "--jobs", type=_at_least(1), default=1, help="processes that play and listen (default: 1)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let a Ray cluster play and listen: `local`, or its address (10.0.0.1:6379, auto); every machine sees all folders "
        "under the same names; needs liveband[cluster]",
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="keep nothing of what was heard in ~/.cache/liveband and OUT/heard",
    )
    parser.add_argument("--save-audio", action="store_true", help="keep the played excerpts in OUT/audio")
    parser.add_argument(
        "--out", type=Path, default=Path("evaluation"), help="folder for results (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print results as JSON instead of a table")
    parser.add_argument(
        "--check-metrics", action="store_true", help="score true, foreign and damaged stems; no model"
    )
    parser.add_argument(
        "--drift", action="store_true", help="scores in the last third of 60 s over those in the first"
    )
    parser.add_argument(
        "--reaction",
        action="store_true",
        help="seconds until the stem follows when the mix turns to another song",
    )
    parser.add_argument(
        "--control",
        type=_sweep,
        metavar="NAME=X,X[,X]",
        help="what a control of the model does, at each of these values",
    )
    parser.add_argument(
        "--compare", type=Path, nargs="+", metavar="OUT", help="earlier results side by side; no model"
    )
    parser.add_argument(
        "--files", type=Path, nargs="+", metavar="STEM.wav", help="score these files against --mix"
    )
    parser.add_argument("--mix", type=Path, metavar="MIX.wav", help="the recording that --files accompany")
    add_options(parser)
    reconstruction_command.add_options(parser)
    windows_command.add_options(parser)
    streams_command.add_options(parser)
    others = (
        "drift",
        "reaction",
        "control",
        "compare",
        "files",
        "check_metrics",
        "reconstruction",
        "windows",
        "jobs",
    )
    parser.set_defaults(run=run, excludes={"cluster": others})


def run(arguments: argparse.Namespace) -> int:
    """The command proper.

    Raises:
        LiveBandModelError: what the user can mend, in one line.
    """
    if arguments.seconds is None:
        arguments.seconds = 60.0 if arguments.drift else 30.0 if arguments.reaction else 20.0
    if arguments.conditions is None:
        arguments.conditions = ("none",) if arguments.control else ("none", "beat", "all")
    if arguments.networks > 8:
        raise LiveBandModelError(f"--networks {arguments.networks}: accepted are 1 to 8")
    if not 0 <= arguments.skip_s <= arguments.seconds - 2 and arguments.files is None:
        raise LiveBandModelError(
            f"--skip-s {arguments.skip_s:g} leaves less than 2 s of {arguments.seconds:g} s to score"
        )
    if (arguments.files is None) != (arguments.mix is None):
        raise LiveBandModelError("--files and --mix belong together: give the stems and the recording")
    if arguments.files is not None:
        return _run_files(arguments)
    if arguments.compare is not None:
        return _run_compare(arguments)
    if arguments.reconstruction and (arguments.data is not None or arguments.real is not None):
        return _run_reconstruction(arguments)
    if (status := run_shown(arguments)) is not None:
        return status
    if arguments.data is None:
        raise LiveBandModelError("give --data ROOT (made by `liveband data render`), or --files with --mix")
    if arguments.check_metrics:
        return _run_check(arguments)
    if arguments.windows is not None:
        return _run_windows(arguments)
    if arguments.stream is not None:
        return _run_stream(arguments)
    if arguments.drift or arguments.reaction or arguments.control:
        return _run_study(arguments)
    return _run_model(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m lbmodels.evaluate`: the command without the server."""
    parser = argparse.ArgumentParser(prog="liveband")
    add_parser(parser.add_subparsers(required=True))
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except LiveBandModelError as error:
        print(f"liveband: error: {error}", file=sys.stderr)
        return 2


def _run_model(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate import embedding
    from lbmodels.evaluate.features import open_pool
    from lbmodels.evaluate.players import open_contender
    from lbmodels.evaluate.plots import draw, draw_frontier
    from lbmodels.evaluate.report import results, table, write_json, write_text
    from lbmodels.evaluate.run import choose, hear, rows_of, work_units

    settings = _settings(arguments)
    pool = open_pool(arguments.jobs, arguments.cluster)
    if not embedding.installed():
        print(f"liveband: without Frechet distances; for them: {embedding.INSTALL}", file=sys.stderr)
    try:
        accompanist = open_contender(arguments.model, arguments.runtime, arguments.device)
        out = _out_folder(arguments.out)
        chosen = choose(settings, accompanist)
        counts = {stem: len(excerpts) for stem, excerpts in chosen.items()}
        for stem, count in counts.items():
            if count < settings.excerpts:
                print(
                    f"liveband: {stem}: the data holds {count} excerpts, not {settings.excerpts}",
                    file=sys.stderr,
                )
        frame_s = accompanist.spec.hop / accompanist.spec.sample_rate
        with _progress(work_units(settings, counts, frame_s)) as on_progress:
            heard = {
                stem: hear(accompanist, settings, excerpts, pool=pool, on_progress=on_progress)
                for stem, excerpts in chosen.items()
            }
            rows = [
                row for stem, one in heard.items() for row in rows_of(one, stem, settings, accompanist.spec)
            ]
    finally:
        if pool is not None:
            pool.close()
    found = results(accompanist.spec.name, settings, rows)
    write_json(found, out / "results.json")
    draw(
        rows,
        f"{accompanist.spec.name} on {settings.split}, {max(counts.values())} excerpts a stem",
        out / "scores.png",
    )
    write_text(table(rows), out / "results.txt")
    written = [out / "results.json", out / "results.txt", out / "scores.png"]
    if len(settings.anticipation_ms) > 1:
        draw_frontier(rows, f"{accompanist.spec.name} on {settings.split}", out / "frontier.png")
        written.append(out / "frontier.png")
    _show(found, table(rows), arguments, written)
    return 0


def _run_windows(arguments: argparse.Namespace) -> int:
    found, table, written = windows_command.run(
        arguments, _settings(arguments), _out_folder(arguments.out), _progress
    )
    _show(found, table, arguments, written)
    return 0


def _run_stream(arguments: argparse.Namespace) -> int:
    found, table, written = streams_command.run(arguments, _out_folder(arguments.out), _progress)
    _show(found, table, arguments, written)
    return 0


def _run_study(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.report import write_json
    from lbmodels.evaluate.studies import measure_control, measure_drift, measure_reaction

    settings = _settings(arguments)
    name = "drift" if arguments.drift else "reaction" if arguments.reaction else arguments.control[0]
    target = _out_folder(arguments.out) / f"{name}.json"
    written = [target]
    if arguments.drift:
        found, table = measure_drift(settings, arguments.jobs, _progress)
    elif arguments.reaction:
        found, table = measure_reaction(settings, _progress)
    else:
        picture = target.with_suffix(".png")
        _, values = arguments.control
        found, table = measure_control(settings, name, values, picture, _progress)
        written.append(picture)
    write_json({"model": settings.model, "settings": asdict(settings), name: found}, target)
    _show(found, table, arguments, written)
    return 0


def _run_compare(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.studies import compare

    found, table, written = compare(arguments.compare, _out_folder(arguments.out))
    _show(found, table, arguments, written)
    return 0


def _run_check(arguments: argparse.Namespace) -> int:
    from lbmodels.evaluate.excerpts import choose_excerpts
    from lbmodels.evaluate.report import separation_table, write_json
    from lbmodels.evaluate.separation import separation
    from lbmodels.evaluate.tracker import check

    check()
    settings = _settings(arguments)
    out = _out_folder(arguments.out)
    chosen = [
        choose_excerpts(
            settings.data, settings.split, stem, settings.excerpts,
            seconds=settings.seconds, seed=settings.seed, hop=1920, sample_rate=48000,
        )
        for stem in settings.stems
    ]  # fmt: skip
    found = []
    with _progress(sum(len(excerpts) for excerpts in chosen)) as on_progress:
        for excerpts in chosen:
            found += separation(
                excerpts,
                networks=settings.networks,
                cache=settings.cache,
                start_s=settings.start_s,
                seed=settings.seed,
                on_done=partial(on_progress, excerpts[0].stem_class, 1),
            )
    rows = [asdict(one) for one in found]
    write_json(rows, out / "separation.json")
    _show(rows, separation_table(found), arguments, [out / "separation.json"])
    return 0


def _run_reconstruction(arguments: argparse.Namespace) -> int:
    found, table, written = reconstruction_command.run(arguments, _out_folder(arguments.out), _progress)
    _show(found, table, arguments, written)
    return 0


def _run_files(arguments: argparse.Namespace) -> int:
    from rich.table import Table

    from lbmodels.evaluate.features import default_cache
    from lbmodels.evaluate.files import score_files
    from lbmodels.evaluate.tracker import check

    check()
    with _progress(len(arguments.files) + 1) as on_progress:
        found = score_files(
            arguments.files,
            arguments.mix,
            networks=arguments.networks,
            cache=None if arguments.no_cache else default_cache(),
            start_s=arguments.skip_s,
            on_done=lambda: on_progress("listening", 1),
        )
    table = Table(title=f"against the beats and the chroma heard in {arguments.mix}")
    for name in (
        "stem",
        "beat F1",
        "rotated",
        "half a beat late",
        "chroma",
        "transposed",
        "LUFS",
        "mix LUFS",
        "silent",
    ):
        table.add_column(name)
    for s in found:
        shown = (s.beat_f1, s.beat_floor, s.beat_half, s.chroma, s.chroma_floor)
        table.add_row(
            Path(s.file).name,
            *(f"{v:.2f}" for v in shown),
            f"{s.loudness_lufs:.1f}",
            f"{s.mix_loudness_lufs:.1f}",
            f"{s.silence:.0%}",
        )
    _show([asdict(s) for s in found], table, arguments, [])
    return 0


def _settings(arguments: argparse.Namespace) -> Settings:
    from lbmodels.evaluate.features import default_cache
    from lbmodels.evaluate.run import Settings

    out, data, model = arguments.out, arguments.data, arguments.model
    if arguments.cluster is not None:  # its processes work elsewhere
        out, data = out.absolute(), data.absolute()
        model = str(Path(model).absolute()) if model and Path(model).exists() else model
    return Settings(
        data=data,
        split=arguments.split,
        stems=arguments.stems,
        anticipation_ms=arguments.anticipation_ms,
        conditions=arguments.conditions,
        excerpts=arguments.excerpts,
        seconds=arguments.seconds,
        seed=arguments.seed,
        batch=arguments.batch,
        networks=arguments.networks,
        start_s=arguments.skip_s,
        cache=None if arguments.no_cache else default_cache(),
        kept=None if arguments.no_cache else out / "heard",
        save_audio=out / "audio" if arguments.save_audio else None,
        model=model,
        runtime=arguments.runtime,
        device=arguments.device,
    )


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str, int], None]]:
    """A bar with the time left on stderr; gives `advance(what, steps)`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing", total=total)
        yield lambda what, steps: bar.update(task, description=what, advance=steps)


def _show(found: Any, table: Any, arguments: argparse.Namespace, written: Sequence[Path]) -> None:
    if arguments.json:
        from lbmodels.evaluate.report import plain

        print(to_json(plain(found)))
        return
    from rich.console import Console

    # A pipe or a log has no width of its own: figures must not be cut there.
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)
    for path in written:
        print(f"wrote {path}")


def _out_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise LiveBandModelError(f"cannot write to {path}: {error.strerror}") from None
    return path


def _words(accepted: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
        odd = [word for word in words if word not in accepted]
        if odd or not words:
            raise argparse.ArgumentTypeError(
                f"unknown {', '.join(odd) or 'empty list'!r}; accepted: {', '.join(accepted)}"
            )
        return words

    return parse


def _sweep(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, listed = text.partition("=")
    try:
        values = tuple(float(value) for value in listed.split(","))
    except ValueError:
        values = ()
    if not name.isidentifier() or len(values) < 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=X,X[,X], as density=0,0.5,1")
    return name, values


def _times(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of times in ms") from None
    if any(not 0 <= value <= 60_000 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r}: anticipation is 0 ms or more")
    return values


def _at_least(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
        if value < low:
            raise argparse.ArgumentTypeError(f"{value} is too small; at least {low}")
        return value

    return parse
