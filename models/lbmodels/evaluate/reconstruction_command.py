# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband evaluate --reconstruction`: the autoencoder, and others beside it, by distance and by what is heard."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.reconstruction_table import (
    AUTOENCODER,
    frechet_text,
    number,
    score_text,
    treatment_text,
)

if TYPE_CHECKING:
    from lbmodels.codec.autoencoder import Codec
    from lbmodels.codec.rvq import ResidualQuantiser
    from lbmodels.evaluate.ceiling import Ceiling
    from lbmodels.evaluate.reconstruction import Reconstruction
    from lbmodels.evaluate.sounds import Sound

Progress = Callable[[int], AbstractContextManager[Callable[[str, int], None]]]

_MOST_LEVELS = 64


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of `liveband evaluate` that belong to --reconstruction."""
    parser.add_argument(
        "--reconstruction",
        action="store_true",
        help="measure the autoencoder alone, beside Opus: original stems and mixes against decoded ones, with pictures; with "
        "--real FOLDER on real recordings instead of --data",
    )
    parser.add_argument(
        "--codec",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with --reconstruction: autoencoder weights to measure beside the model's own (may be repeated)",
    )
    parser.add_argument(
        "--latent-noise",
        type=_percents,
        default=(0.0, 5.0, 10.0, 20.0),
        metavar="PERCENT[,PERCENT]",
        help="with --reconstruction: noise on the latents, in percent of their spread (default: 0,5,10,20)",
    )
    parser.add_argument(
        "--tokens",
        type=Path,
        metavar="FILE",
        help="with --reconstruction: code books (of `liveband train rvq`) through which the latents go as well",
    )
    parser.add_argument(
        "--token-levels",
        type=_levels,
        default=(1, 2, 4, 8, 12),
        metavar="N[,N]",
        help="with --tokens: how many levels are kept (default: 1,2,4,8,12)",
    )
    parser.add_argument(
        "--pictures",
        type=_count,
        default=2,
        metavar="N",
        help="with --reconstruction: excerpts a stem to look at and listen to (default: %(default)s)",
    )


def _percents(text: str) -> tuple[float, ...]:
    try:
        values = tuple(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        values = (-1.0,)
    if any(not 0 <= value <= 1000 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of percentages from 0 to 1000, as 0,5,10")
    return values


def _levels(text: str) -> tuple[int, ...]:
    try:
        values = tuple(dict.fromkeys(int(word) for word in text.split(",")))
    except ValueError:
        values = (0,)
    if any(not 1 <= value <= _MOST_LEVELS for value in values):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of numbers of levels from 1 to {_MOST_LEVELS}, as 1,4,12"
        )
    return values


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 20:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of excerpts from 0 to 20")
    return int(text)


def run(arguments: argparse.Namespace, out: Path, progress: Progress) -> tuple[Any, Any, list[Path]]:
    """Figures, what shows them, and the files written: reconstruction.json, ceiling.json, and README.md with its pictures.

    Raises:
        LiveBandModelError: weights that cannot be read, or of another rate or frame than the model's own; no such songs.
    """
    from rich.console import Group

    from lbmodels.evaluate import opus
    from lbmodels.evaluate.ceiling import PLAIN, Treatment, ceilings
    from lbmodels.evaluate.features import default_cache
    from lbmodels.evaluate.reconstruction import OPUS_BITS_PER_S, measure
    from lbmodels.evaluate.reconstruction_page import write_page
    from lbmodels.evaluate.report import write_json
    from lbmodels.families import loading

    own = loading.load(arguments.model).codec
    codecs = {AUTOENCODER: own} | _others(arguments.codec, own)
    tokens = None if arguments.tokens is None else _tokens(arguments.tokens, own)
    rate = own.config.sample_rate
    rates = OPUS_BITS_PER_S if opus.installed() and rate == opus.RATE_HZ else ()
    if not opus.installed():
        print(f"liveband: without Opus beside it; for that: {opus.INSTALL}", file=sys.stderr)
    networks = arguments.networks if _beats_can_be_heard() else 0
    cache = None if arguments.no_cache else default_cache()
    treatments = [Treatment(noise_percent=noise) for noise in arguments.latent_noise]
    if tokens is not None:
        treatments += [Treatment(levels=n) for n in arguments.token_levels if n <= tokens.config.levels]
    treatments = list(dict.fromkeys([PLAIN, *treatments]))
    chosen = _sounds(arguments, own, networks, cache)
    distances: list[Reconstruction] = []
    heard: list[Ceiling] = []
    shown = []
    found: dict[str, list[dict[str, Any]]] = {}
    with progress(2 * sum(len(sounds) for sounds in chosen.values())) as on_progress:
        for stem, sounds in chosen.items():
            figures, examples = measure(
                codecs, stem, sounds, seed=arguments.seed, opus_bits_per_s=rates, pictures=arguments.pictures,
                on_done=partial(on_progress, f"{stem}: distances", 1),
            )  # fmt: skip
            distances += figures
            shown += examples
            heard += ceilings(
                codecs, stem, sounds, treatments=treatments, tokens=tokens, networks=networks, cache=cache,
                start_s=arguments.skip_s, seed=arguments.seed,
                on_done=partial(on_progress, f"{stem}: listening", 1),
            )  # fmt: skip
            # After each stem: a run that is stopped keeps what it has.
            found = {"reconstruction": [asdict(f) for f in distances], "ceiling": [asdict(f) for f in heard]}
            for name, rows in found.items():
                write_json(rows, out / f"{name}.json")
    source = "the `real` recordings" if arguments.real is not None else f"split `{arguments.split}`"
    source = f"Excerpts of {arguments.seconds:g} s of {source}, heard from {arguments.skip_s:g} s on"
    written = write_page(heard, shown, rate, out, source=source)
    written = [out / "reconstruction.json", out / "ceiling.json", *written]
    where = str(arguments.real) if arguments.real is not None else arguments.split
    return found, Group(_distance_table(distances, where), _ceiling_table(heard)), written


def _sounds(
    arguments: argparse.Namespace, own: Codec, networks: int, cache: Path | None
) -> dict[str, list[Sound]]:
    """What is judged, by stem class and "mix"."""
    from lbmodels.evaluate.excerpts import choose_excerpts
    from lbmodels.evaluate.pieces import find_pieces
    from lbmodels.evaluate.sounds import MIX, of_excerpts, of_pieces

    rate = own.config.sample_rate
    if arguments.real is not None:
        pieces = find_pieces(arguments.real, tuple(arguments.stems))
        found = {
            stem: of_pieces(
                pieces, stem, seconds=arguments.seconds, start_s=arguments.skip_s, sample_rate=rate,
                networks=networks, cache=cache,
            )
            for stem in (*arguments.stems, MIX)
        }  # fmt: skip
        # A Frechet distance wants a vector in either half.
        return {stem: sounds for stem, sounds in found.items() if sounds}
    return {
        stem: of_excerpts(
            choose_excerpts(
                arguments.data, arguments.split, arguments.stems[0] if stem == MIX else stem, arguments.excerpts,
                seconds=arguments.seconds, seed=arguments.seed, hop=own.config.hop, sample_rate=rate,
            ),
            stem, start_s=arguments.skip_s,
        )
        for stem in (*arguments.stems, MIX)
    }  # fmt: skip


def _others(paths: list[Path], own: Codec) -> dict[str, Codec]:
    from lbmodels.families.parts import CODEC
    from lbmodels.weights import modules

    found: dict[str, Codec] = {}
    for path in paths:
        codec = modules.load_part(CODEC, path)
        if (codec.config.sample_rate, codec.config.hop) != (own.config.sample_rate, own.config.hop):
            raise LiveBandModelError(
                f"--codec {path}: {codec.config.sample_rate} Hz in frames of {codec.config.hop}; "
                f"accepted: {own.config.sample_rate} Hz in frames of {own.config.hop}, as the model beside it"
            )
        name = path.stem if path.stem not in (*found, AUTOENCODER) else str(path)
        if name in found:
            raise LiveBandModelError(f"--codec {path} was given twice")
        found[name] = codec
    return found


def _tokens(path: Path, own: Codec) -> ResidualQuantiser:
    """Code books that fit the autoencoder; those of another encoder's latents of the same width cannot be told apart."""
    from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
    from lbmodels.weights.modules import load_part
    from lbmodels.weights.part import Part

    part = Part(
        name="rvq",
        kind="rvq",
        network=lambda: (RvqConfig, ResidualQuantiser),
        help="code books of the latents",
    )
    tokens = load_part(part, path)
    if tokens.config.latent != own.config.latent:
        raise LiveBandModelError(
            f"--tokens {path}: code books of {tokens.config.latent} numbers; accepted: {own.config.latent}, as the latents have"
        )
    return tokens


def _beats_can_be_heard() -> bool:
    from lbmodels.evaluate.tracker import check

    try:
        check()
    except LiveBandModelError as error:
        print(f"liveband: without beats and chords of what came back: {error}", file=sys.stderr)
        return False
    return True


def _distance_table(found: list[Reconstruction], where: str) -> Any:
    from rich.table import Table

    table = Table(title=f"autoencoder and Opus on {where}: mean and 95 % interval")
    for name in (
        "stem", "coder", "kbit/s", "spectral convergence", "log STFT distance, dB", "SI-SDR, dB", "excerpts",
    ):  # fmt: skip
        table.add_column(name)
    for f in found:
        cells = [
            f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, (low, high) in (
                (f.convergence, f.convergence_interval),
                (f.log_db, f.log_db_interval),
                (f.si_sdr_db, f.si_sdr_db_interval),
            )
        ]
        table.add_row(f.stem, f.coder, f"{f.bits_per_s / 1000:.1f}", *cells, str(f.excerpts))
    return table


def _ceiling_table(found: list[Ceiling]) -> Any:
    from rich.table import Table

    table = Table(title="what is left for those who listen; in brackets the truth, of Frechet its halves")
    chord = "chroma" if any("chroma" in f.scores for f in found) else "chord"
    for name in (
        "stem", "coder", "latents", "conv.", "log dB", "level dB", "|level|", "attack ms", "blur ms", "Frechet",
        "beat F1", chord,
    ):  # fmt: skip
        table.add_column(name)
    for row in map(asdict, found):
        table.add_row(
            row["stem"], row["coder"], treatment_text(row), number(row["convergence"]), number(row["log_db"]),
            number(row["level_db"], "+.1f"), number(row["level_error_db"], ".1f"),
            f"{number(row['attack_ms'], '.1f')} ({number(row['true_attack_ms'], '.1f')})",
            number(row["attack_blur_ms"], "+.1f"), frechet_text(row), score_text(row, "beat_f1"), score_text(row, chord),
        )  # fmt: skip
    return table
