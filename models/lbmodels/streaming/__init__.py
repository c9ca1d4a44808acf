# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that give the same answer frame by frame as in one parallel pass.

The contract, which `lbmodels.streaming.contract.assert_streaming_contract` holds every layer to:

- `forward(x)` maps a whole sequence, frames on axis 1: `[B, F, ...] -> [B, F, ...]`;
- `init_state(batch)` returns a NamedTuple of tensors, batch first;
- `step(x, state, active)` maps one frame `[B, ...] -> [B, ...]` and returns the next state.
  It owns the state it is given and may reuse its memory. A row with `active[b] == False` keeps
  its state to the bit; what it returns for that row is meaningless.
"""
