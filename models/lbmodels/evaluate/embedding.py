# SPDX-License-Identifier: GPL-3.0-or-later
"""What musicnn hears (Pons and Serra 2019): the 200 numbers before its tags, for every 3 s of music.

The network was trained on the tags of 19,000 clips (MagnaTagATune: piano, guitar, drums, strings, quiet, techno and
so on), so that it hears instruments and manner well, and wrong notes or lost beats hardly: other metrics judge those.
It hears mono at 16 kHz, nothing above 8 kHz.

Its weights travel inside the package musicnn 0.1.0 (ISC; the one licence in the package names no other for the
weights; the same group gives out its Essentia models as CC BY-NC-SA), are read from there for evaluation only, and are
never shipped with LiveBand. The package's own code needs TensorFlow and librosa; nothing of it is imported: this module reads the checkpoint and runs the
network in torch. Unlike the package it keeps the spectrogram in float32, since float16 overflows on loud bass.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio, Floats, mono

if TYPE_CHECKING:
    from torch import Tensor

INSTALL = "pip install --no-deps musicnn==0.1.0"
VERSION = "musicnn 0.1.0 MTT penultimate, 1"
RATE_HZ = 16000
WINDOW_FRAMES = 187  # 3 s, the length that it was trained on
HOP = 256
FFT = 512
BANDS = 96
SIZE = 200
NETWORK = "MTT_musicnn"
# The very bytes: another checkpoint would give other distances under the same name.
SHA256 = {
    ".index": "da2d7bb670b2b31e9bc441bb1bd75eca31b5b061f963cc1f9630c1aff3238f57",
    ".data-00000-of-00001": "041f3935e981a65cea739842d30c188d3a7d2adf4410955c8668eb3de4a5acab",
}
TABLE_MAGIC = 0xDB4775248B80FB57
EPSILON = 1e-3  # of TensorFlow's batch normalisation


def installed() -> bool:
    """Whether the package that holds the weights is there; imports nothing of it."""
    return importlib.util.find_spec("musicnn") is not None


def embed(audio: Audio, sample_rate: int) -> Floats:
    """Vectors [W, 200] of [C, T] at any rate: one for every whole 3 s; audio below 3 s is repeated to fill them.

    Raises:
        LiveBandModelError: the package that holds the weights is missing or not the one known.
    """
    import torch

    bands = spectrogram(audio, sample_rate)
    if len(bands) < WINDOW_FRAMES:
        bands = np.resize(bands, (WINDOW_FRAMES, BANDS))
    count = len(bands) // WINDOW_FRAMES
    windows = bands[: count * WINDOW_FRAMES].reshape(count, WINDOW_FRAMES, BANDS)
    with torch.inference_mode():
        return penultimate(_weights(), torch.from_numpy(windows)).numpy().astype(np.float32)


def spectrogram(audio: Audio, sample_rate: int) -> Floats:
    """log10(1 + 10^4 mel power) [F, 96] of [C, T], one frame per 16 ms, in musicnn's (librosa's) conventions."""
    import soxr

    x = np.asarray(soxr.resample(mono(audio), sample_rate, RATE_HZ), dtype=np.float32)
    if len(x) <= FFT:
        x = np.pad(x, (0, FFT + 1 - len(x)))
    x = np.pad(x, FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[::HOP]
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * hann, axis=1)) ** 2
    return np.log10(1 + 1e4 * (power @ _mel_filters().T)).astype(np.float32)


@lru_cache(maxsize=1)
def _mel_filters() -> Floats:
    """[96, 257]: triangles of equal area, spaced by Slaney's scale (linear to 1 kHz, then logarithmic)."""
    linear_hz, step = 200 / 3, np.log(6.4) / 27
    knee = 1000 / linear_hz
    mels = np.linspace(0, knee + np.log(RATE_HZ / 2 / 1000) / step, BANDS + 2)
    edges = np.where(mels < knee, mels * linear_hz, 1000 * np.exp(step * (mels - knee)))
    bins = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return np.maximum(triangles, 0) * (2 / (high - low))


def penultimate(weights: dict[str, Tensor], bands: Tensor) -> Tensor:
    """[B, F, 96] -> [B, 200]: what the last dense layer before the tags says.

    Args:
        weights: as `read_bundle` names them, in TensorFlow's layouts.
        bands: from `spectrogram`.
    """
    import torch
    import torch.nn.functional as F

    def of(kind: str, index: int, name: str) -> Tensor:
        return weights[f"{kind}_{index}/{name}" if index else f"{kind}/{name}"]

    def norm(x: Tensor, index: int) -> Tensor:
        mean, variance, gamma, beta = (
            of("batch_normalization", index, name)
            for name in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)

    def convolved(x: Tensor, index: int) -> Tensor:
        kernel = of("conv2d", index, "kernel").permute(3, 2, 0, 1)  # [out, in, time, bands]
        return norm(F.relu(F.conv2d(x, kernel, of("conv2d", index, "bias"))), index + 1)

    x = norm(bands.unsqueeze(1), 0)
    timbral = F.pad(x, (0, 0, 3, 3))
    heard = [convolved(timbral, 0).amax(3), convolved(timbral, 1).amax(3)]
    for index, length in ((2, 128), (3, 64), (4, 32)):
        # "same" as TensorFlow means it: of an odd number of zeros, the odd one comes last.
        before = (length - 1) // 2
        heard.append(convolved(F.pad(x, (0, 0, before, length - 1 - before)), index).amax(3))
    layers = [torch.cat(heard, 1)]  # [B, 561, F]
    for index in (5, 6, 7):
        padded = F.pad(layers[-1].transpose(1, 2).unsqueeze(1), (0, 0, 3, 3))
        found = convolved(padded, index).squeeze(3)
        layers.append(found if index == 5 else found + layers[-1])
    features = torch.cat(layers, 1)
    pooled = torch.stack([features.amax(2), features.mean(2)], 2).flatten(1)
    dense = F.linear(norm(pooled, 9), weights["dense/kernel"].T, weights["dense/bias"])
    return norm(F.relu(dense), 10)


@lru_cache(maxsize=1)
def _weights() -> dict[str, Any]:
    import torch

    # Contiguous copies: the network convolves with them many times.
    return {name: torch.from_numpy(value.copy()) for name, value in read_bundle(_folder()).items()}


def _folder() -> Path:
    found = importlib.util.find_spec("musicnn")
    if found is None or not found.submodule_search_locations:
        raise LiveBandModelError(f"the weights of musicnn are not installed; install them: {INSTALL}")
    folder = Path(found.submodule_search_locations[0]) / NETWORK
    for name, expected in SHA256.items():
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != expected:
            raise LiveBandModelError(
                f"the file {NETWORK}/{name} of musicnn is not that of version 0.1.0; install it: {INSTALL}"
            )
    return folder


def read_bundle(folder: Path) -> dict[str, Floats]:
    """The float32 tensors of a TensorFlow checkpoint `.index` and `.data-00000-of-00001`, but those of Adam.

    The index is a LevelDB table without compression: blocks of sorted keys, whose values are protocol buffers
    (BundleEntryProto: dtype 1, shape 2, shard 3, offset 4, size 5).

    Raises:
        LiveBandModelError: the files are not such a checkpoint.
    """
    table = (folder / ".index").read_bytes()
    data = (folder / ".data-00000-of-00001").read_bytes()
    found = {}
    try:
        if int.from_bytes(table[-8:], "little") != TABLE_MAGIC:
            raise ValueError("not a table")
        _, at = _varint(table, len(table) - 48)
        _, at = _varint(table, at)
        start, at = _varint(table, at)
        size, _ = _varint(table, at)
        for _, handle in _block(table, start, size):
            offset, at = _varint(handle, 0)
            length, _ = _varint(handle, at)
            for key, value in _block(table, offset, length):
                name = key.decode()
                if name and "Adam" not in name and "_power" not in name:
                    found[name] = _tensor(value, data)
    except (IndexError, ValueError) as error:
        raise LiveBandModelError(f"{folder}: not a checkpoint that can be read ({error})") from None
    return found


def _tensor(entry: bytes, data: bytes) -> Floats:
    fields = dict(_fields(entry))
    shape = tuple(
        int(dict(_fields(dimension)).get(1, 0))
        for number, dimension in _fields(fields.get(2, b""))
        if number == 2
    )
    offset, size = fields.get(4, 0), fields.get(5, 0)
    if fields.get(1) != 1 or fields.get(3, 0) != 0 or size != 4 * int(np.prod(shape)):
        raise ValueError("a tensor that is not float32 in one shard")
    if offset + size > len(data):
        raise ValueError("a tensor beyond the end")
    return np.frombuffer(data, "<f4", size // 4, offset).reshape(shape)


def _block(table: bytes, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key begins with as much of the one before as its first number says."""
    if table[start + size] != 0:
        raise ValueError("a compressed block")
    block = table[start : start + size]
    restarts = int.from_bytes(block[-4:], "little")
    end, at, key = len(block) - 4 - 4 * restarts, 0, b""
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value: Any
            value, at = _varint(message, at)
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
            value, at = message[at : at + length], at + length
        else:
            raise ValueError(f"a field of kind {kind}")
        yield tag >> 3, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at
