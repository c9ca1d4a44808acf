# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband data pool`: fills a pool of songs as latents until it is stopped."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from lbmodels.data.classes import POOL_STEMS
from lbmodels.errors import LiveBandModelError
from lbmodels.plain_json import to_json

if TYPE_CHECKING:
    from lbmodels.train.pool import Made, PoolConfig

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

_PROGRESS_S = 30.0


def add_parser(commands: Subparsers) -> None:
    """Adds `pool` to the data commands."""
    parser = commands.add_parser(
        "pool",
        help="fill an endless pool of songs as latents for training",
        description="Renders song after song, each a new one, encodes it, and removes the oldest when the budget is full; with --hours\n"
        "it ends when so much is there. Train from it with --set data.pool=DIR while it is being filled. The same command again\n"
        "goes on where it stopped; it may be killed at any time. Songs lie beside their latents in compact form (DIR/songs):\n"
        "for another autoencoder they are encoded anew by --songs-from. Another machine goes on with the same options, a copy of\n"
        "DIR/pool.json and --first N.",
        epilog="examples:\n"
        "  liveband data pool --out pool --codec runs/decoder/codec.safetensors --budget-gb 20 --jobs 2\n"
        "  liveband train liveband --recipe tiny --data dataset --codec runs/decoder/codec.safetensors --out runs/band "
        "--set data.pool=pool\n"
        "  liveband data pool --out pool --codec runs/decoder/codec.safetensors --hours 100 --budget-gb 40\n"
        "  liveband data pool --out pool-new --codec runs/new/codec.safetensors --songs-from pool --hours 100 --budget-gb 40\n"
        "  liveband data pool --out pool --show",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the pool")
    parser.add_argument("--codec", type=Path, metavar="FILE", help="autoencoder weights")
    parser.add_argument("--budget-gb", type=float, default=20.0, metavar="GB", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other songs; default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes, default: %(default)s")
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="let a Ray cluster make them: `local`, or its address (10.0.0.1:6379, auto); every machine sees all folders "
        "under the same names; needs liveband[cluster]",
    )
    parser.add_argument("--songs", type=int, metavar="N", help="stop after N songs; default: never")
    parser.add_argument(
        "--mixes",
        type=int,
        default=2,
        metavar="N",
        help="mixes heard of each target stem, default: %(default)s",
    )
    parser.add_argument("--charts", type=Path, metavar="DIR", help="as in 'liveband data render'")
    parser.add_argument("--min-seconds", type=float, default=60.0, metavar="S", help="default: %(default)s")
    parser.add_argument("--max-seconds", type=float, default=75.0, metavar="S", help="default: %(default)s")
    parser.add_argument(
        "--soundfont-dir",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="as in 'liveband data render'",
    )
    parser.add_argument(
        "--hours",
        type=float,
        metavar="H",
        help="stop when the pool holds H hours, or the budget; default: never",
    )
    parser.add_argument(
        "--first",
        type=int,
        metavar="N",
        help="number of the first song, default: the one after the last that is there",
    )
    parser.add_argument(
        "--songs-from",
        type=Path,
        metavar="POOL",
        help="encode the compact songs of this pool in place of new ones",
    )
    parser.add_argument(
        "--stems", default=",".join(POOL_STEMS), metavar="NAMES", help="stem classes, default: %(default)s"
    )
    parser.add_argument(
        "--show", action="store_true", help="say what the pool holds, its tags and its disk use, and stop"
    )
    parser.add_argument(
        "--json", action="store_true", help="print progress, or what --show says, as JSON lines"
    )
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from lbmodels.train.pool import PoolConfig, full, prepare_pool

    if args.show:
        return _show(args.out, as_json=args.json)
    if args.codec is None:
        raise LiveBandModelError("give --codec FILE: the weights of the autoencoder that encodes the songs")
    stems = tuple(dict.fromkeys(args.stems.split(",")))
    unknown = [stem for stem in stems if stem not in POOL_STEMS]
    if unknown:
        raise LiveBandModelError(f"unknown stem class {unknown[0]!r}; accepted: {', '.join(POOL_STEMS)}")
    if args.first is not None and args.first < 0:
        raise LiveBandModelError(f"songs are numbered from 0, got {args.first}")
    if args.jobs < 1 or (args.songs is not None and args.songs < 1):
        raise LiveBandModelError(f"jobs and songs must be 1 or more, got {args.jobs} and {args.songs}")
    config = PoolConfig(
        out=args.out, codec=args.codec, seed=args.seed, budget_gb=args.budget_gb, charts=args.charts,
        soundfont_dirs=tuple(args.soundfont_dir), min_s=args.min_seconds, max_s=args.max_seconds, mixes=args.mixes,
        stems=stems, hours=args.hours, songs_from=args.songs_from,
    )  # fmt: skip
    following = prepare_pool(config)
    first = following if args.first is None else args.first
    if args.cluster is not None:
        return _on_cluster(config, first, args)
    shares = [_share(args.songs, worker, args.jobs) for worker in range(args.jobs)]
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(
            target=_work, args=(config, first, worker, args.jobs, shares[worker], args.json), daemon=True
        )
        for worker in range(1, args.jobs)
        if shares[worker] != 0
    ]
    for process in others:
        process.start()
    try:
        _work(config, first, 0, args.jobs, shares[0], args.json)
        for process in others:
            process.join()
    except KeyboardInterrupt:
        return 130
    finally:
        for process in others:
            process.terminate()
    if any(process.exitcode for process in others):
        raise LiveBandModelError("a worker of the pool failed; its message is above")
    if not args.json and (why := full(config)) is not None:
        print(f"filling has ended: {why}")
    return 0


def _on_cluster(config: PoolConfig, first: int, args: argparse.Namespace) -> int:
    from lbmodels.train.pool import fill_pool_on_cluster, full

    made: list[Made] = []
    said = time.monotonic()
    try:
        for song in fill_pool_on_cluster(
            config, args.cluster, first=first, songs=args.songs, jobs=args.jobs if args.jobs > 1 else None
        ):
            made.append(song)
            if time.monotonic() - said >= _PROGRESS_S:
                _say(config, made, 0, args.json)
                said = time.monotonic()
    finally:
        _say(config, made, 0, args.json)
    if not args.json and (why := full(config)) is not None:
        print(f"filling has ended: {why}")
    return 0


def _show(folder: Path, *, as_json: bool) -> int:
    from dataclasses import asdict

    from lbmodels.train.pool_files import held

    found = held(folder)
    if as_json:
        print(to_json({**asdict(found), "bytes_per_hour": round(found.bytes_per_hour)}))
        return 0
    print(
        f"{found.songs} songs, {found.hours:.2f} h; {found.latents_bytes / 1e9:.2f} GB of latents and "
        f"{found.compact_bytes / 1e9:.3f} GB of compact songs, {found.bytes_per_hour / 1e6:.0f} MB an hour"
    )
    for kind, counts in {"takes": found.takes, **found.tags}.items():
        print(f"{kind}: {', '.join(f'{name} {count}' for name, count in counts.items()) or 'none'}")
    return 0


def _share(songs: int | None, worker: int, workers: int) -> int | None:
    return None if songs is None else (songs - worker + workers - 1) // workers


def _work(
    config: PoolConfig, first: int, worker: int, workers: int, songs: int | None, as_json: bool
) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    from lbmodels.train.pool import fill_pool, quiet_worker

    quiet_worker()
    made: list[Made] = []
    said = time.monotonic()
    for song in fill_pool(config, first=first, worker=worker, workers=workers, songs=songs):
        made.append(song)
        if time.monotonic() - said >= _PROGRESS_S:
            _say(config, made, worker, as_json)
            said = time.monotonic()
    _say(config, made, worker, as_json)


def _say(config: PoolConfig, made: list[Made], worker: int, as_json: bool) -> None:
    """One line: what this worker made since it began, at what rate, and what the pool holds."""
    from lbmodels.train.pool_files import bytes_of, compact_files, pool_files, seconds_of

    if not made:
        return
    hours = sum(m.audio_s for m in made) / 3600
    render_h, encode_h = sum(m.render_s for m in made) / 3600, sum(m.encode_s for m in made) / 3600
    held_gb = bytes_of([*pool_files(config.out).values(), *compact_files(config.out).values()]) / 1e9
    held_h = sum(seconds_of(p) for p in pool_files(config.out).values()) / 3600
    row = {
        "worker": worker, "songs": len(made), "last": made[-1].number, "hours": round(hours, 3),
        "render_rate": round(hours / render_h, 1), "encode_rate": round(hours / encode_h, 1),
        "rate": round(hours / (render_h + encode_h), 1), "pool_songs": len(pool_files(config.out)),
        "pool_hours": round(held_h, 3), "pool_gb": round(held_gb, 3),
    }  # fmt: skip
    if as_json:
        print(to_json(row), flush=True)
        return
    print(
        f"worker {worker}: {row['songs']} songs, {hours:.2f} h, {row['rate']} x real time "
        f"(render {row['render_rate']}, encode {row['encode_rate']}); pool: {row['pool_songs']} songs, {held_h:.2f} h, {held_gb:.2f} GB",
        flush=True,
    )
