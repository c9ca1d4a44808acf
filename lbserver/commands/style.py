# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband style`, and the options `--style` and `--style-audio` of commands that play."""

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from lbserver.engine import backends
from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json

_MOST_S = 300


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband style`."""
    parser = commands.add_parser(
        "style",
        help="say which words a style may have, or a recording as such a word",
        description="Without FILE: the words that a style may be asked for in. With FILE: a recording's sound as one word, which "
        "goes wherever a style is typed: the plug-in, OSC, a patch, a page.",
        epilog="examples:\n"
        "  liveband style\n"
        "  liveband style ballad.wav\n"
        "  liveband bounce song.wav -o bass.wav --stem bass --style 'upright bass, swing *2 | electric bass'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, nargs="?", metavar="FILE", help="a recording of what is meant")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(run=_run)


def add_style_options(parser: "argparse._ActionsContainer") -> None:
    """`--style` and `--style-audio`, of models that were trained with style."""
    parser.add_argument(
        "--style",
        metavar="TEXT",
        help="what it is to sound like, if the model takes a style: 'fretless bass, sparse'; up to six prompts between "
        "bars, each with a weight if it ends in one: 'upright bass *2 | Rhodes'; `liveband style` lists the words",
    )
    parser.add_argument(
        "--style-audio",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a recording that it is to sound like, beside --style's prompts; may be given again",
    )


def style_line(parsed: argparse.Namespace) -> str:
    """What the options ask for as one line, empty for nothing; a recording that comes through a pipe can be heard once. Raises LiveBandError: unknown words, no such recording."""
    prompts = [] if parsed.style is None else [parsed.style]
    line = " | ".join([*prompts, *(word_of(path) for path in parsed.style_audio)])
    if line or prompts:
        backends.style_vector(line)
    return line


def style_vector(line: str, conditions: Sequence[str], model: str) -> tuple[float, ...]:
    """What a `style_line` asks for, empty for nothing. Raises LiveBandError: a model that takes no style."""
    if not line:
        return ()
    if "style" not in conditions:
        raise LiveBandError(f"{model} was not trained with style: leave out --style, or name another --model")
    return tuple(backends.style_vector(line).tolist())


def word_of(path: Path) -> str:
    """A recording, its first five minutes, as a word. Raises LiveBandError: it cannot be read, or nothing sounds in it."""
    import numpy as np

    from lbserver.audio.reading import AudioReader

    with AudioReader(path) as reader:
        blocks = reader.blocks(reader.rate_hz)
        audio = np.concatenate([block.T for block in itertools.islice(blocks, _MOST_S)])
    try:
        return backends.style_word(audio, reader.rate_hz)
    except LiveBandError as error:
        raise LiveBandError(f"{path}: {error}") from None


def _run(parsed: argparse.Namespace) -> int:
    if parsed.file is not None:
        word = word_of(parsed.file)
        print(to_json({"word": word}) if parsed.json else word)
        return 0
    words = backends.style_words()
    if not words:
        raise LiveBandError("no models are installed that know styles")
    print(to_json({"words": list(words)}) if parsed.json else ", ".join(words))
    return 0
