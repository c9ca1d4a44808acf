# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio between page and server: one binary message a block. Little-endian; the samples are planar float32.

The head says what it is, the channels, the page's epoch and the position of the first sample.
"""

import struct
from dataclasses import dataclass

import numpy as np

from lbmodels.contract.accompanist import Audio
from lbserver.protocol.messages import MessageError

MIX, STEM = 1, 2
LONGEST_SAMPLES = 1 << 15
_HEAD = struct.Struct("<HHIq")
_MOST_CHANNELS = 2
_FARTHEST = 1 << 52


@dataclass(frozen=True, kw_only=True)
class Block:
    """Audio [C, T] from a position of an epoch on. `kind` is MIX or STEM."""

    kind: int
    epoch: int
    position: int
    audio: Audio


def pack(block: Block) -> bytes:
    """The message."""
    head = _HEAD.pack(block.kind, block.audio.shape[0], block.epoch, block.position)
    return head + np.ascontiguousarray(block.audio, "<f4").tobytes()


def unpack(data: bytes) -> Block:
    """The block of a message. Raises MessageError, and nothing else, for bytes that are none.

    What is no number is silence.
    """
    if len(data) < _HEAD.size:
        raise MessageError("a block of audio is cut off")
    kind, channels, epoch, position = _HEAD.unpack_from(data)
    if kind not in (MIX, STEM) or not 1 <= channels <= _MOST_CHANNELS:
        raise MessageError(f"a block of kind {kind} with {channels} channels is not known")
    samples, rest = divmod(len(data) - _HEAD.size, 4 * channels)
    if rest or samples > LONGEST_SAMPLES:
        raise MessageError(f"a block has up to {LONGEST_SAMPLES} whole samples of {channels} channels")
    if not 0 <= position <= _FARTHEST:
        raise MessageError(f"a block at position {position}")
    audio = np.frombuffer(data, "<f4", offset=_HEAD.size).reshape(channels, samples)
    clean = np.nan_to_num(audio, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32, copy=False)
    return Block(kind=kind, epoch=epoch, position=position, audio=clean)
