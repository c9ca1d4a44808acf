# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of every command: what holds for all paths, numbers and options is said here, once.

A path must have a name. A number must be finite, and one that `lbserver.protocol.ranges` knows by its option's name
within its range; `-1e-3` and `-1,-2` are values, not options. An option that would do nothing is refused: a
command says `set_defaults(needs={"this": ("that", "or_that")}, excludes={"this": ("that",)})` by the options' names.
"""

import argparse
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

from lbserver.protocol.ranges import OPTIONS, RANGES, refusal

USER_ERROR = 2
_NEGATIVE = re.compile(r"-(\.?\d|inf\b|nan\b)", re.IGNORECASE)
_LONGEST = 400


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, and where the help is."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = _NEGATIVE
        self._given: set[str] = set()

    def error(self, message: str) -> NoReturn:
        line = " ".join(message.split())
        if len(line) > _LONGEST:
            line = line[:_LONGEST] + "…"
        self.exit(USER_ERROR, f"liveband: error: {line} (see {self.prog} --help)\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse does; then options that would do nothing are refused."""
        self._given.clear()
        namespace, rest = super().parse_known_args(args, namespace)
        self._check(getattr(namespace, "needs", {}), getattr(namespace, "excludes", {}))
        return namespace, rest

    def _check(self, needs: Mapping[str, Sequence[str]], excludes: Mapping[str, Sequence[str]]) -> None:
        for name in sorted(self._given & needs.keys()):
            if not self._given.intersection(needs[name]):
                self.error(f"{self._option(name)} does nothing without {self._options(needs[name])}")
        for name in sorted(self._given & excludes.keys()):
            for other in excludes[name]:
                if other in self._given:
                    self.error(f"{self._option(other)} does nothing with {self._option(name)}")

    def _option(self, name: str) -> str:
        return next((a.option_strings[-1] for a in self._actions if a.dest == name), name)

    def _options(self, names: Iterable[str]) -> str:
        return " or ".join(self._option(name) for name in names)

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        if action.option_strings:
            self._given.add(action.dest)
        return super()._get_values(action, arg_strings)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        if action.type is Path:
            _check_path(action, arg_string)
        value = super()._get_value(action, arg_string)
        if isinstance(value, int | float) and not isinstance(value, bool):
            if not isfinite(value):
                raise argparse.ArgumentError(action, f"{arg_string!r} is not a finite number")
            if (action.dest in RANGES or action.dest in OPTIONS) and (why := refusal(action.dest, value)):
                raise argparse.ArgumentError(action, why)
        return value


def _check_path(action: argparse.Action, text: str) -> None:
    if not text:
        raise argparse.ArgumentError(action, "an empty text is no name of a file or folder")
    if text.endswith("/"):
        with contextlib.suppress(OSError):  # whoever opens it says so
            if Path(text).is_file():
                raise argparse.ArgumentError(
                    action, f"{text} names a folder, and there is a file of that name"
                )
