# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband evaluate --reconstruction`: the autoencoder, and others beside it, by distance and by what is heard."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from lbmodels.codec.autoencoder import Codec
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.ceiling import Ceiling
from lbmodels.evaluate.reconstruction import AUTOENCODER, MIX, Reconstruction


def work_units(arguments: argparse.Namespace) -> int:
    """Steps of the progress bar: every excerpt is measured and then heard."""
    return 2 * int(arguments.excerpts) * (len(arguments.stems) + 1)


def run(
    arguments: argparse.Namespace, out: Path, on_progress: Callable[[str, int], None]
) -> tuple[Any, Any, list[Path]]:
    """Figures, what shows them, and the files written: reconstruction.json and .png, ceiling.json.

    Raises:
        LiveBandModelError: weights that cannot be read, or of another rate or frame than the model's own.
    """
    from rich.console import Group

    from lbmodels.evaluate import opus
    from lbmodels.evaluate.ceiling import ceilings
    from lbmodels.evaluate.excerpts import choose_excerpts
    from lbmodels.evaluate.features import default_cache
    from lbmodels.evaluate.reconstruction import OPUS_BITS_PER_S, draw, measure
    from lbmodels.evaluate.report import write_json
    from lbmodels.families import loading

    own = loading.load(arguments.model).codec
    codecs = {AUTOENCODER: own} | _others(arguments.codec, own)
    config = own.config
    rates = OPUS_BITS_PER_S if opus.installed() and config.sample_rate == opus.RATE_HZ else ()
    if not opus.installed():
        print(f"liveband: without Opus beside it; for that: {opus.INSTALL}", file=sys.stderr)
    networks = arguments.networks if _beats_can_be_heard() else 0
    distances: list[Reconstruction] = []
    heard: list[Ceiling] = []
    pictures = []
    for stem in (*arguments.stems, MIX):
        excerpts = choose_excerpts(
            arguments.data, arguments.split, arguments.stems[0] if stem == MIX else stem, arguments.excerpts,
            seconds=arguments.seconds, seed=arguments.seed, hop=config.hop, sample_rate=config.sample_rate,
        )  # fmt: skip
        figures, shown = measure(
            codecs, stem, excerpts,
            seed=arguments.seed, opus_bits_per_s=rates, on_done=partial(on_progress, f"{stem}: distances", 1),
        )  # fmt: skip
        distances += figures
        pictures += [(stem, one) for one in shown]
        heard += ceilings(
            codecs, stem, excerpts, noises_percent=arguments.latent_noise, networks=networks,
            cache=None if arguments.no_cache else default_cache(), start_s=arguments.skip_s,
            seed=arguments.seed, on_done=partial(on_progress, f"{stem}: listening", 1),
        )  # fmt: skip
    found = {"reconstruction": [asdict(f) for f in distances], "ceiling": [asdict(f) for f in heard]}
    for name, rows in found.items():
        write_json(rows, out / f"{name}.json")
    draw(pictures, config.sample_rate, out / "reconstruction.png")
    written = [out / name for name in ("reconstruction.json", "ceiling.json", "reconstruction.png")]
    return found, Group(_distance_table(distances, arguments.split), _ceiling_table(heard)), written


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


def _beats_can_be_heard() -> bool:
    from lbmodels.evaluate.tracker import check

    try:
        check()
    except LiveBandModelError as error:
        print(f"liveband: without beats and chords of what came back: {error}", file=sys.stderr)
        return False
    return True


def _distance_table(found: list[Reconstruction], split: str) -> Any:
    from rich.table import Table

    table = Table(title=f"autoencoder and Opus on {split}: mean and 95 % interval")
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
    for name in (
        "stem", "coder", "noise", "conv.", "log dB", "level dB", "|level|", "attack ms", "blur ms", "Frechet",
        "beat F1", "chord",
    ):  # fmt: skip
        table.add_column(name)
    for f in found:
        frechet = [f"{f.frechet[name]:.1f} ({f.halves[name]:.1f})" for name in f.frechet]
        scores = [
            f"{f.scores[name]:.2f} ({f.true_scores[name]:.2f})" if f.scores else ""
            for name in ("beat_f1", "chord")
        ]
        table.add_row(
            f.stem, f.coder, f"{f.noise_percent:g} %", f"{f.convergence:.2f}", f"{f.log_db:.2f}",
            f"{f.level_db:+.1f}", f"{f.level_error_db:.1f}", f"{f.attack_ms:.1f} ({f.true_attack_ms:.1f})",
            f"{f.attack_blur_ms:+.1f}", ", ".join(frechet), *scores,
        )  # fmt: skip
    return table
