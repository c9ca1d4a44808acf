# SPDX-License-Identifier: GPL-3.0-or-later
"""What the autoencoder leaves of a stem for those who listen: the ceiling of every model that plays through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lbmodels.codec.autoencoder import Codec
from lbmodels.codec.losses import multi_resolution_stft
from lbmodels.codec.rvq import ResidualQuantiser
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.features import Features, analyse, embed, narrowed
from lbmodels.evaluate.metrics import Audio, Floats, mono, onsets_s, rises_ms
from lbmodels.evaluate.reconstruction import Change, bits_per_s, noisy, reconstruct, tokenised
from lbmodels.evaluate.run import set_scores
from lbmodels.evaluate.sounds import Sound


class Treatment(NamedTuple):
    """What happens to the latents on their way: noise in percent of their spread, or only the first `levels` of their
    tokens; 0 and 0 leave them as they are.
    """

    noise_percent: float = 0.0
    levels: int = 0


PLAIN = Treatment()


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """One stem class through one autoencoder after one treatment of its latents.

    `bits_per_s`: of the tokens, or of the latents as float16. `convergence`, `log_db`: as in `Reconstruction`.
    `level_db`: how much louder it comes back, mean over excerpts; `level_error_db`: the mean of its size. `attack_ms`: median
    time in which onsets of the true stem rise from 10 to 90 % of their energy, in what came back; `true_attack_ms` in the
    truth; `attack_blur_ms`: median of the difference. `frechet` by metric: true against reconstructed, `halves` of the truth
    beside it. `scores` and `true_scores`: beats, chords and so on of what came back and of the truth, untreated latents
    only. What was not heard is NaN or missing.
    """

    stem: str
    coder: str
    noise_percent: float
    levels: int
    bits_per_s: float
    excerpts: int
    convergence: float
    log_db: float
    level_db: float
    level_error_db: float
    attack_ms: float
    true_attack_ms: float
    attack_blur_ms: float
    frechet: dict[str, float]
    halves: dict[str, float]
    scores: dict[str, float]
    true_scores: dict[str, float]


def level_db(decoded: Audio, target: Audio) -> float:
    """How much louder audio came back, by its power over the whole."""
    ours, true = (float(np.square(audio, dtype=np.float64).mean()) for audio in (decoded, target))
    return 10 * float(np.log10((ours + 1e-12) / (true + 1e-12)))


def attacks_ms(decoded: Audio, target: Audio, sample_rate: int) -> tuple[Floats, Floats]:
    """Rise of every onset that is heard in the target [C, T], in what came back and in the target, both [N] in ms."""
    found = onsets_s(narrowed(target, sample_rate))
    ours, true = (rises_ms(mono(audio), sample_rate, found) for audio in (decoded, target))
    known = np.isfinite(ours) & np.isfinite(true)
    return ours[known], true[known]


def ceilings(
    codecs: Mapping[str, Codec],
    stem: str,
    sounds: Sequence[Sound],
    *,
    treatments: Sequence[Treatment] = (PLAIN,),
    tokens: ResidualQuantiser | None = None,
    networks: int = 0,
    cache: Path | None = None,
    start_s: float = 5.0,
    seed: int = 0,
    on_done: Callable[[], None] = lambda: None,
) -> list[Ceiling]:
    """One row for each autoencoder and treatment. With `networks` 0 no beats are tracked and no chords are heard.

    Raises:
        LiveBandModelError: more levels than `tokens` has.
    """
    for treatment in treatments:
        if treatment.levels > (tokens.config.levels if tokens is not None else 0):
            raise LiveBandModelError(
                f"{treatment.levels} levels of tokens are asked for; the code books given have "
                f"{tokens.config.levels if tokens is not None else 0}"
            )
    true_embeddings: list[Mapping[str, Floats]] = []
    rows: dict[tuple[str, Treatment], _Row] = {(c, t): _Row() for c in codecs for t in treatments}
    own = _Row()
    for i, sound in enumerate(sounds):
        rate, audio = sound.sample_rate, sound.read()
        true: Features | None = None
        if networks:
            true = analyse(audio, rate, networks=networks, cache=cache, start_s=start_s)
            own.heard.append(sound.score(true, true))
        true_embeddings.append(embed(audio, rate, cache=cache, start_s=start_s))
        for (name, treatment), row in rows.items():
            target, decoded = reconstruct(
                codecs[name],
                torch.from_numpy(audio).unsqueeze(0),
                _change(treatment, tokens, seed * 1000 + i),
            )
            back = decoded[0].numpy()
            row.add(target[0].numpy(), back, rate)
            if true is not None and treatment == PLAIN:
                heard = analyse(back, rate, networks=networks, start_s=start_s)
                row.heard.append(sound.score(heard, true))
                row.embeddings.append(heard.embeddings)
            else:
                row.embeddings.append(embed(back, rate, cache=None, start_s=start_s))
        on_done()
    return [
        row.summary(
            stem, name, treatment, true_embeddings, own.mean_scores(),
            rate=_bits_per_s(codecs[name], treatment, tokens),
        )
        for (name, treatment), row in rows.items()
    ]  # fmt: skip


def _change(treatment: Treatment, tokens: ResidualQuantiser | None, seed: int) -> Change | None:
    if treatment.levels and tokens is not None:
        return tokenised(tokens, treatment.levels)
    return noisy(treatment.noise_percent / 100, seed) if treatment.noise_percent else None


def _bits_per_s(codec: Codec, treatment: Treatment, tokens: ResidualQuantiser | None) -> float:
    if treatment.levels and tokens is not None:
        return tokens.bits_per_s(treatment.levels, codec.config.sample_rate / codec.config.hop)
    return bits_per_s(codec)


class _Row:
    """What was found in each excerpt."""

    def __init__(self) -> None:
        self.distances: list[tuple[float, float, float]] = []
        self.attacks: list[tuple[Floats, Floats]] = []
        self.embeddings: list[Mapping[str, Floats]] = []
        self.heard: list[dict[str, float]] = []

    def add(self, target: Audio, decoded: Audio, sample_rate: int) -> None:
        convergence, log = multi_resolution_stft(
            *(torch.from_numpy(a).unsqueeze(0) for a in (decoded, target))
        )
        log_db = float(log) * 20 / float(np.log(10))
        self.distances.append((float(convergence), log_db, level_db(decoded, target)))
        self.attacks.append(attacks_ms(decoded, target, sample_rate))

    def mean_scores(self) -> dict[str, float]:
        found = {}
        for name in self.heard[0] if self.heard else ():
            known = [row[name] for row in self.heard if np.isfinite(row[name])]
            found[name] = float(np.mean(known)) if known else float("nan")
        return found

    def summary(
        self,
        stem: str,
        coder: str,
        treatment: Treatment,
        true: Sequence[Mapping[str, Floats]],
        true_scores: dict[str, float],
        *,
        rate: float,
    ) -> Ceiling:
        table = np.array(self.distances)
        ours, theirs = (np.concatenate([pair[side] for pair in self.attacks]) for side in (0, 1))
        sets = set_scores(self.embeddings, true)
        middle = [float(np.median(v)) if len(v) else float("nan") for v in (ours, theirs, ours - theirs)]
        return Ceiling(
            stem=stem,
            coder=coder,
            noise_percent=treatment.noise_percent,
            levels=treatment.levels,
            bits_per_s=rate,
            excerpts=len(table),
            convergence=float(table[:, 0].mean()),
            log_db=float(table[:, 1].mean()),
            level_db=float(table[:, 2].mean()),
            level_error_db=float(np.abs(table[:, 2]).mean()),
            attack_ms=middle[0],
            true_attack_ms=middle[1],
            attack_blur_ms=middle[2],
            frechet={name: found.score for name, found in sets.items()},
            halves={name: found.halves for name, found in sets.items()},
            scores=self.mean_scores(),
            true_scores=true_scores,
        )
