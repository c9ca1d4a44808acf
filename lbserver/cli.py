# SPDX-License-Identifier: GPL-3.0-or-later
"""The `liveband` command: reads arguments, calls the parts, prints what they say."""

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from lbserver import __version__, backends, extras, streams
from lbserver.accompanist import Accompanist, Spec
from lbserver.arguments import USER_ERROR, Parser
from lbserver.errors import LiveBandError
from lbserver.folders import CACHE_ADVICE, cache_fault
from lbserver.paths import reason
from lbserver.plain_json import to_json
from lbserver.protocol.controls import BY_NAME

if TYPE_CHECKING:
    from lbserver.audio_input import Recording
    from lbserver.bounce import BounceReport
    from lbserver.conditions import HostKnowledge

_MODULES = {
    "serve": ("lbserver.transports.serve", "keep the band ready for plug-ins, patches and scripts"),
    "jam": ("lbserver.transports.device", "play with the band through your audio interface"),
    "top": ("lbserver.top", "watch the sessions of the running server"),
    "plugin": ("lbserver.plugin_command", "install the DAW plug-in, remove it, say where it is"),
    "doctor": ("lbserver.doctor", "look for what is wrong, and say what to do"),
    "keys": ("lbserver.transports.keys", "make a pair of keys for playing over a network"),
}
"""Commands with a module of their own, which is imported when they are named: the others shall not wait for it."""


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Every command's name, and the options of `command`, or of all without it.

    Each sets `run`, a function of the parsed arguments that returns the exit code.
    """
    parser: argparse.ArgumentParser = Parser(
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
    """Run one command; returns the exit code: 0, 2 for what the user can mend, 130 when it was stopped.

    1: the work is done, what was printed of it went nowhere. 141: whoever read it had enough.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: unfinished files are removed on the way out
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminate)
    with streams.lasting() as printed:
        ended: SystemExit | None = None
        try:
            code = _run(sys.argv[1:] if arguments is None else list(arguments))
        except SystemExit as end:  # --help, --version, and what the parser refuses
            code, ended = int(end.code or 0), end
        sys.stdout.flush()
        if printed.fault is None or code:
            if ended is not None:
                raise ended
            return code
        if streams.is_gone(printed.fault):
            return 141
        _say(f"the work is done, but it cannot be printed: {reason(printed.fault)}")
        return 1


def _run(arguments: list[str]) -> int:
    try:
        parser = build_parser(arguments[0] if arguments else "")
        parsed = parser.parse_args(arguments)
        if not hasattr(parsed, "run"):
            parser.print_help()
            return 0
        return int(parsed.run(parsed) or 0)
    except KeyboardInterrupt:
        print("liveband: stopped, nothing half-written was left", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        _say(extras.advice(error))
    except OSError as error:
        _say(reason(error))
    except ValueError as error:
        if not backends.is_user_error(error):
            raise
        _say(str(error))
    return USER_ERROR


def _say(message: str) -> None:
    print(f"liveband: error: {' '.join(message.split())}", file=sys.stderr)


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
        "OUT_bass.wav, OUT_mix.wav ...; if OUT is a folder, ends with / or has no ending, they go into it.\n"
        "OUT ends with .wav (32-bit float), .flac (24 bits, up to 655,350 Hz) or .ogg (up to 200,000 Hz); a\n"
        "symbolic link is followed. IN is a file, a named pipe, or - for standard input: WAV, FLAC, OGG, MP3,\n"
        "AIFF and more, with liveband[formats] also M4A, WebM, WMA; any rate, 1 to 32 channels (of more than 2\n"
        "the silent ones are left out, and if more than 2 are left these are averaged), of one sample or more.\n\n"
        "examples:\n"
        "  liveband bounce song.wav -o bass.wav --stem bass\n"
        "  liveband bounce song.mp3 -o out.wav --stem drums,bass --mix --bpm 120 --first-beat 0.35\n"
        "  liveband bounce song.flac -o band/ --stem piano --chords chart.txt --bpm 96 --key Am",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("input", type=Path, metavar="IN", help="the recording to play along to, or -")
    parser.add_argument(
        "-o", "--output", type=_destination, required=True, metavar="OUT", help="file or folder, see below"
    )
    parser.add_argument(
        "--stem",
        action="append",
        metavar="NAME",
        help="what to play; repeat it, or list with commas; `all` for every one (default: all)",
    )
    blend = parser.add_mutually_exclusive_group()
    blend.add_argument(
        "--mix", action="store_true", help="write the blend of the input and the stems as well"
    )
    blend.add_argument("--mix-only", action="store_true", help="write the blend only")
    known = parser.add_argument_group("what you know of the music (each helps; all may be left out)")
    known.add_argument("--bpm", type=float, metavar="BPM", help="its tempo, if constant")
    known.add_argument(
        "--first-beat",
        dest="first_beat_s",
        type=float,
        metavar="S",
        help="time of a first beat of a bar, in seconds",
    )
    known.add_argument(
        "--beats-per-bar", type=int, metavar="N", help="default: as the chart's time signature says, or 4"
    )
    known.add_argument("--key", metavar="KEY", help="C, Am, f#m, B♭ major, 'C# minor' ...")
    known.add_argument(
        "--chords",
        type=Path,
        metavar="FILE",
        help="lines `start end label` in seconds, or bars `| C / Am7 / | Fmaj7#11 | G7 | x2` (from the first beat, with "
        "--bpm; the form repeats); README says which spellings are read",
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
    needs = {
        "first_beat_s": ("bpm",),
        "beats_per_bar": ("first_beat_s", "chords"),
        "vst3": ("through",),
    }
    parser.set_defaults(run=_run_bounce, needs=needs)


def _destination(text: str) -> tuple[Path, bool]:
    """Where to write, and whether it is a folder for sure."""
    path = Path(text)
    if not text:
        raise argparse.ArgumentTypeError("an empty text is no name of a file or folder")
    if text == "-":
        raise argparse.ArgumentTypeError(
            "nothing is written to standard output: a file is checked before it gets its name, so name one"
        )
    return path, text.endswith("/") or path.is_dir() or not path.suffix


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


def _load(model: str | None) -> Accompanist:
    """A model to play with here; says once if each start will be slow."""
    if fault := cache_fault():
        print(f"liveband: warning: {fault}; {CACHE_ADVICE}", file=sys.stderr)
    return backends.load(model)


def _run_demo(parsed: argparse.Namespace) -> int:
    from lbserver.demo import run_demo

    accompanist = _load(parsed.model)
    with _Bar(quiet=parsed.quiet or parsed.json) as bar:
        report, picture = run_demo(parsed.output, accompanist, seed=parsed.seed, progress=bar.show)
    if parsed.json:
        print(to_json({**report.as_json(), "picture": str(picture)}))
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
    from lbserver.audio_input import AudioReader, Recording
    from lbserver.conditions import read_knowledge

    knowledge = read_knowledge(
        bpm=parsed.bpm,
        first_beat_s=parsed.first_beat_s,
        beats_per_bar=parsed.beats_per_bar,
        key=parsed.key,
        chords_path=parsed.chords,
    )
    # The input before the model: a wrong name should not wait for weights to load.
    with Recording(parsed.input) as source:
        with AudioReader(source):
            pass
        return _bounce_from(parsed, knowledge, source)


def _bounce_from(parsed: argparse.Namespace, knowledge: "HostKnowledge", source: "Recording") -> int:
    """With the engine here, or through the plug-in."""
    from lbserver.bounce import bounce

    if parsed.through is None:
        accompanist = _load(parsed.model)
        return _bounce_with(
            parsed, knowledge, source, accompanist.spec, partial(bounce, accompanist=accompanist)
        )
    from lbserver.through_plugin import a_server, bounce_through_plugin, find_plugin, parameters_of

    # What does not go is said at once, not when a server has started for it.
    parameters_of(knowledge, seed=parsed.seed, variation=parsed.variation, feed_samples=parsed.chunk)
    plugin = find_plugin(parsed.vst3)
    with a_server(parsed.model) as (server, spec):
        through = partial(bounce_through_plugin, plugin=plugin, server=server, spec=spec)
        return _bounce_with(parsed, knowledge, source, spec, through)


def _bounce_with(
    parsed: argparse.Namespace,
    knowledge: "HostKnowledge",
    source: "Recording",
    spec: Spec,
    play: "Callable[..., BounceReport]",
) -> int:
    """Plan the files, play, and say what came of it."""
    from lbserver.bounce import BounceRequest, plan_anticipation_frames, plan_outputs
    from lbserver.conditions import describe

    out, folder = parsed.output
    if folder:
        _make_folder(out)
    stems = _stems(parsed.stem, spec)
    controls = dict(parsed.control)
    if len(controls) < len(parsed.control):
        raise LiveBandError("--control names one control twice: which of its values holds?")
    outputs = plan_outputs(source.path, out, stems, mix=parsed.mix, mix_only=parsed.mix_only, folder=folder)
    request = BounceRequest(
        source=source,
        stems=stems,
        outputs=outputs,
        knowledge=knowledge,
        anticipation_ms=parsed.anticipation,
        seed=parsed.seed,
        variation=parsed.variation,
        controls=controls,
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
        print(to_json(report.as_json()))
    elif talk:
        _print_report(report)
    return 0


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LiveBandError(f"cannot make the folder {folder}: {reason(error, named=False)}") from error


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
