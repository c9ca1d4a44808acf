# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband top`: the sessions of the running server, as they are, a few times a second."""

import argparse
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lbserver.client.connection import Connection, connected
from lbserver.client.errors import ServerGoneError
from lbserver.commands.loaded_models import loaded_models, model_words
from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.host.logs import shown
from lbserver.host.rundir import ServerInfo

_BAR_CELLS = 10
_FRESH_S = 5.0  # how long a count that rose stands out

_STATE_STYLES = {
    "opening": "cyan",
    "listening": "cyan",
    "playing": "green",
    "late": "yellow",
    "faded": "red",
    "bypassed": "red",
    "recovering": "yellow",
    "quarantined": "bold red",
    "closed": "dim",
}

Status = Mapping[str, float | int | str]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the server said at one time; `sessions` are status figures by session name, `models` those that are loaded."""

    server: ServerInfo
    name: str
    model: str
    sessions: Mapping[str, Status]
    models: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    taken: float = field(default_factory=time.time)


def look(line: Connection) -> Snapshot:
    """What is so now. Raises as the connection does."""
    answer = line.ask("session_list", "sessions")
    return Snapshot(
        server=line.server,
        name=shown(line.welcome["server"]),
        model=shown(line.welcome["model"]),
        sessions={
            shown(name, 64): status
            for name, status in answer["sessions"].items()
            if isinstance(status, Mapping)
        },
        models=loaded_models(answer),
    )


class Rises:
    """Remembers since when a count stands still, so that one that rises can stand out."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], tuple[float, float]] = {}

    def is_fresh(self, session: str, name: str, value: float, now_s: float) -> bool:
        """Whether the count rose within the last five seconds; call it once for each snapshot."""
        last, rose_s = self._last.get((session, name), (value, float("-inf")))
        if value > last:
            rose_s = now_s
        self._last[session, name] = (value, rose_s)
        return now_s - rose_s < _FRESH_S


def render(snapshot: Snapshot, rises: Rises | None = None, *, hint: str = "") -> RenderableType:
    """The whole screen."""
    rises = rises or Rises()
    parts: list[RenderableType] = [_server_line(snapshot)]
    parts += [Text(f" {model_words(name, told)}", style="dim") for name, told in snapshot.models.items()]
    if snapshot.sessions:
        parts.append(Padding(_Sessions(snapshot, rises), (1, 0)))
        parts += _reasons(snapshot.sessions)
    else:
        parts.append(
            Padding("No session is open. Put the LiveBand plug-in on a track, or try: liveband jam", (1, 1))
        )
    if hint:
        parts.append(Text(f" {hint}", style="dim"))
    return Group(*parts)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `top` to the commands."""
    parser = commands.add_parser(
        "top",
        help="watch the sessions of the running server",
        description="Shows every session of the server that runs here: state, latency, headroom, late frames.",
        epilog="headroom is the time that was left when the last frame landed; its bar is full when nothing of\n"
        "the slack was used up, and red when frames come late.\n\n"
        "examples:\n  liveband top\n  liveband top --json   one snapshot for a script",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--once", action="store_true", help="show it once and exit")
    parser.add_argument("--json", action="store_true", help="print one snapshot as JSON and exit")
    parser.add_argument(
        "--interval",
        type=float,
        default=0.5,
        metavar="S",
        help="seconds between looks (default: %(default)s)",
    )
    parser.set_defaults(run=run, excludes={"json": ("interval",), "once": ("interval",)})


def run(parsed: argparse.Namespace) -> int:
    """The command; returns the exit code."""
    if not 0.05 <= parsed.interval <= 60:
        raise LiveBandError(f"--interval {parsed.interval:g} is out of range: 0.05 to 60 seconds")
    console = Console()
    if parsed.json or parsed.once:
        with connected("top") as line:
            snapshot = look(line)
        if parsed.json:
            print(to_json(as_json(snapshot)))
        else:
            console.print(render(snapshot))
        return 0
    with connected("top"):
        pass  # say that nothing runs before the screen is taken
    with suppress(KeyboardInterrupt):
        _watch(console, parsed.interval)
    return 0


def _watch(console: Console, interval_s: float) -> None:
    """Until Ctrl-C; a server that goes is waited for."""
    rises = Rises()
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            try:
                with connected("top") as line:
                    while True:
                        live.update(render(look(line), rises, hint="Ctrl-C to leave"), refresh=True)
                        time.sleep(interval_s)
            except ServerGoneError as error:
                live.update(Text(f" {error}\n waiting for it; Ctrl-C to leave", style="yellow"), refresh=True)
                time.sleep(max(1.0, interval_s))


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot for scripts; what is not known is null, because JSON has no NaN."""
    return {
        "server": asdict(snapshot.server) | {"name": snapshot.name, "model": snapshot.model},
        "taken": snapshot.taken,
        "models": snapshot.models,
        "sessions": {
            session: {name: None if _unknown(value) else value for name, value in status.items()}
            for session, status in snapshot.sessions.items()
        },
    }


def _server_line(snapshot: Snapshot) -> RenderableType:
    server = snapshot.server
    line = Text.assemble((" LiveBand ", "bold reverse"))
    up_s = max(0, int(snapshot.taken - server.started)) if server.started else None
    facts = [
        snapshot.model,
        f"pid {server.pid}",
        "" if up_s is None else f"up {up_s // 3600}:{up_s // 60 % 60:02d}:{up_s % 60:02d}",
        *(
            f"{name} {port}"
            for name, port in (
                ("OSC", server.osc_port),
                ("HTTP", server.http_port),
                ("ZeroMQ", server.zmq_port),
            )
            if port
        ),
    ]
    line.append("  " + "   ".join(fact for fact in facts if fact))
    troubled = sum(_is_troubled(status) for status in snapshot.sessions.values())
    count = len(snapshot.sessions)
    line.append(f"   {count} session{'' if count == 1 else 's'}", style="bold")
    if troubled:
        line.append(f", {troubled} in trouble", style="bold red")
    return line


_COLUMNS = (
    ("session", "left"),
    ("state", "left"),
    ("stem", "left"),
    ("mode", "left"),
    ("model", "left"),
    ("latency\nms", "right"),
    ("ahead\nms", "right"),
    ("gap\nms", "right"),
    ("headroom\nms", "left"),
    ("late\nframes", "right"),
    ("skipped\nframes", "right"),
    ("queue\nms", "right"),
    ("RTF", "right"),
    ("overload", "left"),
    ("tempo\nbpm", "right"),
    ("chord", "left"),
    ("section", "left"),
    ("quality", "left"),
    ("hears\nbpm", "right"),
    ("hears\nchord", "left"),
)
_DISPENSABLE = (
    "section",
    "chord",
    "hears\nchord",
    "hears\nbpm",
    "quality",
    "tempo\nbpm",
    "gap\nms",
    "skipped\nframes",
    "model",
    "mode",
    "latency\nms",
    "RTF",
    "ahead\nms",
    "queue\nms",
    "overload",
)
"""Columns that a narrow terminal does without, the first one first."""


class _Sessions:
    """The table of sessions, with as many columns as the terminal is wide enough for."""

    def __init__(self, snapshot: Snapshot, rises: Rises) -> None:
        self._rows = [
            _cells(session, status, rises, snapshot.taken)
            for session, status in sorted(snapshot.sessions.items())
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # What no session tells (an older server, a transport without it) needs no column.
        columns = [
            (name, justify)
            for name, justify in _COLUMNS
            if any(row[name].plain for row in self._rows) or name == "overload"
        ]
        unneeded = list(reversed(_DISPENSABLE))
        while True:
            table = Table(box=None, padding=(0, 1), header_style="dim", expand=False)
            for name, justify in columns:
                table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
            for row in self._rows:
                table.add_row(*(row[name] for name, _ in columns))
            # Measured without the terminal's limit, else it always fits.
            free = options.update(width=1000)
            if not unneeded or Measurement.get(console, free, table).maximum <= options.max_width:
                yield table
                return
            dropped = unneeded.pop()
            columns = [column for column in columns if column[0] != dropped]


def _cells(session: str, status: Status, rises: Rises, now_s: float) -> dict[str, Text]:
    state = str(status.get("state", "?"))
    ladder = str(status.get("ladder", ""))
    return {
        "session": Text(session, style="bold"),
        "state": Text.assemble(("● ", _STATE_STYLES.get(state, "")), shown(state, 12)),
        "stem": Text(shown(status.get("stem", ""), 12)),
        "mode": Text(shown(status.get("mode", ""), 12)),
        "model": Text(shown(status.get("model", ""), 24)),
        "latency\nms": _number(status, "latency_ms"),
        "ahead\nms": _number(status, "anticipation_ms"),
        "gap\nms": _number(status, "recency_gap_ms"),
        "headroom\nms": _headroom(status),
        "late\nframes": _count(session, status, "late_frames", rises, now_s),
        "skipped\nframes": _count(session, status, "skipped_frames", rises, now_s),
        "queue\nms": _number(status, "queue_age_ms"),
        "RTF": _number(status, "rtf", digits=1, style_below=(1.2, "yellow")),
        "overload": Text("" if ladder == "on_time" else shown(ladder, 12), style="yellow"),
        "quality": Text(shown(status.get("quality", ""), 12)),
        "tempo\nbpm": _number(status, "tempo", digits=1),
        "chord": Text(shown(status.get("chord", ""), 12)),
        "section": Text(shown(status.get("section", ""), 12)),
        "hears\nbpm": _number(status, "heard_tempo", digits=1),
        "hears\nchord": Text(shown(status.get("heard_chord", ""), 12)),
    }


def _headroom(status: Status) -> Text:
    """A bar: the share of the slack (gap G) that was left, and the figure; red and empty when it was late."""
    left, slack = status.get("headroom_ms"), status.get("recency_gap_ms")
    if _unknown(left) or not isinstance(left, int | float):
        return Text("─" * _BAR_CELLS, style="dim")
    known = isinstance(slack, int | float) and not _unknown(slack) and slack > 0
    share = left / slack if known and isinstance(slack, int | float) else float(left > 0)
    eighths = round(8 * _BAR_CELLS * min(1.0, max(0.0, share)))
    full, part = divmod(eighths, 8)
    bar = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    style = "red" if left < 0 else "yellow" if share < 0.15 else "green"
    text = Text(f"{bar:<{_BAR_CELLS}}", style=f"{style} on grey23")
    return text.append(f" {left:4.0f}", style=f"{style} on default")


def _number(
    status: Status, name: str, *, digits: int = 0, style_below: tuple[float, str] | None = None
) -> Text:
    value = status.get(name)
    if not isinstance(value, int | float) or _unknown(value):
        return Text("–", style="dim")
    style = style_below[1] if style_below and value < style_below[0] else ""
    return Text(f"{value:.{digits}f}", style=style)


def _count(session: str, status: Status, name: str, rises: Rises, now_s: float) -> Text:
    value = status.get(name)
    if not isinstance(value, int | float) or _unknown(value):
        return Text("–", style="dim")
    fresh = rises.is_fresh(session, name, value, now_s)
    return Text(f"{value:.0f}", style="bold red" if fresh else "" if value else "dim")


def _reasons(sessions: Mapping[str, Status]) -> list[RenderableType]:
    return [
        Text.assemble((f" {session}: ", "bold"), (shown(status["reason"], 200), "yellow"))
        for session, status in sorted(sessions.items())
        if status.get("reason")
    ]


def _is_troubled(status: Status) -> bool:
    return _STATE_STYLES.get(str(status.get("state")), "") in ("yellow", "red", "bold red")


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and not isfinite(value))
