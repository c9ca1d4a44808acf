# SPDX-License-Identifier: GPL-3.0-or-later
"""Playing offline: whole input known, tokens drawn step by step, as the published generators do."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from lbmodels.families.streamgen.decoder import Decoder
from lbmodels.families.streamgen.pattern import delay, is_filler
from lbmodels.families.streamgen.trunk import Cache

Choose = Callable[[Tensor, int], Tensor]
"""(logits [B, Q, tokens], step that is chosen) -> tokens [B, Q]."""


class Played(NamedTuple):
    """Steps [B, Q, S + 1] from step 0, and the logits [B, Q, S, tokens] that each but the first was chosen by."""

    steps: Tensor
    logits: Tensor


def greedy(logits: Tensor, _step: int) -> Tensor:
    """The likeliest tokens."""
    return logits.argmax(-1)


def play(
    decoder: Decoder,
    heard: Tensor,
    instruments: Tensor,
    steps: int,
    *,
    choose: Choose = greedy,
    prompt: Tensor | None = None,
    guidance: float = 1.0,
) -> Played:
    """One frame a call: `steps` steps after step 0, each with its own input frame and the cache of those before.

    Args:
        decoder: its window must not be shorter than the steps if the published result is wanted.
        heard: input frames [B, T, input_dim]; T covers what the last step hears.
        instruments: [B], the filler.
        steps: to be played.
        choose: greedy, or one that draws.
        prompt: frames [B, Q, P] that are forced.
        guidance: 1 is none; otherwise logits are led away from those of an input of zeros.
    """
    fronts = [heard] if guidance == 1 else [heard, torch.zeros_like(heard)]
    lined = torch.cat([decoder.line_up(front) for front in fronts])
    levels, lead = decoder.config.levels, max(0, decoder.config.future_visibility - 1)
    copies = len(fronts)
    batch = instruments.shape[0]
    cache = decoder.trunk.init_cache(copies * batch, ahead=max(1, lead))
    active = torch.ones(copies * batch, dtype=torch.bool)
    if lead:
        padding = torch.zeros(copies * batch, levels, lead, dtype=torch.int64)
        _, cache = decoder.trunk.extend(decoder.fuse(padding, lined[:, :lead]), cache, active)
    played = [instruments.unsqueeze(1).expand(-1, levels)]
    forced = _forced(prompt, instruments, levels)
    chosen_by = []
    for step in range(steps):
        column = played[-1].repeat(copies, 1).unsqueeze(2)
        at = lead + step
        hidden, cache = decoder.trunk.extend(decoder.fuse(column, lined[:, at : at + 1]), cache, active)
        logits = decoder.logits(hidden)[:, :, 0]
        if copies == 2:
            told, null = logits.chunk(2)
            logits = null + guidance * (told - null)
        chosen_by.append(logits)
        tokens = choose(logits, step + 1)
        if forced is not None and step + 1 < forced.shape[2]:
            tokens = torch.where(forced[..., step + 1] >= 0, forced[..., step + 1], tokens)
        played.append(with_filler(tokens, step + 1, instruments))
    return Played(torch.stack(played, dim=2), torch.stack(chosen_by, dim=2))


def with_filler(tokens: Tensor, step: int | Tensor, instruments: Tensor) -> Tensor:
    """Tokens [B, Q] of a step (one for all, or [B]), the instrument where a level has no frame yet."""
    return torch.where(is_filler(step, tokens.shape[1]), instruments.unsqueeze(1), tokens)


def _forced(prompt: Tensor | None, instruments: Tensor, levels: int) -> Tensor | None:
    """Tokens of the steps that a prompt tells [B, Q, P + Q], -1 where it does not."""
    if prompt is None:
        return None
    unknown = prompt.new_full((prompt.shape[0], levels, levels - 1), -1)
    return delay(torch.cat([prompt, unknown], dim=2), instruments)


def play_chunks(
    decoder: Decoder,
    heard: Tensor,
    instruments: Tensor,
    steps: int,
    *,
    choose: Choose = greedy,
    condition: Tensor | None = None,
) -> Played:
    """Chunks of k, the prefix-online method: within a chunk steps know only what was played, then they are fused with what was
    heard. `condition` [B, T + 1, dim] is lined up with the steps.
    """
    lined = decoder.line_up(heard)
    levels, chunk, lead = (
        decoder.config.levels,
        decoder.config.chunk,
        max(0, decoder.config.future_visibility - 1),
    )
    batch = instruments.shape[0]
    cache = decoder.trunk.init_cache(batch, ahead=lead + 1 + chunk)
    start = torch.zeros(batch, levels, lead, dtype=torch.int64)
    played = torch.cat([start, instruments.view(-1, 1, 1).expand(-1, levels, 1)], dim=2)
    chosen_by: list[Tensor] = []
    committed = 0
    while len(chosen_by) < steps:
        known = played.shape[2]
        fused = decoder.fuse(played[..., committed:], lined[:, committed:known])
        more, cache, logits = chunk_of(
            decoder,
            fused,
            cache,
            min(chunk, steps - len(chosen_by)),
            known - lead,
            instruments,
            choose,
            condition,
            lead,
        )
        committed = known
        played = torch.cat([played, more], dim=2)
        chosen_by += logits
    return Played(played[..., lead:], torch.stack(chosen_by, dim=2))


def chunk_of(
    decoder: Decoder,
    fused: Tensor,
    cache: Cache,
    count: int,
    first: int,
    instruments: Tensor,
    choose: Choose,
    condition: Tensor | None,
    lead: int,
) -> tuple[Tensor, Cache, list[Tensor]]:
    """Commit `fused` steps [B, n, dim], then draw `count` steps from number `first` on, which stay tentative.

    Returns:
        Tokens [B, Q, count], the cache with the committed steps alone, and the logits of each choice.
    """
    active = torch.ones(fused.shape[0], dtype=torch.bool)
    at = lead + first - fused.shape[1]

    def told(start: int, length: int) -> Tensor | None:
        return None if condition is None else condition[:, start : start + length]

    hidden, cache = decoder.trunk.extend(fused, cache, active, told(at, fused.shape[1]))
    committed = cache.steps.clone()
    tokens, logits = [], [decoder.logits(hidden[:, -1:])[:, :, 0]]
    for i in range(count):
        tokens.append(with_filler(choose(logits[-1], first + i), first + i, instruments))
        if i + 1 < count:
            new = decoder.tentative(tokens[-1].unsqueeze(2))
            hidden, cache = decoder.trunk.extend(new, cache, active, told(lead + first + i, 1))
            logits.append(decoder.logits(hidden)[:, :, 0])
    return torch.stack(tokens, dim=2), cache._replace(steps=committed), logits
