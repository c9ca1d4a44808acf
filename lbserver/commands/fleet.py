# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband fleet`: how many machines so many players need, and a day of such a fleet on a virtual clock."""

import argparse
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from lbserver.commands import fleet_serve
from lbserver.commands.serving import add_workers
from lbserver.engine import backends
from lbserver.errors import LiveBandError
from lbserver.files.paths import beside
from lbserver.files.plain_json import to_json
from lbserver.fleet import placement, planning
from lbserver.fleet.simulation import Day, Report, simulate, timed


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`liveband fleet`."""
    parser = commands.add_parser(
        "fleet",
        help="many servers for many players: plan, simulate, run",
        description="Many servers for many players: how many there must be, and the fleet itself.",
        epilog="examples:\n  liveband fleet plan --players 100\n  liveband fleet serve --cluster local --servers 2",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_plan(actions)
    _add_simulate(actions)
    fleet_serve.add_actions(actions)


def _add_plan(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "plan",
        help="machines, memory and network for so many players",
        description="Machines, memory and network for so many players, from what `python -m benchmarks.capacity` measured.",
        epilog="example: liveband fleet plan --players 100 --cores 16",
    )
    parser.add_argument("--players", type=int, required=True, metavar="N", help="who play at the same time")
    _add_measured(parser)
    parser.add_argument(
        "--cores", type=int, default=8, metavar="N", help="of a machine (default: %(default)s)"
    )
    parser.add_argument(
        "--target",
        type=float,
        default=0.7,
        metavar="SHARE",
        help="of what a core plays at most (default: %(default)s)",
    )
    parser.add_argument(
        "--spare", type=int, default=1, metavar="N", help="machines that may fail (default: %(default)s)"
    )
    parser.add_argument(
        "--host-block",
        type=int,
        default=480,
        metavar="SAMPLES",
        help="what the hosts hand over at a time (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.set_defaults(run=_plan)


def _add_simulate(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    day = Day()
    parser = actions.add_parser(
        "simulate",
        help="a day of a fleet on a virtual clock: players, failures, an upgrade",
        description="Players come and go, servers fail, all are upgraded, on a virtual clock; every decision is made by the\n"
        "code that places sessions in a real fleet.",
        epilog="example: liveband fleet simulate --players 10000 --plot day.png",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--players", type=int, default=day.players, metavar="N", help="at once (default: %(default)s)"
    )
    _add_measured(parser)
    add_workers(parser, 1, "cores of a server that play")
    parser.add_argument("--hours", type=float, default=day.hours, metavar="H", help="default: %(default)g")
    parser.add_argument(
        "--failures",
        type=float,
        default=24.0,
        metavar="H",
        help="a server fails once in so many hours (default: %(default)g)",
    )
    parser.add_argument(
        "--seed", type=int, default=day.seed, metavar="N", help="another day (default: %(default)s)"
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw sessions, servers and load over time")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.set_defaults(run=_simulate)


def _add_measured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default="tiny", metavar="NAME", help="one that was measured (default: %(default)s)"
    )
    parser.add_argument(
        "--processor",
        default="",
        metavar="WORDS",
        help="of its name; by default the slowest of those measured",
    )
    parser.add_argument(
        "--measured", type=Path, default=planning.MEASURED, metavar="FILE", help="default: what ships"
    )


def _plan(parsed: argparse.Namespace) -> int:
    measured = planning.find(planning.read_measured(parsed.measured), parsed.model, parsed.processor)
    traffic = planning.network(measured, block_samples=parsed.host_block)
    found = planning.plan(
        measured, traffic, parsed.players, cores=parsed.cores, target=parsed.target, spare=parsed.spare
    )
    if parsed.json:
        about = {
            "model": measured.model,
            "device": measured.device,
            "time": measured.time,
            "commit": measured.commit,
        }
        print(
            to_json(
                {"measured": about, "core_share": measured.core_share, **asdict(found), **asdict(traffic)}
            )
        )
        return 0
    up, down = traffic.up_kbit_s, traffic.down_kbit_s
    rows = [
        ("machines", f"{found.machines} of {parsed.cores} cores, {parsed.spare} of them may fail"),
        (
            "a machine",
            f"{found.sessions_per_machine} sessions = {measured.sessions} a core x {parsed.cores - 1} cores x {parsed.target:g}",
        ),
        ("a session", f"{100 * measured.core_share:.1f} % of a core, among {measured.sessions}"),
        ("memory", f"{found.memory_mib:.0f} MiB a machine, {measured.worker_mib:.0f} MiB a worker"),
        *(
            (
                f"network, {name}",
                (
                    f"{up[name]:.0f} kbit/s up and {down[name]:.0f} down a session, "
                    f"{found.machine_mbit_s[name]:.0f} Mbit/s a machine"
                ),
            )
            for name in up
        ),
        ("measured", f"{measured.time[:10]}, {measured.commit}: {measured.device}"),
    ]
    print(f"{parsed.players} players of {measured.model}")
    _show(rows)
    return 0


def _simulate(parsed: argparse.Namespace) -> int:
    measured = planning.find(planning.read_measured(parsed.measured), parsed.model, parsed.processor)
    if not 0 < parsed.hours <= 168:
        raise LiveBandError(f"--hours: {parsed.hours:g} is out of range: more than 0, to 168 h")
    least = max(1, parsed.players // (measured.sessions * parsed.workers * 10))
    day = replace(
        Day(),
        players=parsed.players,
        limits={measured.model: measured.sessions * parsed.workers},
        hours=parsed.hours,
        opening_s=min(600.0, parsed.hours * 600),
        upgrade_s=parsed.hours * 1800,
        mean_failure_s=parsed.failures * 3600,
        policy=placement.Policy(least=least, surge=least, version="1"),
        seed=parsed.seed,
    )
    times: list[float] = []
    report = simulate(day, timed(times, times))
    times.sort()
    decision_ms = {
        f"p{p:g}": 1000 * times[min(len(times) - 1, int(len(times) * p / 100))] for p in (50, 99, 99.9, 100)
    }
    if parsed.plot is not None:
        _draw(report, parsed.plot)
    if parsed.json:
        print(to_json({"day": asdict(day), "report": asdict(report), "decision_cpu_ms": decision_ms}))
        return 0
    upgraded = "not finished" if report.upgraded_after_s is None else f"{report.upgraded_after_s:.0f} s"
    print(
        f"{parsed.hours:g} h, {measured.sessions * parsed.workers} sessions of {measured.model} a server at most"
    )
    _show(
        [
            ("sessions", f"{report.arrived} came, {report.most_playing} at once, {report.lost} lost"),
            (
                "no room",
                f"{report.waited} waited, {report.longest_wait_s:.0f} s at most; {report.refused} gave up",
            ),
            (
                "moved",
                f"{report.moved} exactly, {report.broken} from their last second as {_counted(report.failures, 'server')} failed",
            ),
            (
                "servers",
                f"{report.most_servers} at most, load {report.highest_load:.3f} at most, {_counted(report.over_limit, 'time')} above their limit",
            ),
            ("upgrade", f"{upgraded}; {_counted(report.old_servers_left, 'server')} of the old version left"),
            (
                "a decision",
                f"{decision_ms['p50']:.3f} ms, 99.9 % within {decision_ms['p99.9']:.3f} ms, all within {decision_ms['p100']:.3f} ms of processor time",
            ),
        ]
    )
    return 0


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _show(rows: Iterable[tuple[str, str]]) -> None:
    for name, text in rows:
        print(f"  {name:<13} {text}")


def _draw(report: Report, path: Path) -> None:
    """Raises LiveBandError when the file cannot be written."""
    backends.prepare_drawing()
    from matplotlib import pyplot

    minutes, sessions, servers, loads = zip(*((at / 60, *rest) for at, *rest in report.timeline), strict=True)
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), layout="constrained")
    above.plot(minutes, sessions, label="sessions")
    above.plot(minutes, servers, label="servers up")
    above.legend()
    below.plot(minutes, loads)
    below.set(xlabel="minutes", ylabel="mean load", ylim=(0, 1.05))
    part = beside(path, ".part")
    try:
        figure.savefig(part, format="png", dpi=110)
        part.replace(path)
    except OSError as error:
        raise LiveBandError(f"cannot write {path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
        pyplot.close(figure)
    print(path, file=sys.stderr)
