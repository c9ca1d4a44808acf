# SPDX-License-Identifier: GPL-3.0-or-later
"""The `liveband` command: reads arguments, calls the parts, prints what they say."""

import argparse
import importlib
import json
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from lbserver import __version__, backends
from lbserver.accompanist import Spec
from lbserver.errors import LiveBandError
from lbserver.protocol.controls import BY_NAME

if TYPE_CHECKING:
    from lbserver.bounce import BounceReport
    from lbserver.conditions import HostKnowledge

USER_ERROR = 2

_MODULES = {
    "serve": ("lbserver.transports.serve", "keep the band ready for plug-ins, patches and scripts"),
    "jam": ("lbserver.transports.device", "play with the band through your audio interface"),
    "top": ("lbserver.top", "watch the sessions of the running server"),
    "plugin": ("lbserver.plugin_command", "install the DAW plug-in, remove it, say where it is"),
    "doctor": ("lbserver.doctor", "look for what is wrong, and say what to do"),
    "keys": ("lbserver.transports.keys", "make a pair of keys for playing over a network"),
}
"""Commands with a module of their own, which is imported when they are named: the others shall not wait for it."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where the help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(USER_ERROR, f"liveband: error: {message} (see {self.prog} --help)\n")


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Every command's name, and the options of `command`, or of all without it.

    Each sets `run`, a function of the parsed arguments that returns the exit code.
    """
    parser: argparse.ArgumentParser = _Parser(
        prog="liveband",
        description="A neural band that listens to your music and plays along.",
        epilog="example: liveband demo",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"liveband {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_bounce(commands)
    for name, (module, what) in _MODULES.items():
        if command in (None, name):
            importlib.import_module(module).add_parser(commands)
        else:
            commands.add_parser(name, help=what)
    backends.add_model_commands(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 2 for what the user can mend, 130 for Ctrl-C."""
    signal.signal(signal.SIGTERM, _terminate)  # as Ctrl-C: unfinished files are removed on the way out
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        parser = build_parser(given[0] if given else "")
        parsed = parser.parse_args(arguments)
        if not hasattr(parsed, "run"):
            parser.print_help()
            return 0
        return int(parsed.run(parsed) or 0)
    except KeyboardInterrupt:
        print("liveband: stopped, nothing half-written was left", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except ValueError as error:
        if not backends.is_user_error(error):
            raise
        print(f"liveband: error: {' '.join(str(error).split())}", file=sys.stderr)
        return USER_ERROR


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "demo",
        help="hear the band play over a bundled song",
        description="Plays drums, bass, piano and guitar over a bundled recording; writes the audio and a picture.",
        epilog="example: liveband demo -o my_demo",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("liveband_demo"), metavar="DIR", help="default: %(default)s"
    )
    _add_model_options(parser)
    _add_print_options(parser)
    parser.set_defaults(run=_run_demo)


def _add_bounce(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "bounce",
        help="let the band play over a recording, written to files",
        description="Plays stems over a recording. The output is stereo, and as long and of the same rate as the\n"
        "input: drop it beside the input in a DAW. The band hears the input as it would live, never ahead.",
        epilog="One file is written to OUT itself. With several (more stems, or --mix) OUT.wav becomes\n"
        "OUT_bass.wav, OUT_mix.wav ...; if OUT is a folder, or has no ending, they go into it.\n"
        "OUT ends with .wav (32-bit float), .flac (24 bits) or .ogg. The input: 1 to 32 channels (more than 2\n"
        "are averaged), any rate, WAV, FLAC, OGG, MP3 or AIFF, of one sample or more.\n\n"
        "examples:\n"
        "  liveband bounce song.wav -o bass.wav --stem bass\n"
        "  liveband bounce song.mp3 -o out.wav --stem drums,bass --mix --bpm 120 --first-beat 0.35\n"
        "  liveband bounce song.flac -o band/ --stem piano --chords chart.txt --bpm 96 --key Am",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="the recording to play along to")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="file or folder, see below"
    )
    parser.add_argument(
        "--stem",
        action="append",
        metavar="NAME",
        help="what to play; repeat it, or list with commas; `all` for every one (default: all)",
    )
    parser.add_argument(
        "--mix", action="store_true", help="write the blend of the input and the stems as well"
    )
    parser.add_argument("--mix-only", action="store_true", help="write the blend only")
    known = parser.add_argument_group("what you know of the music (each helps; all may be left out)")
    known.add_argument("--bpm", type=float, metavar="BPM", help="its tempo, if constant")
    known.add_argument(
        "--first-beat", type=float, metavar="S", help="time of a first beat of a bar, in seconds"
    )
    known.add_argument("--beats-per-bar", type=int, default=4, metavar="N", help="default: %(default)s")
    known.add_argument("--key", metavar="KEY", help="C, Am, F#m, 'Bb major' ...")
    known.add_argument(
        "--chords",
        type=Path,
        metavar="FILE",
        help="lines `start end label` in seconds, or bars `| C . Am . | F | G7 |` (from the first beat, with "
        "--bpm; the form repeats)",
    )
    playing = parser.add_argument_group("how it plays")
    _add_model_options(playing)
    playing.add_argument(
        "--anticipation",
        type=float,
        metavar="MS",
        help="how far ahead of what it has heard it must write, as live use would ask; rounded to whole frames",
    )
    playing.add_argument(
        "--variation", type=float, default=1.0, metavar="X", help="temperature, default: %(default)s"
    )
    playing.add_argument(
        "--control",
        type=_control,
        action="append",
        default=[],
        metavar="NAME=X",
        help="another control: when_silent=rest, time_feel=half, or one of the model, such as density=0.8 or "
        "tempo_high=110; `liveband models info` tells which it has",
    )
    playing.add_argument(
        "--gain", type=float, default=0.0, metavar="DB", help="of the stems, default: %(default)s dB"
    )
    playing.add_argument(
        "--chunk", type=int, default=4096, metavar="N", help="samples fed at once; changes no bit"
    )
    playing.add_argument(
        "--through",
        choices=("plugin",),
        help="play through the DAW plug-in, loaded in a host, and the server that runs, or one of its own: "
        "the same audio, the way a DAW gets it",
    )
    playing.add_argument(
        "--vst3",
        type=Path,
        metavar="PATH",
        help="with --through plugin: which one (default: the installed one)",
    )
    _add_print_options(parser)
    parser.set_defaults(run=_run_bounce)


def _control(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    control = BY_NAME.get(name)
    if control is not None and value in control.choices:
        return name, float(control.choices.index(value))
    try:
        return name, float(value)
    except ValueError:
        words = ", ".join(control.choices) if control is not None else ""
        accepted = f"{name} is one of {words}" if words else "a control is NAME=NUMBER"
        raise argparse.ArgumentTypeError(f"{accepted}, not {text!r}") from None


def _add_model_options(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument("--model", metavar="NAME", help="a name from `liveband models list`, or a path")
    parser.add_argument(
        "--seed", type=int, default=0, help="another number, another take (default: %(default)s)"
    )


def _add_print_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no report")


def _run_demo(parsed: argparse.Namespace) -> int:
    from lbserver.demo import run_demo

    accompanist = backends.load(parsed.model)
    with _Bar(quiet=parsed.quiet or parsed.json) as bar:
        report, picture = run_demo(parsed.output, accompanist, seed=parsed.seed, progress=bar.show)
    if parsed.json:
        print(json.dumps({**report.as_json(), "picture": str(picture)}))
    elif not parsed.quiet:
        _print_report(report)
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


def _run_bounce(parsed: argparse.Namespace) -> int:
    from lbserver.audio_files import AudioReader
    from lbserver.bounce import bounce
    from lbserver.conditions import read_knowledge

    knowledge = read_knowledge(
        bpm=parsed.bpm,
        first_beat_s=parsed.first_beat,
        beats_per_bar=parsed.beats_per_bar,
        key=parsed.key,
        chords_path=parsed.chords,
    )
    # The input before the model: a wrong name should not wait for weights to load.
    with AudioReader(parsed.input):
        pass
    if parsed.vst3 is not None and parsed.through is None:
        raise LiveBandError("--vst3 says which plug-in to play through: it needs --through plugin")
    if parsed.through is None:
        accompanist = backends.load(parsed.model)
        return _bounce_with(parsed, knowledge, accompanist.spec, partial(bounce, accompanist=accompanist))
    from lbserver.through_plugin import a_server, bounce_through_plugin, find_plugin, parameters_of

    # What does not go is said at once, not when a server has started for it.
    parameters_of(knowledge, seed=parsed.seed, variation=parsed.variation, feed_samples=parsed.chunk)
    plugin = find_plugin(parsed.vst3)
    with a_server(parsed.model) as (server, spec):
        through = partial(bounce_through_plugin, plugin=plugin, server=server, spec=spec)
        return _bounce_with(parsed, knowledge, spec, through)


def _bounce_with(
    parsed: argparse.Namespace, knowledge: "HostKnowledge", spec: Spec, play: "Callable[..., BounceReport]"
) -> int:
    """Plan the files, play, and say what came of it."""
    from lbserver.bounce import BounceRequest, plan_anticipation_frames, plan_outputs
    from lbserver.conditions import describe

    if not parsed.output.suffix:
        _make_folder(parsed.output)
    stems = _stems(parsed.stem, spec)
    outputs = plan_outputs(parsed.input, parsed.output, stems, mix=parsed.mix, mix_only=parsed.mix_only)
    request = BounceRequest(
        source=parsed.input,
        stems=stems,
        outputs=outputs,
        knowledge=knowledge,
        anticipation_ms=parsed.anticipation,
        seed=parsed.seed,
        variation=parsed.variation,
        controls=dict(parsed.control),
        gain_db=parsed.gain,
        feed_samples=parsed.chunk,
    )
    talk = not (parsed.quiet or parsed.json)
    if talk:
        frames = plan_anticipation_frames(spec, parsed.anticipation)
        rounded = ""
        if parsed.anticipation is not None and abs(parsed.anticipation - frames * spec.frame_ms) > 1e-9:
            rounded = f" (you asked for {parsed.anticipation:g} ms; a frame is {spec.frame_ms:g} ms)"
        print(
            f"{spec.name} plays {', '.join(stems)}, {frames * spec.frame_ms:g} ms ahead{rounded}",
            file=sys.stderr,
        )
        print(f"told: {describe(knowledge)}", file=sys.stderr)
    with _Bar(quiet=not talk) as bar:
        report = play(request, progress=bar.show)
    if parsed.json:
        print(json.dumps(report.as_json()))
    elif talk:
        _print_report(report)
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LiveBandError(
            f"cannot make the folder {folder}: {(error.strerror or str(error)).lower()}"
        ) from error


def _stems(named: list[str] | None, spec: Spec) -> tuple[str, ...]:
    """The stems asked for, in order, each once; raises LiveBandError for one that does not exist."""
    wanted = [name.strip() for entry in named or ["all"] for name in entry.split(",") if name.strip()]
    if "all" in wanted:
        return spec.stems
    for name in wanted:
        spec.stem_index(name)
    if not wanted:
        raise LiveBandError(f"no stem asked for: {spec.name} plays {', '.join(spec.stems)}")
    return tuple(dict.fromkeys(wanted))


def _print_report(report: "BounceReport") -> None:
    rows = [("stem", "loudness", "peak", "file")]
    rows.append(("(input)", _level(report.source_loudness_lufs, "LUFS"), "", str(report.source)))
    rows += [
        (file.name, _level(file.loudness_lufs, "LUFS"), _level(file.peak_dbfs, "dBFS"), str(file.path))
        for file in report.files
    ]
    name_width = max(len(row[0]) for row in rows)
    for name, loudness, peak, path in rows:
        print(f"{name:<{name_width}}  {loudness:>10}  {peak:>10}  {path}")
    for file in report.files:
        if file.lowered_db:
            print(f"{file.name}: turned down by {file.lowered_db:.1f} dB so that it does not clip")
        if file.clipped_samples:
            print(f"{file.name}: {file.clipped_samples} samples clipped; try --gain -6, or a .wav output")
    stems = "1 stem" if len(report.stems) == 1 else f"{len(report.stems)} stems at once"
    print(
        f"{report.duration_s:.2f} s at {report.rate_hz} Hz in {report.compute_s:.2f} s "
        f"({report.rtf:.1f} x real time, {stems}); model {report.model}, seed {report.seed}"
    )


def _level(value: float | None, unit: str) -> str:
    return "silent" if value is None else f"{value:.1f} {unit}"


class _Bar:
    """A progress bar on stderr, with the time that remains; shows nothing when quiet."""

    def __init__(self, *, quiet: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._progress = Progress(
            TextColumn("playing"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} s, remaining"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
            transient=True,
        )
        self._task: Any = None

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_error: object) -> None:
        if self._task is not None:
            self._progress.stop()

    def show(self, done_s: float, total_s: float) -> None:
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("playing", total=total_s)
        self._progress.update(self._task, completed=done_s)


if __name__ == "__main__":
    sys.exit(main())
