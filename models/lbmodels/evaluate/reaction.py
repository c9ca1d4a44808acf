# SPDX-License-Identifier: GPL-3.0-or-later
"""How long a stem takes to follow when the band turns to another song: seconds after the splice.

Song X is cut at a first beat of a bar and song Y, of another key or tempo, goes on from a first beat of its own. From
then on the stem is compared with Y, and with X as it would have gone on. It has followed when what it shares with Y,
over the last 2 s, exceeds what it shares with X, and goes on to do so in nine tenths of the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lbmodels.contract.accompanist import Streaming
from lbmodels.data.conditions import frame_conditions
from lbmodels.data.slakh import read_track
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.excerpts import Excerpt, Truth, read_excerpt, read_truth
from lbmodels.evaluate.features import Features, analyse
from lbmodels.evaluate.generation import anticipation_frames, generate
from lbmodels.evaluate.hearing import Listening
from lbmodels.evaluate.metrics import CHROMA_HOP_SAMPLES, CHROMA_RATE_HZ, Audio, Floats
from lbmodels.evaluate.metrics import per_beat as mean_between
from lbmodels.evaluate.tracker import FPS

CROSSFADE_S = 0.01
STEP_S = 0.25
MEMORY_S = 2.0
STAYS = 0.9
TEMPO_DIFFERS = 1.08


@dataclass(frozen=True, kw_only=True)
class Splice:
    """Mix and true stem [2, T] of X and then Y; `at_s` is where; both truths count from the excerpt's start.

    `old` goes on after the splice as X would have, `new` has only Y.
    """

    songs: tuple[str, str]
    mix: Audio
    stem: Audio
    at_s: float
    old: Truth
    new: Truth
    told: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]
    key_changes: bool
    tempo_changes: bool


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """Median seconds until a stem follows, over the splices where the thing changes; infinite where half never do.

    `true_median_s` is the true stem's, which turns at once: the measure's own delay.
    """

    stem: str
    conditions: str
    anticipation_ms: float
    follows: str
    median_s: float
    interval: tuple[float, float]
    never: float
    true_median_s: float
    splices: int


def splices(excerpts: Sequence[Excerpt], count: int, *, after_s: float, hop: int) -> list[Splice]:
    """Up to `count` pairs of neighbours in the list that differ in key or tempo, joined near `after_s` s.

    Raises:
        LiveBandModelError: no two songs differ.
    """
    result: list[Splice] = []
    for k in range(1, len(excerpts)):
        for i, x in enumerate(excerpts):
            y = excerpts[(i + k) % len(excerpts)]
            made = _splice(x, y, after_s=after_s, hop=hop) if x.track != y.track else None
            if made is not None:
                result.append(made)
            if len(result) == count:
                return result
    if not result:
        raise LiveBandModelError("no two songs of the split differ in key or tempo: nothing to react to")
    return result


def _splice(x: Excerpt, y: Excerpt, *, after_s: float, hop: int) -> Splice | None:
    """X until its first bar after `after_s`, then Y from its first bar on."""
    tracks = [read_track(excerpt.track_dir) for excerpt in (x, y)]
    old, other = (read_truth(e, t) for e, t in zip((x, y), tracks, strict=True))
    bars_x = old.downbeats_s[old.downbeats_s >= after_s]
    bars_y = other.downbeats_s[other.downbeats_s >= 0.05]
    if not len(bars_x) or not len(bars_y) or len(old.beats_s) < 4 or len(other.beats_s) < 4:
        return None
    at, back = float(bars_x[0]), float(bars_y[0])
    rate = tracks[0].sample_rate
    (mix_x, stem_x), (mix_y, stem_y) = (read_excerpt(e, t) for e, t in zip((x, y), tracks, strict=True))
    first, start = round(at * rate), round(back * rate)
    new = _moved(other, at - back, at)
    told_x, told_y = (
        frame_conditions(t, e.first_frame, mix_x.shape[1] // hop, hop=hop, sample_rate=rate)
        for e, t in zip((x, y), tracks, strict=True)
    )
    turn = -(-first // hop)
    # Y's frames lie off X's by less than half a hop.
    shift = round((first - start) / hop)
    told = {
        name: np.concatenate((told_x[name][:turn], told_y[name][max(turn - shift, 0) :])) for name in told_x
    }
    return Splice(
        songs=(x.track, y.track),
        mix=_join(mix_x, mix_y, first, start, rate),
        stem=_join(stem_x, stem_y, first, start, rate),
        at_s=at,
        old=old,
        new=new,
        told=told,
        key_changes=_key(old, at) != _key(new, at + 0.5),
        tempo_changes=_ratio(old, new) >= TEMPO_DIFFERS,
    ) if _key(old, at) != _key(new, at + 0.5) or _ratio(old, new) >= TEMPO_DIFFERS else None  # fmt: skip


def _join(x: Audio, y: Audio, at: int, start: int, rate: int) -> Audio:
    """X [2, T] up to sample `at`, then Y from `start`, faded over 10 ms; as long as both give, at most T."""
    length = min(x.shape[1], at + y.shape[1] - start)
    fade = round(CROSSFADE_S * rate)
    out = x[:, :length].copy()
    tail = y[:, start : start + length - at]
    ramp = np.minimum(np.arange(tail.shape[1], dtype=np.float32) / fade, 1)
    out[:, at:] = out[:, at:] * (1 - ramp) + tail * ramp
    return out


def _moved(truth: Truth, by_s: float, from_s: float) -> Truth:
    """Later by `by_s`, what lies before `from_s` left out."""
    kept = np.flatnonzero(truth.beats_s + by_s >= from_s - 1e-6)
    downbeats = truth.downbeats_s + by_s
    return Truth(
        beats_s=truth.beats_s[kept] + by_s,
        beat_chords=truth.beat_chords[kept[:-1]],
        beat_keys=truth.beat_keys[kept[:-1]],
        downbeats_s=downbeats[downbeats >= from_s - 1e-6],
    )


def _key(truth: Truth, time_s: float) -> float:
    index = int(np.searchsorted(truth.beats_s, time_s, side="right")) - 1
    return float(truth.beat_keys[min(max(index, 0), len(truth.beat_keys) - 1)])


def _ratio(old: Truth, new: Truth) -> float:
    a, b = (float(np.median(np.diff(truth.beats_s))) for truth in (old, new))
    return max(a, b) / min(a, b)


def beat_curve(pulse: Floats, truth: Truth, times_s: Floats) -> Floats:
    """How sure the tracker's network is of a beat at the true beats of the last 2 s, per time; NaN without beats.

    The network's own output, not tracked beats: a tracker smooths over a change of tempo.
    """
    at = np.round(truth.beats_s * FPS).astype(int)
    inside = at < len(pulse) if len(pulse) else np.zeros(len(at), dtype=bool)
    near = [pulse[np.clip(at[inside] + k, 0, len(pulse) - 1)] for k in range(-5, 6)] if inside.any() else []
    values = np.max(near, axis=0) if near else np.zeros(0)
    return _recent(truth.beats_s[inside], values, times_s)


def chord_curve(chroma: Floats, truth: Truth, times_s: Floats) -> Floats:
    """Correlation of the chroma with the true chord over the beats of the last 2 s, per time; NaN without beats."""
    if len(truth.beats_s) < 2:
        return np.full(len(times_s), np.nan)
    found = mean_between(chroma, CHROMA_HOP_SAMPLES / CHROMA_RATE_HZ, truth.beats_s)
    chords = np.nan_to_num(truth.beat_chords)
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (found, chords))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    values = np.where(size > 1e-9, (a * b).sum(axis=1) / np.maximum(size, 1e-9), 0.0)
    judged = chords.sum(axis=1) > 0
    return _recent(truth.beats_s[1:][judged], values[judged], times_s)


def _recent(at_s: Floats, values: Floats, times_s: Floats) -> Floats:
    means = [values[(at_s > time - MEMORY_S) & (at_s <= time)] for time in times_s]
    return np.array([v.mean() if len(v) else np.nan for v in means])


def seconds_to_follow(new: Floats, old: Floats, since_s: Floats) -> float:
    """The first of `since_s` where the new curve exceeds the old and does so in 9 of 10 of the rest; else infinity."""
    known = np.isfinite(new) & np.isfinite(old)
    ahead, times = (new > old)[known], since_s[known]
    for i in np.flatnonzero(ahead):
        if ahead[i:].mean() >= STAYS and len(ahead) - i >= 4:
            return float(times[i])
    return float("inf")


def times_of(features: Features, splice: Splice) -> dict[str, float]:
    """Seconds until a stem follows the chords and the beat; NaN for what does not change at this splice."""
    since = np.arange(STEP_S, splice.mix.shape[1] / 48000 - splice.at_s, STEP_S)
    times = splice.at_s + since
    old = _moved(splice.old, 0.0, splice.at_s)
    nan = float("nan")
    chord = [chord_curve(features.chroma, truth, times) for truth in (splice.new, old)]
    beat = [beat_curve(features.pulse, truth, times) for truth in (splice.new, old)]
    return {
        "chord": seconds_to_follow(chord[0], chord[1], since) if splice.key_changes else nan,
        "beat": seconds_to_follow(beat[0], beat[1], since) if splice.tempo_changes else nan,
    }


def reactions(
    accompanist: Streaming,
    made: Sequence[Splice],
    stem: str,
    listening: Listening,
    *,
    conditions: Sequence[str],
    anticipation_ms: float,
    seed: int,
    on_done: Callable[[], None] = lambda: None,
) -> list[Reaction]:
    """Play every splice under every set of conditions and see when it follows."""
    spec = accompanist.spec

    def listen(audio: Audio) -> Features:
        return analyse(
            audio,
            spec.sample_rate,
            networks=listening.networks,
            cache=listening.cache,
            start_s=listening.start_s,
        )

    own = [times_of(listen(splice.stem), splice) for splice in made]
    found = []
    for known in conditions:
        times = []
        for i, splice in enumerate(made):
            played = generate(
                accompanist,
                splice.mix[None],
                [splice.told],
                stem=stem,
                anticipation=anticipation_frames(spec, anticipation_ms),
                known=known,
                seeds=[seed * 100_000 + i],
            )[0]
            times.append(times_of(listen(played), splice))
            on_done()
        for what in ("beat",) if stem == "drums" else ("beat", "chord"):
            # Where the true stem cannot be told to have turned, nothing can be said of another.
            judged = [i for i, t in enumerate(own) if np.isfinite(t[what])]
            values = np.array([times[i][what] for i in judged])
            median, interval = _median([made[i].songs[0] for i in judged], values, seed)
            found.append(
                Reaction(
                    stem=stem,
                    conditions=known,
                    anticipation_ms=anticipation_ms,
                    follows=what,
                    median_s=median,
                    interval=interval,
                    never=float(np.mean(np.isinf(values))) if len(values) else float("nan"),
                    true_median_s=_median_of(np.array([own[i][what] for i in judged])),
                    splices=len(judged),
                )
            )
    return found


def _median(songs: Sequence[str], values: Floats, seed: int) -> tuple[float, tuple[float, float]]:
    """Median, and its 95 % interval over songs drawn with replacement; infinity is a value like any other."""
    if not len(values):
        return float("nan"), (float("nan"), float("nan"))
    names = sorted(set(songs))
    of = [[v for s, v in zip(songs, values, strict=True) if s == name] for name in names]
    rng = np.random.default_rng(seed)
    drawn = [
        _median_of(np.concatenate([of[i] for i in rng.integers(len(names), size=len(names))]))
        for _ in range(1000)
    ]
    low, high = np.sort(drawn)[[25, 974]]
    return _median_of(values), (float(low), float(high))


def _median_of(values: Floats) -> float:
    """The lower middle value: infinities may not be averaged."""
    return float(np.sort(values)[(len(values) - 1) // 2]) if len(values) else float("nan")
