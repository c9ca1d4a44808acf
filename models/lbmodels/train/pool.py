# SPDX-License-Identifier: GPL-3.0-or-later
"""An endless pool of songs as latents: workers render and encode song after song, training draws from what is there.

Song n of a seed is always the same song. Each becomes one file that appears whole or not at all; when the pool's budget
is full the oldest goes, or, where hours are asked for, filling ends. A reader draws a file, a target stem and one of its mixes at
random, so a take is not met often. Recordings (rooms, noise, codecs) are laid over the mix alone: what is to be played stays clean.

Beside its latents every song lies in compact form (`songs/`, `lbmodels.data.compact`): when the encoder changes, latents are made
anew of those (`songs_from`), also after a change of the generator of songs. The seed alone gives the same, with the same generator,
fonts and charts; `pool.json` names them.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec
from lbmodels.data.charts import find_charts
from lbmodels.data.classes import POOL_STEMS, stem_class
from lbmodels.data.compact import CompactSong, read_compact, write_compact
from lbmodels.data.recording import as_recorded, draw_recording
from lbmodels.data.render import (
    GENERATOR_VERSION,
    RenderOptions,
    compact,
    make_song,
    plan_stems,
    render_stems,
)
from lbmodels.data.synth import FONTS, SAMPLE_RATE, available_fonts, find_font
from lbmodels.data.truth import track_of_compact
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.folders import is_left, whole_file, write_whole
from lbmodels.streaming.spectral import SemitoneFrontEnd
from lbmodels.tasks.outcome import TaskLostError
from lbmodels.tasks.running import run
from lbmodels.train.latents import encode_conditions, encode_mix, encode_stem
from lbmodels.train.pool_files import CARD, SONGS, compact_files, pool_files, read_card, seconds_of
from lbmodels.weights.manifest import sha256
from lbmodels.weights.modules import load_part

Audio = npt.NDArray[np.float32]

_AT_ONCE = 256
"""Songs that a cluster is asked for before it is looked whether the pool is full without them."""


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """What a pool is made of. `mixes` is how many recordings of different parts of the band go with each target stem.

    `hours`: filling ends when so much is there, or when the budget is; without it it never ends, and the oldest songs go.
    `songs_from`: the pool whose compact songs are encoded, in place of new ones.
    """

    out: Path
    codec: Path
    seed: int = 0
    budget_gb: float = 20.0
    charts: Path | None = None
    soundfont_dirs: tuple[Path, ...] = ()
    min_s: float = 60.0
    max_s: float = 75.0
    mixes: int = 2
    stems: tuple[str, ...] = POOL_STEMS
    semitones: int = 66
    hours: float | None = None
    songs_from: Path | None = None

    @property
    def songs(self) -> Path:
        """Folder of the compact songs."""
        return self.out / SONGS


@dataclass(frozen=True, kw_only=True)
class Made:
    """One song that went into the pool, and what it cost."""

    number: int
    title: str
    audio_s: float
    examples: int
    render_s: float
    encode_s: float


def _charts_digest(folder: Path | None) -> str | None:
    """Names and sizes of the charts: other charts, other songs."""
    if folder is None:
        return None
    told = sorted(
        f"{path.relative_to(folder).as_posix()} {path.stat().st_size}" for path in find_charts(folder)
    )
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _check_card(config: PoolConfig) -> None:
    """Writes what the pool is made of, or compares it with what it was made of so far."""
    path = config.out / CARD
    if config.songs_from is not None:
        card = read_card(config.songs_from / CARD)
    else:
        # The fonts of the pool, not of this machine: one that has more of them makes the same songs.
        fonts = sorted(available_fonts("train", config.soundfont_dirs))
        if path.is_file():
            fonts = _fonts_of(read_card(path)) or fonts
        card = {
            "generator_version": GENERATOR_VERSION, "seed": config.seed, "min_s": config.min_s, "max_s": config.max_s,
            "fonts": fonts, "charts": _charts_digest(config.charts),
        }  # fmt: skip
    card |= {
        "codec_sha256": sha256(config.codec), "stems": list(config.stems), "semitones": config.semitones, "mixes": config.mixes,
    }  # fmt: skip
    if path.is_file():
        before = read_card(path)
        if unsaid := [name for name in card if name not in before]:
            raise LiveBandModelError(
                f"the pool in {config.out} is of an older release, whose card does not say {', '.join(unsaid)}: "
                "train from it as it is, and fill another folder"
            )
        differing = [name for name, value in card.items() if before[name] != value]
        if differing:
            raise LiveBandModelError(
                f"the pool in {config.out} was made with another {', '.join(differing)}; "
                "give the same options, or another folder"
            )
        return
    write_whole(path, json.dumps(card, indent=1).encode())


def _fonts_of(card: dict[str, Any]) -> list[str]:
    fonts = card.get("fonts")
    return [str(font) for font in fonts] if isinstance(fonts, list) else []


def _paths_of_fonts(config: PoolConfig) -> dict[str, Path]:
    """Where the fonts are that the pool's card names.

    Raises:
        DataError: one is not installed; the message names its package.
    """
    cards = {card.file: card for card in FONTS}
    named = _fonts_of(read_card(config.out / CARD))
    unknown = [font for font in named if font not in cards]
    if unknown:
        raise LiveBandModelError(
            f"{config.out / CARD} names a sound font that nobody knows here: {unknown[0][:80]}"
        )
    return {font: find_font(cards[font], config.soundfont_dirs) for font in named}


def prepare_pool(config: PoolConfig) -> int:
    """Makes the folder, removes what killed workers left, and gives the number of the next song that is not there.

    Raises:
        LiveBandModelError: a bad option, a folder that cannot be written, or a pool of other songs or another codec.
    """
    if config.budget_gb <= 0 or config.mixes < 1:
        raise LiveBandModelError(
            f"the budget must be above 0 GB and mixes 1 or more, got {config.budget_gb:g} and {config.mixes}"
        )
    if not 2.0 <= config.min_s <= config.max_s <= 3600.0:
        raise LiveBandModelError(
            f"lengths must satisfy 2 <= min <= max <= 3600 s, got {config.min_s:g} and {config.max_s:g}"
        )
    if config.hours is not None and not config.hours > 0:
        raise LiveBandModelError(f"the hours must be above 0, got {config.hours:g}")
    if not config.codec.is_file():
        raise LiveBandModelError(f"codec not found: {config.codec}")
    if config.songs_from is not None and not list(compact_files(config.songs_from)):
        raise LiveBandModelError(
            f"no compact songs in {config.songs_from / SONGS}; name the folder of a pool"
        )
    try:
        config.songs.mkdir(parents=True, exist_ok=True)
        _check_card(config)
    except OSError as exc:
        raise LiveBandModelError(f"cannot write into {config.out}: {exc.strerror}") from exc
    _paths_of_fonts(config)
    for leftover in (*config.out.glob("*.part"), *config.songs.glob("*.part")):
        if is_left(leftover):
            leftover.unlink(missing_ok=True)
    return max(pool_files(config.out), default=-1) + 1


def _heard_parts(count: int, rng: np.random.Generator) -> list[int]:
    """Which of the other stems are in a mix: in half of the cases all, else some."""
    if rng.random() < 0.5:
        return list(range(count))
    return sorted(int(i) for i in rng.permutation(count)[: int(rng.integers(1, count + 1))])


def _sum(stems: Sequence[Audio]) -> Audio:
    total = stems[0].copy()
    for stem in stems[1:]:
        total += stem
    return total


def make_compact(config: PoolConfig, number: int, fonts: dict[str, Path]) -> CompactSong:
    """Song `number`: the same for one seed, generator, set of fonts and set of charts."""
    options = RenderOptions(
        out=config.out, split="train", seed=config.seed, min_s=config.min_s, max_s=config.max_s,
        soundfont_dirs=config.soundfont_dirs, charts=config.charts,
    )  # fmt: skip
    song, parts = make_song(options, number)
    return compact(song, plan_stems(song, parts, sorted(fonts), _generator(config.seed, number, 0)), number)


def _generator(seed: int, number: int, purpose: int) -> np.random.Generator:
    return np.random.default_rng([seed, 7, number, purpose])


def make_examples(
    config: PoolConfig, song: CompactSong, fonts: dict[str, Path], codec: Codec, ear: SemitoneFrontEnd
) -> tuple[dict[str, Tensor], Made]:
    """The tensors of a song, which follow from it alone."""
    begin = time.perf_counter()
    render_rng, rng = (_generator(song.seed, song.number, purpose) for purpose in (1, 2))
    stems, _ = render_stems(song, song.plans, fonts, render_rng)
    rendered = time.perf_counter()
    hop = codec.config.hop
    length = min(x.shape[1] for x in stems) // hop * hop
    tensors = encode_conditions(track_of_compact(song, SAMPLE_RATE), length // hop, codec)
    classes = [stem_class(plan.part, plan.program) for plan in song.plans]
    examples = 0
    for index, wanted in enumerate(config.stems):
        own = [x[:, :length] for x, found in zip(stems, classes, strict=True) if found == wanted]
        others = [x[:, :length] for x, found in zip(stems, classes, strict=True) if found != wanted]
        if not own or not others:
            continue
        tensors |= encode_stem(codec, _sum(own), str(index))
        for version in range(config.mixes):
            heard = _sum([others[i] for i in _heard_parts(len(others), rng)])
            mix = as_recorded(heard, draw_recording(rng), SAMPLE_RATE)
            tensors |= encode_mix(codec, ear, mix, str(index), f".{version}" if version else "")
            examples += 1
    made = Made(
        number=song.number, title=song.title, audio_s=length / SAMPLE_RATE, examples=examples,
        render_s=rendered - begin, encode_s=time.perf_counter() - rendered,
    )  # fmt: skip
    return tensors, made


def _path(config: PoolConfig, number: int) -> Path:
    return config.out / f"Song{number:09d}.safetensors"


def _compact_path(config: PoolConfig, number: int) -> Path:
    return config.songs / f"Song{number:09d}.safetensors"


def _sizes(config: PoolConfig) -> dict[int, int]:
    """Bytes of each song, latents and compact form together; another worker may be taking some away."""
    sizes: dict[int, int] = {}
    for files in (pool_files(config.out), compact_files(config.out)):
        for number, path in files.items():
            with contextlib.suppress(FileNotFoundError):
                sizes[number] = sizes.get(number, 0) + path.stat().st_size
    return sizes


def _keep_budget(config: PoolConfig) -> None:
    """Removes the oldest songs until the rest fits."""
    sizes = _sizes(config)
    total = sum(sizes.values())
    for number in sorted(sizes)[:-1]:
        if total <= config.budget_gb * 1e9:
            return
        for path in (_path(config, number), _compact_path(config, number)):
            path.unlink(missing_ok=True)
        total -= sizes[number]


def full(config: PoolConfig) -> str | None:
    """Why filling ends, where it is to end: the hours that were asked for are there, or the next song is beyond the budget."""
    if config.hours is None:
        return None
    sizes = _sizes(config)
    hours = sum(seconds_of(path) for path in pool_files(config.out).values()) / 3600
    if hours >= config.hours:
        return f"{hours:.2f} h are there"
    held = sum(sizes.values())
    if sizes and held * (1 + 1 / len(sizes)) > config.budget_gb * 1e9:
        return (
            f"the budget of {config.budget_gb:g} GB holds {hours:.2f} h of the {config.hours:g} h asked for"
        )
    return None


def numbers_to_make(config: PoolConfig, first: int, worker: int, workers: int) -> Iterator[int]:
    """The numbers of a worker's songs: first + worker, + workers, ... for ever; of another pool's songs those not there yet."""
    if config.songs_from is None:
        yield from itertools.count(first + worker, workers)
        return
    there = pool_files(config.out)
    # Shared out before what is there is left out: workers that begin later must not count differently.
    yield from (n for n in sorted(compact_files(config.songs_from))[worker::workers] if n not in there)


def fill_pool(
    config: PoolConfig, *, first: int, worker: int = 0, workers: int = 1, songs: int | None = None
) -> Iterator[Made]:
    """Makes songs until the pool is `full`, or `songs` of them; yields each when it is in the pool."""
    for number in itertools.islice(numbers_to_make(config, first, worker, workers), songs):
        if full(config) is not None:
            return
        if (made := add_song(config, number)) is not None:
            yield made


def fill_pool_on_cluster(
    config: PoolConfig, cluster: str, *, first: int, songs: int | None = None, jobs: int | None = None
) -> Iterator[Made]:
    """As `fill_pool`, by a Ray cluster whose machines see all folders under the same names. A song whose machine is lost is made anew.

    Raises LiveBandModelError: the cluster cannot be reached or is lost; what is in the pool stays, and the same again goes on.
    """
    config = replace(
        config,
        out=config.out.absolute(),
        codec=config.codec.absolute(),
        charts=config.charts and config.charts.absolute(),
        soundfont_dirs=tuple(folder.absolute() for folder in config.soundfont_dirs),
        songs_from=config.songs_from and config.songs_from.absolute(),
    )
    numbers = itertools.islice(numbers_to_make(config, first, 0, 1), songs)
    while full(config) is None and (some := list(itertools.islice(numbers, _AT_ONCE))):
        with contextlib.closing(run(partial(add_song, config), some, jobs=jobs, cluster=cluster)) as results:
            for _, made in results:
                if isinstance(made, TaskLostError):
                    raise made
                if made is not None:
                    yield made
                if full(config) is not None:
                    return


def add_song(config: PoolConfig, number: int) -> Made | None:
    """Puts one song into the pool, whole or not at all; None if it is to be taken from a pool that has it no more."""
    codec, fonts, ear = _tools(config)
    if config.songs_from is None:
        song = make_compact(config, number, fonts)
    else:
        path = compact_files(config.songs_from).get(number)
        if path is None:  # that pool is being filled still, and its oldest songs go
            return None
        song = read_compact(path)
    tensors, made = make_examples(config, song, fonts, codec, ear)
    if made.examples:
        write_compact(song, _compact_path(config, number))
        about = {"title": made.title, "seconds": made.audio_s, "tags": song.tags}
        path = _path(config, number)
        try:
            with whole_file(path) as part:
                # One entry in the header: several come in an order that differs from file to file.
                safetensors.torch.save_file(
                    {name: value.contiguous() for name, value in tensors.items()}, part, {"about": json.dumps(about)}
                )  # fmt: skip
        except (OSError, safetensors.SafetensorError) as exc:
            raise LiveBandModelError(f"cannot write {path}: {exc}") from exc
        if config.hours is None:
            _keep_budget(config)
    return made


@lru_cache(maxsize=1)
def _tools(config: PoolConfig) -> tuple[Codec, dict[str, Path], SemitoneFrontEnd]:
    """Autoencoder, fonts and ear, kept from song to song."""
    codec = load_part(CODEC, config.codec)
    ear = SemitoneFrontEnd(
        sample_rate=codec.config.sample_rate, hop=codec.config.hop, semitones=config.semitones
    )
    return codec, _paths_of_fonts(config), ear


def quiet_worker() -> None:
    """One thread a worker: more processes are quicker than more threads."""
    torch.set_num_threads(1)
