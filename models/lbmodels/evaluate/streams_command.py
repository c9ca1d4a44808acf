# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of `liveband evaluate` that judges an endless stream."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.errors import LiveBandModelError

if TYPE_CHECKING:
    from rich.table import Table

    from lbmodels.evaluate.streams import Figure

Bar = Callable[[int], AbstractContextManager[Callable[[str, int], None]]]
PARTS = ("adherence", "transitions", "injection", "controls", "endurance")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `liveband evaluate` that `run` understands."""
    parser.add_argument(
        "--stream",
        type=_parts,
        metavar="PART[,PART]",
        help=f"an endless stream: all, or some of {', '.join(PARTS)}; --excerpts are the trials of each",
    )
    parser.add_argument(
        "--minutes", type=int, default=10, metavar="N", help="of endurance (default: %(default)s)"
    )


def _parts(text: str) -> tuple[str, ...]:
    parts = PARTS if text == "all" else tuple(text.split(","))
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown part {unknown[0][:40]!r}; accepted: all, {', '.join(PARTS)}"
        )
    return parts


def run(arguments: argparse.Namespace, out: Path, bar: Bar) -> tuple[dict[str, Any], Table, list[Path]]:
    """Figures, their table, and the file written: stream.json.

    Raises:
        LiveBandModelError: what the user can mend, in one line.
    """
    from lbmodels.evaluate import embedding, streams
    from lbmodels.evaluate.players import open_player
    from lbmodels.evaluate.report import write_json

    if not embedding.installed():
        raise LiveBandModelError(f"styles are judged by musicnn's ear; for it: {embedding.INSTALL}")
    if not 1 <= arguments.minutes <= 120:
        raise LiveBandModelError(f"--minutes {arguments.minutes} is out of range: 1 to 120")
    model = open_player(arguments.model, arguments.runtime, arguments.device)
    streams.Stream(model, 0)
    trials, seconds = arguments.excerpts, arguments.seconds
    work = {
        "adherence": streams.AMONG,
        "transitions": trials,
        "injection": trials,
        "controls": trials * len(streams.ASKED),
        "endurance": arguments.minutes,
    }
    found: dict[str, Any] = {"model": model.spec.name, "trials": trials, "seconds": seconds}
    songs_most = 4 * streams.AMONG
    with bar(songs_most + sum(work[part] for part in arguments.stream)) as advance:

        def step() -> None:
            advance("stream", 1)

        songs = streams.read_songs(arguments.data, arguments.split, songs_most, step)
        if "adherence" in arguments.stream:
            found["adherence"] = streams.adherence(model, songs, seconds, step)
        if "transitions" in arguments.stream:
            found["transitions"] = streams.transitions(model, songs, trials, step)
        if "injection" in arguments.stream:
            found["injection"] = streams.injection(model, songs, trials, step)
        if "controls" in arguments.stream:
            found["controls"] = streams.controls(model, trials, seconds, step)
        if "endurance" in arguments.stream:
            found["endurance"] = streams.endurance(model, songs, arguments.minutes, step)
    table = _table(found)
    found = _plain(found)
    target = out / "stream.json"
    write_json(found, target)
    return found, table, [target]


def _plain(value: Any) -> Any:
    from lbmodels.evaluate.streams import Figure

    if isinstance(value, Figure):
        return asdict(value)
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _table(found: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("part", "figure", "value", "95 %", "trials", title=f"{found['model']}, a stream")

    def row(part: str, one: Figure) -> None:
        low, high = one.interval
        table.add_row(part, one.what, f"{one.value:.3f}", f"{low:.3f} to {high:.3f}", str(one.trials))

    for part in ("adherence", "transitions", "injection"):
        for one in found.get(part, ()):
            row(part, one)
    for name, figures in found.get("controls", {}).items():
        for one in figures:
            row(name, one)
    for minute in found.get("endurance", ()):
        text = f"level {minute['level_db']:.1f} dB, repetition {minute['repetition']:.2f}"
        table.add_row(f"minute {minute['minute']:.0f}", text, f"{minute['frechet']:.1f}", "Frechet", "1")
    return table
