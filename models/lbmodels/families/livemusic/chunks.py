# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream in chunks of two seconds (Lyria Team 2025, section 2.3.1): each from the last ten seconds of sound alone, with no other memory.

What was played is encoded anew for each chunk, with the player in it, so he may come late: `Injection.latency` puts him where he
belongs, and `Injection.gap` keeps him out of the end. It costs five times a stream that goes on by frames, and what is asked for acts from
the next chunk on.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from lbmodels.contract.streams import Injection as Asked
from lbmodels.families.livemusic.injection import Floats, History, Injection, append, context
from lbmodels.families.livemusic.live import LiveMusicBand

PAST_S, CHUNK_S = 10.0, 2.0


@torch.inference_mode()
def next_chunk(
    band: LiveMusicBand,
    output: History,
    heard: History,
    how: Injection,
    conditions: Mapping[str, Tensor],
    *,
    seed: int = 0,
) -> Floats:
    """What follows on `output` [CHUNK_S, 2 channels]; `conditions` [1, 1, width] hold throughout.

    output, heard: as `lbmodels.families.livemusic.injection` counts them, an empty one at the beginning.
    """
    hop, rate = band.spec.hop, band.spec.sample_rate
    # A seed for each chunk: its noise is counted from its own past's beginning.
    state = band.init_state([seed + output.end])
    past = append(output, np.zeros((0, 2), np.float32), round(PAST_S * rate))
    if len(past.samples) >= hop:
        mixed = context(past, heard, how)
        state = band.prefill(torch.from_numpy(mixed.T.copy()[None]), conditions, state)
    alone = dict(conditions) | {"injection": torch.tensor(Asked(mode="off").numbers(np.nan)).view(1, 1, -1)}
    nobody, active, out = torch.zeros(1, 2, hop), torch.ones(1, dtype=torch.bool), []
    for _ in range(round(CHUNK_S * rate / hop)):
        audio, state = band.step(nobody, alone, state, active)
        out.append(audio[0].T)
    chunk: Floats = torch.cat(out).numpy()
    return chunk
