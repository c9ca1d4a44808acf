# SPDX-License-Identifier: GPL-3.0-or-later
"""An endless stream by Magenta RealTime 2 as functions of values: start, pause, reset, seed, banks, prefill.

Rows of a batch are streams of their own. Every function returns a new state and leaves the one it got as it was, so a
state that was put aside is a moment that can be gone back to, to the bit.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lbmodels.errors import LiveBandModelError
from lbmodels.families.livemusic.conditioning import Steering, ids
from lbmodels.families.livemusic.depthformer import DepthformerState
from lbmodels.families.livemusic.model_folder import MagentaRealTime
from lbmodels.families.livemusic.sampling import Sampling
from lbmodels.families.livemusic.spectrostream import (
    CHANNELS,
    FRAME_SAMPLES,
    SAMPLE_RATE,
    DecoderState,
    playable,
)
from lbmodels.streaming.state import map_tensors, select

BANKS = 3
MOST_PREFILL_S = 28.0


class StreamState(NamedTuple):
    """`seed` [B] int64 and `playing` [B]; the rest is what model and decoder remember."""

    model: DepthformerState
    decoder: DecoderState
    seed: Tensor
    playing: Tensor


def begin(model: MagentaRealTime, batch: int = 1, *, seed: int = 0) -> StreamState:
    """Nothing heard, nothing played, paused."""
    return StreamState(
        model.language_model.init_state(batch),
        model.decoder.init_state(batch),
        torch.full((batch,), seed, dtype=torch.int64),
        torch.zeros(batch, dtype=torch.bool),
    )


def _rows(state: StreamState, rows: Tensor | None) -> Tensor:
    return torch.ones_like(state.playing) if rows is None else rows


def start(state: StreamState, rows: Tensor | None = None) -> StreamState:
    """Play, from where it stood. `rows` [B] bool says which streams; None all of them."""
    return state._replace(playing=state.playing | _rows(state, rows))


def pause(state: StreamState, rows: Tensor | None = None) -> StreamState:
    """Stand still: nothing is forgotten."""
    return state._replace(playing=state.playing & ~_rows(state, rows))


def seeded(state: StreamState, seed: int, rows: Tensor | None = None) -> StreamState:
    """From the next frame on, other choices; what was played stays."""
    return state._replace(seed=torch.where(_rows(state, rows), seed, state.seed))


def reset(model: MagentaRealTime, state: StreamState, rows: Tensor | None = None) -> StreamState:
    """Forget what was played and heard; seed, and whether it plays, stay."""
    fresh = begin(model, len(state.seed))._replace(seed=state.seed, playing=state.playing)
    which = _rows(state, rows)
    result: StreamState = map_tensors(lambda a, b: select(which, a, b), fresh, state)
    return result


def step(
    model: MagentaRealTime, state: StreamState, steering: Tensor, temperature: Tensor, top_k: Tensor
) -> tuple[Tensor, StreamState]:
    """40 ms: table ids [B, channels] -> samples [B, 1920, 2], silence where it is paused."""
    active = state.playing
    how = Sampling(temperature, top_k, state.seed)
    codes, _, language = model.language_model.step(steering, state.model, active, how)
    samples, decoder = model.decoder.step(model.quantiser.decode(codes), state.decoder, active)
    sound = select(active, playable(samples), torch.zeros_like(samples))
    return sound, state._replace(model=language, decoder=decoder)


def encode(model: MagentaRealTime, audio: Tensor) -> Tensor:
    """Samples [B, N, 2] at 48 kHz -> codes [B, frames, levels].

    Raises:
        LiveBandModelError: no encoder was imported; or too little, too much or no finite audio.
    """
    if model.encoder is None:
        raise LiveBandModelError("this import has no encoder: import it again with --resources")
    if audio.dim() != 3 or audio.shape[2] != CHANNELS or not audio.shape[1]:
        raise LiveBandModelError(f"audio must be [rows, samples, {CHANNELS}], not {list(audio.shape)}")
    if audio.shape[1] > MOST_PREFILL_S * SAMPLE_RATE:
        raise LiveBandModelError(
            f"{audio.shape[1] / SAMPLE_RATE:.1f} s of audio; accepted are up to {MOST_PREFILL_S:g} s"
        )
    if not bool(torch.isfinite(audio).all()):
        raise LiveBandModelError("audio holds samples that are not finite")
    return model.quantiser.encode(model.encoder(audio), model.language_model.config.levels)[0]


def prefill(
    model: MagentaRealTime, state: StreamState, codes: Tensor, steering: Tensor, rows: Tensor | None = None
) -> StreamState:
    """As if the stream had played these codes [B, F, levels] under `steering` [B, channels]: it goes on from there.

    Paused streams take it too.
    """
    which = _rows(state, rows)
    how = Sampling(
        torch.zeros(len(codes)), torch.ones(len(codes), dtype=torch.int64), state.seed
    )  # every code is given
    language, decoder = state.model, state.decoder
    for frame in codes.unbind(1):
        _, _, language = model.language_model.step(steering, language, which, how, frame)
        _, decoder = model.decoder.step(model.quantiser.decode(frame), decoder, which)
    return state._replace(model=language, decoder=decoder)


Banks = tuple[StreamState | None, ...]
"""Three moments of one stream, or nothing yet."""
EMPTY: Banks = (None,) * BANKS


def _slot(slot: int) -> int:
    if not 1 <= slot <= BANKS:
        raise LiveBandModelError(f"bank {slot}: accepted are 1 to {BANKS}")
    return slot - 1


def keep(banks: Banks, slot: int, state: StreamState, row: int = 0) -> Banks:
    """Put one stream's moment into bank 1, 2 or 3."""
    moment: StreamState = map_tensors(lambda t: t[row : row + 1].clone(), state)
    at = _slot(slot)
    return (*banks[:at], moment, *banks[at + 1 :])


def recall(banks: Banks, slot: int, state: StreamState, row: int = 0) -> StreamState:
    """A stream goes on from a bank's moment, seed included; whether it plays is as it was.

    Raises:
        LiveBandModelError: no such bank, or nothing in it.
    """
    moment = banks[_slot(slot)]
    if moment is None:
        raise LiveBandModelError(f"bank {slot} is empty")

    def put(new: Tensor, old: Tensor) -> Tensor:
        return torch.cat([old[:row], new, old[row + 1 :]])

    result: StreamState = map_tensors(put, moment, state)
    return result._replace(playing=state.playing)


@torch.inference_mode()
def play(
    model: MagentaRealTime,
    wishes: Steering,
    frames: int,
    *,
    seed: int = 0,
    temperature: float = 1.3,
    top_k: int = 40,
    state: StreamState | None = None,
) -> tuple[Tensor, StreamState]:
    """One stream offline: samples [1920 frames, 2] and the state after them; the first frame is silence (look-ahead)."""
    state = start(begin(model, seed=seed) if state is None else state)
    steering = ids(wishes).unsqueeze(0)
    heat, best = torch.tensor([float(temperature)]), torch.tensor([top_k])
    parts = [torch.zeros(1, 0, CHANNELS)]
    for _ in range(frames):
        samples, state = step(model, state, steering, heat, best)
        parts.append(samples)
    result = torch.cat(parts, dim=1)[0]
    assert len(result) == frames * FRAME_SAMPLES
    return result, state
