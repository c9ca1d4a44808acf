# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband bounce`: reads what is asked for, plans the files, lets the engine or the plug-in play, prints the report."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lbmodels.contract.spec import Spec
from lbserver.commands.playing import Bar, add_model_options, add_print_options, load, print_report
from lbserver.commands.style import add_style_options, style_line, style_vector
from lbserver.errors import LiveBandError
from lbserver.files.paths import reason
from lbserver.files.plain_json import to_json
from lbserver.protocol.controls import BY_NAME

if TYPE_CHECKING:
    from lbserver.audio.reading import Recording
    from lbserver.engine.bounce import BounceReport
    from lbserver.music.conditions import HostKnowledge


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband bounce`."""
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
        "IN may be a folder: every recording in it is played along to, in folders of folders too, and OUT gets the\n"
        "same folders. The same command again goes on where it was stopped; what is there, of the same recording,\n"
        "settings and weights, is skipped. What cannot be read is named at the end, with exit code 2.\n\n"
        "examples:\n"
        "  liveband bounce song.wav -o bass.wav --stem bass\n"
        "  liveband bounce song.mp3 -o out.wav --stem drums,bass --mix --bpm 120 --first-beat 0.35\n"
        "  liveband bounce song.flac -o band/ --stem piano --chords chart.txt --bpm 96 --key Am\n"
        "  liveband bounce songs -o stems --stem drums,bass --jobs 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "input", type=Path, metavar="IN", help="the recording to play along to, a folder of them, or -"
    )
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
        "--bpm; the form repeats); docs/files.md says which spellings are read",
    )
    playing = parser.add_argument_group("how it plays")
    add_model_options(playing)
    add_style_options(playing)
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
    many = parser.add_argument_group("where IN is a folder")
    many.add_argument(
        "--jobs", type=int, metavar="N", help="processes (default: 1; on a cluster all processors)"
    )
    many.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let a Ray cluster play: `local`, or its address (10.0.0.1:6379, auto); every machine needs liveband, "
        "and IN and OUT under the same names; needs liveband[cluster]",
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
    add_print_options(parser)
    needs = {
        "first_beat_s": ("bpm",),
        "beats_per_bar": ("first_beat_s", "chords"),
        "vst3": ("through",),
    }
    parser.set_defaults(run=_run, needs=needs)


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


def _run(parsed: argparse.Namespace) -> int:
    from lbserver.audio.reading import AudioReader, Recording
    from lbserver.music.conditions import read_knowledge

    knowledge = read_knowledge(
        bpm=parsed.bpm,
        first_beat_s=parsed.first_beat_s,
        beats_per_bar=parsed.beats_per_bar,
        key=parsed.key,
        chords_path=parsed.chords,
    )
    style = style_line(parsed)  # words that nobody knows are said before anything is opened
    if parsed.input.is_dir():
        from lbserver.commands.bounce_folder import bounce_folder

        return bounce_folder(parsed, knowledge, style)
    for name in ("jobs", "cluster"):
        if getattr(parsed, name) is not None:
            raise LiveBandError(f"--{name} is for a folder of recordings, and {parsed.input} is none")
    # The input before the model: a wrong name should not wait for weights to load.
    with Recording(parsed.input) as source:
        with AudioReader(source):
            pass
        return _bounce_from(parsed, knowledge, style, source)


def _bounce_from(
    parsed: argparse.Namespace, knowledge: "HostKnowledge", style: str, source: "Recording"
) -> int:
    """With the engine here, or through the plug-in."""
    from lbserver.engine.bounce import bounce

    if parsed.through is None:
        accompanist = load(parsed.model, parsed.device)
        return _bounce_with(
            parsed, knowledge, style, source, accompanist.spec, partial(bounce, accompanist=accompanist)
        )
    from lbserver.plugin.through import a_server, bounce_through_plugin, find_plugin, parameters_of

    # What does not go is said at once, not when a server has started for it.
    if style:
        raise LiveBandError("--style does not go --through plugin: type it in the plug-in's window")
    parameters_of(knowledge, seed=parsed.seed, variation=parsed.variation, feed_samples=parsed.chunk)
    plugin = find_plugin(parsed.vst3)
    with a_server(parsed.model) as (server, spec):
        through = partial(bounce_through_plugin, plugin=plugin, server=server, spec=spec)
        return _bounce_with(parsed, knowledge, style, source, spec, through)


def _bounce_with(
    parsed: argparse.Namespace,
    knowledge: "HostKnowledge",
    style: str,
    source: "Recording",
    spec: Spec,
    play: "Callable[..., BounceReport]",
) -> int:
    """Plan the files, play, and say what came of it."""
    from lbserver.engine.bounce import BounceRequest, plan_anticipation_frames, plan_outputs
    from lbserver.music.conditions import describe

    knowledge = replace(knowledge, style=style_vector(style, spec.conditions, spec.name))
    out, folder = parsed.output
    if folder:
        make_folder(out)
    stems = stems_of(parsed.stem, spec)
    controls = controls_of(parsed)
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
    with Bar(quiet=not talk) as bar:
        report = play(request, progress=bar.show)
    if parsed.json:
        print(to_json(report.as_json()))
    elif talk:
        print_report(report)
    return 0


def controls_of(parsed: argparse.Namespace) -> dict[str, float]:
    """What --control says. Raises LiveBandError."""
    controls = dict(parsed.control)
    if len(controls) < len(parsed.control):
        raise LiveBandError("--control names one control twice: which of its values holds?")
    return controls


def make_folder(folder: Path) -> None:
    """Raises LiveBandError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LiveBandError(f"cannot make the folder {folder}: {reason(error, named=False)}") from error


def stems_of(named: list[str] | None, spec: Spec) -> tuple[str, ...]:
    """The stems asked for, in order, each once; raises LiveBandError for one that does not exist."""
    from lbserver.engine.stream import stem_index

    wanted = [name.strip() for entry in named or ["all"] for name in entry.split(",") if name.strip()]
    if "all" in wanted:
        return spec.stems
    for name in wanted:
        stem_index(spec, name)
    if not wanted:
        raise LiveBandError(f"no stem asked for: {spec.name} plays {', '.join(spec.stems)}")
    return tuple(dict.fromkeys(wanted))
