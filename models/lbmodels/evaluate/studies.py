# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands beside the plain evaluation: `--drift`, `--reaction`, `--control`, `--compare`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.errors import LiveBandModelError

if TYPE_CHECKING:
    from rich.table import Table

    from lbmodels.evaluate.reaction import Reaction
    from lbmodels.evaluate.run import Settings

Bar = Callable[[int], AbstractContextManager[Callable[[str, int], None]]]


def measure_drift(settings: Settings, jobs: int, bar: Bar) -> tuple[list[dict[str, Any]], Table]:
    """Long excerpts, their last third beside their first."""
    from rich.table import Table

    from lbmodels.evaluate.drift import drift
    from lbmodels.evaluate.features import open_pool
    from lbmodels.evaluate.players import open_contender
    from lbmodels.evaluate.run import choose, hear, work_units

    pool = open_pool(jobs)
    try:
        player = open_contender(settings.model, settings.runtime, settings.device)
        chosen = choose(settings, player)
        counts = {stem: len(excerpts) for stem, excerpts in chosen.items()}
        found = []
        with bar(work_units(settings, counts, player.spec.hop / player.spec.sample_rate)) as advance:
            for stem, excerpts in chosen.items():
                heard = hear(player, settings, excerpts, pool=pool, on_progress=advance)
                found += drift(
                    heard, stem, seconds=settings.seconds, skip_s=settings.start_s, seed=settings.seed
                )
    finally:
        if pool is not None:
            pool.close()
    table = Table(
        title=f"last third of {settings.seconds:g} s over the first, after {settings.start_s:g} s; 95 % over songs"
    )
    for name in (
        "stem",
        "host tells",
        "A ms",
        "metric",
        "first",
        "last",
        "ratio",
        "truth",
        "ratio / truth",
        "n",
    ):
        table.add_column(name)
    for d in found:
        table.add_row(
            d.stem, d.conditions, f"{d.anticipation_ms:g}", d.metric, f"{d.first:.3f}", f"{d.last:.3f}",
            f"{d.ratio:.2f} [{d.interval[0]:.2f}, {d.interval[1]:.2f}]", f"{d.true_ratio:.2f}",
            f"{d.relative:.2f} [{d.relative_interval[0]:.2f}, {d.relative_interval[1]:.2f}]",
            f"{d.excerpts}/{d.songs}",
        )  # fmt: skip
    return [asdict(d) for d in found], table


def measure_reaction(settings: Settings, bar: Bar) -> tuple[list[dict[str, Any]], Table]:
    """Songs that turn into another, and when the stem follows.

    Raises:
        LiveBandModelError: a baseline that cannot listen, or songs that do not differ.
    """
    from rich.table import Table

    from lbmodels.evaluate.players import open_player
    from lbmodels.evaluate.reaction import reactions, splices
    from lbmodels.evaluate.run import choose
    from lbmodels.evaluate.tracker import check

    check()
    player = open_player(settings.model, settings.runtime, settings.device)
    chosen = choose(settings, player)
    steps = settings.excerpts * len(settings.conditions) * len(settings.anticipation_ms)
    found: list[Reaction] = []
    with bar(steps * len(chosen)) as advance:
        for stem, excerpts in chosen.items():
            made = splices(excerpts, settings.excerpts, after_s=0.4 * settings.seconds, hop=player.spec.hop)
            for ms in settings.anticipation_ms:
                found += reactions(
                    player, made, stem, settings.listening, conditions=settings.conditions,
                    anticipation_ms=ms, seed=settings.seed, on_done=partial(advance, stem, 1),
                )  # fmt: skip
    table = Table(title="seconds until the stem follows another song; median and 95 % over songs")
    for name in ("stem", "host tells", "A ms", "follows", "median s", "never", "true stem s", "splices"):
        table.add_column(name)
    for r in found:
        table.add_row(
            r.stem, r.conditions, f"{r.anticipation_ms:g}", r.follows,
            f"{r.median_s:.2f} [{r.interval[0]:.2f}, {r.interval[1]:.2f}]", f"{r.never:.0%}",
            f"{r.true_median_s:.2f}", str(r.splices),
        )  # fmt: skip
    return [asdict(r) for r in found], table


def measure_control(
    settings: Settings, control: str, values: Sequence[float], target: Path, bar: Bar
) -> tuple[list[dict[str, Any]], Table]:
    """The same excerpts at each value of a control; the curves are drawn to `target`.

    Raises:
        LiveBandModelError: the model has no such control, or `settings` name several anticipations or conditions.
    """
    from rich.table import Table

    from lbmodels.evaluate.controls import MEASURES, Effect, draw, effects
    from lbmodels.evaluate.players import open_player
    from lbmodels.evaluate.run import choose
    from lbmodels.evaluate.tracker import check

    check()
    if len(settings.conditions) != 1 or len(settings.anticipation_ms) != 1:
        raise LiveBandModelError(
            "--control takes one set of --conditions and one --anticipation-ms, got "
            f"{','.join(settings.conditions)} and {','.join(f'{ms:g}' for ms in settings.anticipation_ms)}"
        )
    player = open_player(settings.model, settings.runtime, settings.device)
    chosen = choose(settings, player)
    found: list[Effect] = []
    with bar(len(values) * sum(map(len, chosen.values()))) as advance:
        for stem, excerpts in chosen.items():
            found += effects(
                player, excerpts, control, values, conditions=settings.conditions[0],
                anticipation_ms=settings.anticipation_ms[0], seed=settings.seed, start_s=settings.start_s,
                networks=settings.networks, on_done=partial(advance, stem, 1),
            )  # fmt: skip
    draw(found, target)
    table = Table(title=f"what {control} does, host tells {settings.conditions[0]}; means over excerpts")
    for name in ("stem", control, *(name.replace("_", " ") for name in MEASURES), "n"):
        table.add_column(name)
    for e in found:
        figures = (f"{getattr(e, name):.{0 if name == 'centroid_hz' else 2}f}" for name in MEASURES)
        table.add_row(e.stem, f"{e.value:g}", *figures, str(e.excerpts))
    return [asdict(e) for e in found], table


def compare(folders: Sequence[Path], out: Path) -> tuple[list[dict[str, Any]], Table, list[Path]]:
    """One table of several runs, compare.json and compare.png in `out`."""
    from lbmodels.evaluate.compare import compare_table, draw_comparison, ranking, read_results
    from lbmodels.evaluate.report import write_json

    results = read_results(folders)
    models = list(dict.fromkeys(one["model"] for one in results))
    if len(models) < len(results):
        raise LiveBandModelError(f"two of the runs are of the same model: {', '.join(models)}")
    ranked = ranking(results)
    write_json(ranked, out / "compare.json")
    draw_comparison(ranked, models, out / "compare.png")
    return ranked, compare_table(ranked, models), [out / "compare.json", out / "compare.png"]
