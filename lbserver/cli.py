# SPDX-License-Identifier: GPL-3.0-or-later
"""The `liveband` command: reads arguments, calls the parts, prints what they say."""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING

from lbserver import __version__
from lbserver.commands import streams
from lbserver.commands.arguments import USER_ERROR, Parser
from lbserver.engine import backends
from lbserver.files.paths import reason
from lbserver.host import extras, signals

if TYPE_CHECKING:
    pass

_MODULES = {
    "demo": ("lbserver.commands.demo", "hear the band play over a bundled song"),
    "bounce": ("lbserver.commands.bounce", "let the band play over a recording, written to files"),
    "serve": ("lbserver.commands.serve", "keep the band ready for plug-ins, patches and scripts"),
    "jam": ("lbserver.commands.jam", "play with the band through your audio interface"),
    "style": ("lbserver.commands.style", "say which words a style may have, or a recording as such a word"),
    "top": ("lbserver.commands.top", "watch the sessions of the running server"),
    "plugin": ("lbserver.commands.plugin", "install the DAW plug-in, remove it, say where it is"),
    "fleet": ("lbserver.commands.fleet", "many servers for many players: plan, simulate, run"),
    "doctor": ("lbserver.commands.doctor", "look for what is wrong, and say what to do"),
    "keys": ("lbserver.commands.keys", "make a pair of keys for playing over a network"),
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
    for number in signals.heard():  # as Ctrl-C: unfinished files are removed on the way out
        if number != signal.SIGINT:
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


if __name__ == "__main__":
    sys.exit(main())
