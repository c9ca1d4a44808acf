# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband bounce FOLDER`: every recording in it, here or on a cluster, gone on with where it stopped; one report."""

import argparse
import contextlib
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbserver.commands.arguments import USER_ERROR
from lbserver.commands.bounce import controls_of, make_folder, stems_of
from lbserver.commands.playing import Bar, load
from lbserver.commands.style import style_vector
from lbserver.engine import backends
from lbserver.engine.bounce import plan_anticipation_frames, remove_left
from lbserver.engine.bounce_folder import (
    Item,
    Outcome,
    Settings,
    clashes,
    entry,
    known,
    look_into,
    plan,
    play,
)
from lbserver.errors import LiveBandError
from lbserver.files.journal import open_journal
from lbserver.files.plain_json import to_json

if TYPE_CHECKING:
    from lbserver.music.conditions import HostKnowledge

JOURNAL = "bounce.jsonl"
"""What is done, in the output folder: a line for each recording that was played along to."""


def bounce_folder(parsed: argparse.Namespace, knowledge: "HostKnowledge", style: str) -> int:
    """Play along to every recording, and say what came of each; exit code 2 if any could not be played."""
    folder, out = parsed.input, parsed.output[0]
    _check_folders(parsed)
    found = look_into(folder, out)
    if not found.recordings and not found.closed:
        raise LiveBandError(f"there is no recording in {folder} ({found.others} other files)")
    spec = load(parsed.model, parsed.device).spec
    knowledge = replace(knowledge, style=style_vector(style, spec.conditions, spec.name))
    settings = Settings(
        model=None if parsed.model is None else backends.whole_name(parsed.model),
        runtime=os.environ.get("LIVEBAND_RUNTIME") or "auto",
        device=os.environ.get("LIVEBAND_DEVICE") or "auto",
        weights_id=spec.weights_id,
        stems=stems_of(parsed.stem, spec),
        mix=parsed.mix,
        mix_only=parsed.mix_only,
        knowledge=knowledge,
        anticipation_ms=plan_anticipation_frames(spec, parsed.anticipation) * spec.frame_ms,
        seed=parsed.seed,
        variation=parsed.variation,
        controls=controls_of(parsed),
        gain_db=parsed.gain,
        feed_samples=parsed.chunk,
    )
    talk = not (parsed.quiet or parsed.json)
    if talk:
        many = f"{len(found.recordings)} recordings of {sum(found.recordings.values()) / 1e6:.0f} MB"
        print(f"{spec.name} plays {', '.join(settings.stems)} over {many}", file=sys.stderr)
    make_folder(out)
    began = time.monotonic()
    with open_journal(out / JOURNAL) as journal:
        items = plan(found, out, settings, known(journal.entries(), settings))
        ended = [Outcome(name=name, state="failed", reason=why) for name, why in found.closed.items()]
        ended += [Outcome(name=item.name, state="failed", reason=why) for item, why in clashes(items)]
        given_up = {outcome.name for outcome in ended}
        wanted = [item for item in items if item.name not in given_up]
        with Bar(quiet=not talk) as bar:
            try:
                for outcome in _played(settings, wanted, parsed, bar):
                    if outcome.state == "done":
                        journal.add(entry(settings, outcome))
                    ended.append(outcome)
            except BaseException:
                if done := sum(outcome.state != "failed" for outcome in ended):
                    print(
                        f"liveband: {done} of {len(items)} recordings are done; the same command goes on",
                        file=sys.stderr,
                    )
                raise
    ended.sort(key=lambda outcome: outcome.name)
    counts = Counter(outcome.state for outcome in ended)
    report = {
        "source": str(folder),
        "output": str(out),
        "model": spec.name,
        "weights_id": spec.weights_id,
        "stems": list(settings.stems),
        "seed": settings.seed,
        "settings": settings.identity(),
        **{state: counts[state] for state in ("done", "skipped", "failed")},
        "others": found.others,
        "duration_s": sum(outcome.duration_s for outcome in ended),
        "compute_s": sum(outcome.compute_s for outcome in ended),
        "wall_s": time.monotonic() - began,
        "recordings": [asdict(outcome) for outcome in ended],
    }
    if parsed.json:
        print(to_json(report))
    elif talk:
        _print_table(ended, report)
    if not counts["failed"]:
        return 0
    print(
        f"liveband: error: {counts['failed']} of {len(ended)} recordings could not be played"
        + ("" if talk or parsed.json else ": the report says why, without --quiet"),
        file=sys.stderr,
    )
    return USER_ERROR


def _check_folders(parsed: argparse.Namespace) -> None:
    """Raises LiveBandError for what does not go with a folder."""
    out, is_folder = parsed.output
    if parsed.through is not None:
        raise LiveBandError("--through plugin plays one recording, and IN is a folder")
    if not is_folder or out.is_file():
        raise LiveBandError(
            f"{parsed.input} is a folder and {out} names a file: where IN is a folder, so is OUT"
        )
    if out.exists() and out.samefile(parsed.input):
        raise LiveBandError("OUT is IN: the band would play along to its own stems; choose another folder")


def _played(
    settings: Settings, items: Sequence[Item], parsed: argparse.Namespace, bar: Bar
) -> Iterator[Outcome]:
    """What came of each item, as they end; of one that is stopped nothing is left."""
    total, done = sum(item.size_bytes for item in items) or 1, 0
    under_way = dict(enumerate(items))
    running = backends.run_tasks(partial(play, settings), items, jobs=parsed.jobs, cluster=parsed.cluster)
    try:
        with contextlib.closing(running):
            for count, (index, outcome) in enumerate(running, 1):
                item = under_way.pop(index)
                if not isinstance(outcome, Outcome):
                    remove_left(item.outputs)
                    outcome = Outcome(name=item.name, state="failed", reason=str(outcome))
                elif outcome.state == "done" and not all(path.is_file() for path in item.outputs.values()):
                    why = "another machine wrote it where this one does not see it: OUT must be on a disk that all share"
                    outcome = replace(outcome, state="failed", reason=why)
                yield outcome
                done += item.size_bytes
                bar.show(done, total, f"{count}/{len(items)} recordings")
    finally:  # a process that did not end in time was killed
        for item in under_way.values():
            remove_left(item.outputs)


def _print_table(ended: Sequence[Outcome], report: Mapping[str, Any]) -> None:
    """A line for each recording, those that failed last, then what they come to."""
    order = {"done": 0, "skipped": 1, "failed": 2}
    rows = [("recording", "", "length", "speed")]
    for outcome in sorted(ended, key=lambda outcome: order[outcome.state]):
        length = f"{outcome.duration_s:.1f} s" if outcome.duration_s else ""
        speed = f"{outcome.duration_s / outcome.compute_s:.1f} x" if outcome.compute_s else ""
        rows.append((_one_line(outcome.name), outcome.state, length, outcome.reason or speed))
    width = max(len(row[0]) for row in rows)
    for name, state, length, rest in rows:
        print(f"{name:<{width}}  {state:<7}  {length:>9}  {rest}".rstrip())
    print(
        f"{report['done']} done, {report['skipped']} skipped as they were there, {report['failed']} failed; "
        f"{report['duration_s']:.1f} s of music in {report['wall_s']:.1f} s; model {report['model']}, "
        f"seed {report['seed']}; {Path(report['output']) / JOURNAL} keeps what is done"
    )


def _one_line(name: str) -> str:
    return "".join(
        letter if letter.isprintable() or "\udc80" <= letter <= "\udcff" else "?" for letter in name
    )
