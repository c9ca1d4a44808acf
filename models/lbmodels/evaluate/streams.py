# SPDX-License-Identifier: GPL-3.0-or-later
"""How an endless stream does: does it play the style that is asked for, turn to another, take up what is injected, obey its
controls each alone, and keep up for minutes.

Style is judged by musicnn's ear, which took no part in training: the mean vector of true songs of each style is what a style sounds
like. Intervals of 95 % are over trials, drawn with replacement.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Audio, Streaming
from lbmodels.contract.conditions import table
from lbmodels.contract.streams import Injection, parse_classes
from lbmodels.data.slakh import find_tracks, load_yaml, read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import embedding, frechet
from lbmodels.evaluate.metrics import CHROMA_RATE_HZ, Floats, chroma, mono
from lbmodels.style import sound
from lbmodels.style.space import load, of_text, shipped
from lbmodels.style.truth import song_concepts, stem_concepts
from lbmodels.style.vocabulary import GROUPS

AMONG = 32
_HOP_S = 1.0
_EAR_S = 3.0
_SKIP_S = 4.0
_AFTER_S = 8.0
Step = Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A mean over trials with its interval."""

    what: str
    value: float
    interval: tuple[float, float]
    trials: int


def figure(what: str, values: Sequence[float], *, draws: int = 2000) -> Figure:
    """NaN values are left out."""
    good = np.array([v for v in values if np.isfinite(v)], float)
    if not len(good):
        return Figure(what=what, value=float("nan"), interval=(float("nan"), float("nan")), trials=0)
    means = good[np.random.default_rng(0).integers(len(good), size=(draws, len(good)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Figure(what=what, value=float(good.mean()), interval=(float(low), float(high)), trials=len(good))


class Stream:
    """One session of a model: what is asked for may change from call to call."""

    def __init__(self, model: Streaming, seed: int) -> None:
        if "injection" not in model.spec.conditions:
            raise LiveBandModelError(f"{model.spec.name} is no stream: it takes no injection")
        self.model, self.state = model, model.init_state([seed])
        self.rate = model.spec.sample_rate

    def play(self, seconds: float, player: Audio | None = None, **asked: Any) -> Audio:
        """[2, T] of the next `seconds`; player [2, T'] from their beginning on, silence after it."""
        hop, frames = self.model.spec.hop, round(seconds * self.rate / self.model.spec.hop)
        heard = np.zeros((2, frames * hop), np.float32)
        if player is not None:
            heard[:, : player.shape[1]] = player[:, : frames * hop]
        always = {"stem": 0.0, "anticipation": 1.0, "variation": 1.0} | asked
        told = table(always, [{}], 1)
        out = []
        for n in range(frames):
            part = np.ascontiguousarray(heard[None, :, n * hop : (n + 1) * hop])
            audio, self.state = self.model.step(part, told, self.state, np.array([True]))
            out.append(audio[0])
        return np.concatenate(out, axis=1)


def ear(audio: Audio, rate: int) -> Floats:
    """What musicnn hears every second [n, 200]."""
    length, hop = round(_EAR_S * rate), round(_HOP_S * rate)
    starts = range(0, max(1, audio.shape[1] - length + 1), hop)
    return np.concatenate([embedding.embed(audio[:, s : s + length], rate) for s in starts]).astype(float)


@dataclass(frozen=True, kw_only=True)
class Songs:
    """True mixes: what is true of each, its audio's file, and what the ear hears of it [n, 200]."""

    concepts: Sequence[frozenset[str]]
    paths: Sequence[Path]
    heard: Sequence[Floats]
    rate: int

    def excerpt(self, number: int, start_s: float, seconds: float) -> Audio:
        return _read(self.paths[number], start_s, seconds)[0]


def _read(path: Path, start_s: float, seconds: float) -> tuple[Audio, int]:
    with soundfile.SoundFile(os.fsencode(path)) as file:
        file.seek(min(int(start_s * file.samplerate), file.frames))
        audio = file.read(int(seconds * file.samplerate), dtype="float32", always_2d=True)
        return np.ascontiguousarray(np.broadcast_to(audio.T, (2, len(audio)))), file.samplerate


def read_songs(root: Path, split: str, most: int, step: Step) -> Songs:
    """Of a data set of ours. Raises DataError: no such split."""
    concepts, paths, heard, rate = [], [], [], 48_000
    for folder in find_tracks(root, split)[:most]:
        track = read_track(folder)
        entries = load_yaml(folder / "metadata.yaml")["stems"].values()
        concepts.append(frozenset(song_concepts(track.info).union(*map(stem_concepts, entries))))
        audio, rate = _read(track.mix_path, 2.0, 12.0)
        paths.append(track.mix_path)
        heard.append(ear(audio, rate))
        step()
    return Songs(concepts=concepts, paths=paths, heard=heard, rate=rate)


def prompts(songs: Songs) -> list[str]:
    """Up to `AMONG` concepts that are true of two songs or more and not of all, styles and sounds before roles and manners.

    Raises LiveBandModelError: fewer than two, which leaves nothing to tell apart.
    """
    counts = {
        name: sum(name in said for said in songs.concepts)
        for group in ("style", "sound", "role", "manner")
        for name in GROUPS[group]
    }
    found = [name for name, count in counts.items() if 2 <= count < len(songs.concepts)][:AMONG]
    if len(found) < 2:
        raise LiveBandModelError(
            f"adherence and transitions need two styles or sounds, each true of two songs or more and not of all; the data has "
            f"{len(found)} in {len(songs.concepts)} songs: give more of it"
        )
    return found


def _looks(songs: Songs, names: Sequence[str], without: int | None = None) -> Floats:
    """What each prompt sounds like, as a direction from the mean song [prompts, 200]."""
    kept = [n for n in range(len(songs.heard)) if n != without]
    mean = np.concatenate([songs.heard[n] for n in kept]).mean(0)
    rows = [
        np.concatenate([songs.heard[n] for n in kept if name in songs.concepts[n]]).mean(0) - mean
        for name in names
    ]
    return np.stack(rows)


def _nearest(heard: Floats, looks: Floats, centre: Floats) -> NDArray[np.float64]:
    """Cosines [prompts] of what is heard [n, 200]."""
    x = heard.mean(0) - centre
    return looks @ x / np.maximum(np.linalg.norm(looks, axis=1) * np.linalg.norm(x), 1e-9)


def adherence(model: Streaming, songs: Songs, seconds: float, step: Step) -> list[Figure]:
    """Share of prompts whose own look is the nearest to what is played, beside chance and true songs, and the mean rank."""
    names, space = prompts(songs), load(shipped())
    looks, streams = _looks(songs, names), []
    for n, name in enumerate(names):
        stream = Stream(model, n)
        audio = stream.play(_SKIP_S + seconds, style=of_text(space, name).numpy())
        streams.append(ear(audio[:, round(_SKIP_S * stream.rate) :], stream.rate))
        step()
    # A stream's own colour is no answer to a prompt.
    centre = np.concatenate(streams).mean(0)
    cosines = np.stack([_nearest(one, looks, centre) for one in streams])
    truth = []
    mean = np.concatenate(list(songs.heard)).mean(0)
    for number, said in enumerate(songs.concepts):
        own = [n for n, name in enumerate(names) if name in said and _held_by(songs, name) > 2]
        if own:
            near = _nearest(songs.heard[number], _looks(songs, names, number), mean)
            truth.append(float(int(near.argmax()) in own))
    ranks = (cosines >= np.diag(cosines)[:, None]).sum(1)
    return [
        figure(f"top-1 of {len(names)}", (ranks == 1).astype(float).tolist()),
        figure("rank of the right prompt", ranks.astype(float).tolist()),
        Figure(what="chance, top-1", value=1 / len(names), interval=(1 / len(names),) * 2, trials=0),
        figure("true songs: a prompt that is true of them is the nearest", truth),
    ]


def _held_by(songs: Songs, name: str) -> int:
    return sum(name in said for said in songs.concepts)


def transitions(model: Streaming, songs: Songs, trials: int, step: Step) -> list[Figure]:
    """Seconds until what is played lies nearer the second prompt than the first for the rest of 12 s, and how many get there."""
    names, space = prompts(songs), load(shipped())
    looks, times = _looks(songs, names), []
    mean = np.concatenate(list(songs.heard)).mean(0)
    rng = np.random.default_rng(1)
    for n in range(trials):
        first, second = rng.choice(len(names), 2, replace=False)
        stream = Stream(model, n)
        stream.play(6.0, style=of_text(space, names[first]).numpy())
        after = ear(stream.play(12.0, style=of_text(space, names[second]).numpy()), stream.rate)
        there = [bool(c[second] > c[first]) for c in (_nearest(row[None], looks, mean) for row in after)]
        late = [k for k, value in enumerate(there) if not value]
        times.append(_HOP_S * (late[-1] + 1) if late else 0.0)
        step()
    arrived = [t < 12.0 - _EAR_S for t in times]
    return [
        figure("arrived", [float(a) for a in arrived]),
        figure(
            "seconds until it is heard, of those that arrived",
            [t for t, a in zip(times, arrived, strict=True) if a],
        ),
    ]


def _chroma(audio: Audio, rate: int) -> Floats:
    """Mean pitch classes [12], less their mean."""
    found = chroma(np.asarray(soxr.resample(mono(audio), rate, CHROMA_RATE_HZ), np.float32)).sum(0)
    return found / max(found.sum(), 1e-9) - 1 / 12


def _pulse(audio: Audio, rate: int) -> Floats:
    """How strongly it pulses at which rate, less the mean."""
    excerpts = sound.excerpts(sound.bands(audio.T, rate))
    pulses = sound.describe(sound.heard(excerpts))[:, 4 * sound.BANDS :].mean(0).astype(float)
    return pulses - pulses.mean()


def _cosine(a: Floats, b: Floats) -> float:
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / size if size > 1e-9 else float("nan")


def injection(model: Streaming, songs: Songs, trials: int, step: Step) -> list[Figure]:
    """How like what was injected for 8 s the next 8 s are, less how like they are where the same stream heard nobody."""
    found: dict[str, list[float]] = {}
    for n in range(trials):
        played = songs.excerpt(n % len(songs.paths), 4.0, _AFTER_S)
        if songs.rate != model.spec.sample_rate:
            played = np.asarray(soxr.resample(played.T, songs.rate, model.spec.sample_rate).T, np.float32)
        likeness = {}
        for mode in ("off", "free", "looper"):
            stream = Stream(model, n)
            stream.play(_SKIP_S)
            how = Injection(mode=mode, loop=_AFTER_S / 2, by_beats=False).numbers(np.nan)
            stream.play(_AFTER_S, played, injection=np.array(how))
            # A looper goes on with what it has; a free player has stopped.
            after = stream.play(_AFTER_S, injection=np.array(how))
            likeness[mode] = [
                _cosine(of(played, stream.rate), of(after, stream.rate)) for of in (_chroma, _pulse)
            ]
        for mode in ("free", "looper"):
            for what, mine, alone in zip(("chroma", "rhythm"), likeness[mode], likeness["off"], strict=True):
                found.setdefault(f"{mode}: {what}, above no injection", []).append(mine - alone)
        step()
    return [figure(what, values) for what, values in found.items()]


ASKED: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "density": ({"density": 0.1}, {"density": 0.9}),
    "brightness": ({"brightness": 0.1}, {"brightness": 0.9}),
    "drums off and on": (
        {"classes": np.array(parse_classes("-drums"))},
        {"classes": np.array(parse_classes("+drums"))},
    ),
    "variation": ({"variation": 0.3}, {"variation": 1.5}),
}
"""Control -> the two ends that are compared."""


def _figures_of(audio: Audio, rate: int) -> dict[str, float]:
    power = sound.bands(audio.T, rate)
    rises = np.maximum(np.diff(sound.heard(power), axis=0), 0)
    return {
        "onsets a second": sound.onsets_per_s(power),
        "brightness, band": sound.centroid_band(power),
        "rises above 4 kHz": float(rises[:, 3 * sound.BANDS // 4 :].mean()),
        "level, dB": float(10 * np.log10(np.square(audio).mean() + 1e-10)),
    }


def controls(model: Streaming, trials: int, seconds: float, step: Step) -> dict[str, list[Figure]]:
    """Of each control: by how much each figure rises from its lower to its upper end, the same seeds on both."""
    found = {}
    for name, ends in ASKED.items():
        rises: dict[str, list[float]] = {}
        for seed in range(trials):
            heard = []
            for asked in ends:
                stream = Stream(model, seed)
                audio = stream.play(_SKIP_S + seconds, **asked)
                heard.append(_figures_of(audio[:, round(_SKIP_S * stream.rate) :], stream.rate))
            for what in heard[0]:
                rises.setdefault(what, []).append(heard[1][what] - heard[0][what])
            step()
        found[name] = [figure(what, values) for what, values in rises.items()]
    return found


def endurance(model: Streaming, songs: Songs, minutes: int, step: Step) -> list[dict[str, float]]:
    """Minute by minute: level, how alike its seconds are to the nearest earlier ones, and the Frechet distance to true songs."""
    stream, rows = Stream(model, 0), []
    true = list(songs.heard)
    for minute in range(minutes):
        audio = stream.play(60.0)
        heard = ear(audio, stream.rate)
        unit = (heard - heard.mean(0)) / np.maximum(
            np.linalg.norm(heard - heard.mean(0), axis=1, keepdims=True), 1e-9
        )
        near = unit @ unit.T
        # Neighbours overlap: only seconds that are 8 s apart can repeat each other.
        apart = np.abs(np.subtract.outer(np.arange(len(unit)), np.arange(len(unit)))) >= 8
        rows.append(
            {
                "minute": minute + 1.0,
                "level_db": float(10 * np.log10(np.square(audio).mean() + 1e-10)),
                "repetition": float(np.where(apart, near, -1.0).max(1).mean()),
                "frechet": frechet.distance(true, [heard]),
            }
        )
        step()
    return rows
