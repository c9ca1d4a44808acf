# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a stem belongs to a mix: a pair of encoders that learned which stems go with which mixes.

In the manner of COCOLA (Ciranni et al. 2024, arXiv 2404.16969): 5 s of the mix without the stem and 5 s of the stem
are encoded apart and compared, of everything, of the harmonic part alone and of the percussive part alone. Other than
there, a vector is kept for every 80 ms, so that a stem out of time stands beside the wrong moments of the mix, bands
are a semitone wide, and training shows the same stem late, faster and transposed as wrong answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.metrics import Audio, Floats, mono
from lbmodels.folders import write_whole
from lbmodels.weights import checks

RATE_HZ = 48000
HOP = 960
FRAME_HZ = RATE_HZ / HOP
BANDS = 96
LOWEST_HZ = 55.0
CROP_FRAMES = 250
HOP_FRAMES = 125
_LONG, _SHORT = 8192, 2048
_LONG_BELOW_HZ = 1400.0
KINDS = ("both", "harmonic", "percussive")


@dataclass(frozen=True, kw_only=True)
class CoherenceConfig:
    """Channels of the three convolutions over the spectrogram, of the ones over time, and of what is compared."""

    channels: tuple[int, ...] = (16, 32, 48)
    features: int = 128
    size: int = 32


@lru_cache(maxsize=2)
def _band_weights(size: int) -> npt.NDArray[np.float32]:
    """Triangles a semitone to each side, and never narrower than two bins: [size / 2 + 1, BANDS], columns sum to 1."""
    bins = np.fft.rfftfreq(size, 1 / RATE_HZ)
    centres = LOWEST_HZ * 2 ** (np.arange(BANDS) / 12)
    width = np.maximum(centres * (2 ** (1 / 12) - 1), 1.5 * RATE_HZ / size)
    weights = np.maximum(0.0, 1 - np.abs(bins[:, None] - centres) / width)
    result: npt.NDArray[np.float32] = (weights / weights.sum(0)).astype(np.float32)
    return result


def band_amplitudes(audio: Audio, sample_rate: int) -> npt.NDArray[np.float32]:
    """[C, T] -> [frames, BANDS] at 50 Hz, a band per semitone from 55 Hz on; roots of powers, which add in a mix.

    Windows of 171 ms tell low notes apart, windows of 43 ms above 1.4 kHz tell when something is struck.
    """
    x = mono(audio).astype(np.float32)
    if sample_rate != RATE_HZ:
        x = soxr.resample(x, sample_rate, RATE_HZ)
    frames = len(x) // HOP
    padded = np.pad(x, (_LONG // 2, _LONG))
    low = int(np.ceil(12 * np.log2(_LONG_BELOW_HZ / LOWEST_HZ)))
    result = np.empty((frames, BANDS), np.float32)
    for size, bands in ((_LONG, slice(0, low)), (_SHORT, slice(low, BANDS))):
        window = np.hanning(size).astype(np.float32)
        offset = (_LONG - size) // 2
        weights = _band_weights(size)[:, bands]
        view = np.lib.stride_tricks.sliding_window_view(padded[offset:], size)[::HOP][:frames]
        for start in range(0, frames, 500):
            part = torch.from_numpy(view[start : start + 500] * (window / window.sum()))
            power = torch.fft.rfft(part).abs().square()
            result[start : start + 500, bands] = (power @ torch.from_numpy(weights)).sqrt().numpy()
    return result


def _median_of_five(x: Tensor, axis: int, apart: int) -> Tensor:
    """Median of five values `apart` from each other along an axis of [B, T, N], edges repeated."""
    pad = (2 * apart, 2 * apart)
    padded = F.pad(x, (0, 0, *pad) if axis == 1 else pad, mode="replicate")
    a, b, c, d, e = (padded.narrow(axis, n * apart, x.shape[axis]) for n in range(5))
    # The least and the greatest of four are out; what is left of them and the fifth has the same median.
    low = torch.maximum(torch.minimum(a, b), torch.minimum(c, d))
    high = torch.minimum(torch.maximum(a, b), torch.maximum(c, d))
    return torch.maximum(torch.minimum(low, high), torch.minimum(torch.maximum(low, high), e))


def views(power: Tensor) -> Tensor:
    """[B, T, BANDS] powers -> [B, 2, T, BANDS] in [0, about 2]: the harmonic and the percussive part, at one level.

    Separated by medians along time and along frequency (Fitzgerald 2010), of five points each.
    """
    power = power / power.mean((1, 2), keepdim=True).clamp(min=1e-12)
    steady = _median_of_five(power, 1, 5)
    struck = _median_of_five(power, 2, 2)
    share = (steady.square() + 1e-9) / (steady.square() + struck.square() + 2e-9)
    parts = torch.stack([power * share, power * (1 - share)], 1)
    return torch.log1p(100 * parts) / 4


def of_kind(seen: Tensor, kind: str) -> Tensor:
    """The views [B, 2, T, BANDS] with the part that a kind does not hear taken away."""
    keep = {"both": (1.0, 1.0), "harmonic": (1.0, 0.0), "percussive": (0.0, 1.0)}[kind]
    return seen * torch.tensor(keep, device=seen.device).view(1, 2, 1, 1)


class Head(nn.Module):
    """What of the common features one side, mix or stem, is compared by."""

    def __init__(self, config: CoherenceConfig) -> None:
        super().__init__()
        self.inner = nn.Conv1d(config.features, config.features, 3, padding=1)
        self.outer = nn.Conv1d(config.features, config.size, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, features, steps] -> [B, steps * size] of length 1."""
        return F.normalize(self.outer(F.gelu(self.inner(x))).flatten(1), dim=-1)


class CoherenceNetwork(nn.Module):
    """Convolutions over the spectrogram, then over time, common to both sides; a head for each side."""

    def __init__(self, config: CoherenceConfig) -> None:
        super().__init__()
        self.config = config
        one, two, three = config.channels
        self.front = nn.ModuleList(
            [
                nn.Conv2d(2, one, (5, 3), stride=(2, 1), padding=(2, 1)),
                nn.Conv2d(one, two, 3, stride=(2, 2), padding=1),
                nn.Conv2d(two, three, 3, stride=(1, 3), padding=1),
            ]
        )
        self.norms = nn.ModuleList([nn.GroupNorm(4, size) for size in config.channels])
        self.gather = nn.Conv1d(three * (BANDS // 6), config.features, 1)
        self.along = nn.ModuleList(
            [nn.Conv1d(config.features, config.features, 3, padding=n, dilation=n) for n in (1, 2, 4, 8)]
        )
        self.calm = nn.ModuleList([nn.GroupNorm(1, config.features) for _ in self.along])
        self.mix = Head(config)
        self.stem = Head(config)
        self.sharpness = nn.Parameter(torch.tensor(2.3))

    def forward(self, seen: Tensor) -> Tensor:
        """Views [B, 2, T, BANDS] -> features [B, features, T / 4], for `mix` and `stem`."""
        x = seen
        for convolve, norm in zip(self.front, self.norms, strict=True):
            x = F.gelu(norm(convolve(x)))
        x = self.gather(x.transpose(2, 3).flatten(1, 2))
        for convolve, norm in zip(self.along, self.calm, strict=True):
            x = x + F.gelu(convolve(norm(x)))
        return x


def weights_path() -> Path:
    """Where the shipped weights lie."""
    from lbmodels.weights.manifest import weights_folder

    return weights_folder() / "coherence.safetensors"


def save(path: Path, network: CoherenceNetwork, figures: Mapping[str, float]) -> Path:
    """Write weights in half precision, with the configuration and what was measured of them."""
    from safetensors.torch import save as pack

    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    metadata = {
        "kind": "coherence",
        "channels": json.dumps(network.config.channels),
        "features": str(network.config.features),
        "size": str(network.config.size),
        "figures": json.dumps({name: round(value, 4) for name, value in figures.items()}),
    }
    metadata[checks.DIGEST] = checks.digest_of(pack(tensors, metadata))
    write_whole(path, pack(tensors, metadata))
    return path


def load(path: Path) -> CoherenceNetwork:
    """The network of a file that `save` wrote, in evaluation mode.

    Raises:
        LiveBandModelError: missing, damaged, or of something else.
    """
    from safetensors.torch import load as unpack

    data = checks.read_bytes(path)
    metadata = checks.check(data, path.name).metadata
    if metadata.get("kind") != "coherence":
        raise LiveBandModelError(f"{path.name} holds no coherence network; 'train coherence' makes one")
    try:
        config = CoherenceConfig(
            channels=tuple(read_json(metadata["channels"])),
            features=int(metadata["features"]),
            size=int(metadata["size"]),
        )
        network = CoherenceNetwork(config)
        network.load_state_dict({name: value.float() for name, value in unpack(data).items()})
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        line = " ".join(str(error).split())[:160]
        raise LiveBandModelError(f"{path.name}: not the weights of a coherence network ({line})") from None
    return network.eval().requires_grad_(False)


@lru_cache(maxsize=2)
def _loaded(path: Path) -> CoherenceNetwork:
    return load(path)


def crops(amplitudes: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """[frames, BANDS] -> powers [W, CROP_FRAMES, BANDS], a crop every 2.5 s; less than one is padded by silence."""
    missing = max(0, CROP_FRAMES - len(amplitudes))
    padded = np.pad(amplitudes, ((0, missing), (0, 0)))
    starts = range(0, len(padded) - CROP_FRAMES + 1, HOP_FRAMES)
    return np.stack([padded[n : n + CROP_FRAMES] for n in starts]).astype(np.float32) ** 2


@torch.no_grad()
def encode(network: CoherenceNetwork, power: Tensor) -> Tensor:
    """Powers [W, CROP_FRAMES, BANDS] -> [W, kinds, sides (as mix, as stem), steps * size]; zeros for a silent crop."""
    seen = views(power)
    heard = [network(of_kind(seen, kind)) for kind in KINDS]
    both = torch.stack([torch.stack([network.mix(x), network.stem(x)], 1) for x in heard], 1)
    sounding = power.mean((1, 2)) > 1e-12
    return both * sounding.view(-1, 1, 1, 1)


def embed(audio: Audio, sample_rate: int, path: Path | None = None) -> Floats:
    """Vectors [W, D] of [C, T], one for every 2.5 s: each kind, heard as a mix and heard as a stem.

    Raises:
        LiveBandModelError: no weights, or damaged ones.
    """
    network = _loaded(path or weights_path())
    power = torch.from_numpy(crops(band_amplitudes(audio, sample_rate)))
    result: Floats = encode(network, power).flatten(1).numpy().astype(np.float16)
    return result


def score(mix: Floats, stem: Floats, kind: str) -> float:
    """Mean cosine of the mix's and the stem's vectors of one kind; NaN where no moment has both sounding."""
    windows = min(len(mix), len(stem))
    one = mix[:windows].reshape(windows, len(KINDS), 2, -1)[:, KINDS.index(kind), 0].astype(np.float64)
    other = stem[:windows].reshape(windows, len(KINDS), 2, -1)[:, KINDS.index(kind), 1].astype(np.float64)
    sounding = one.any(-1) & other.any(-1)
    return float((one * other).sum(-1)[sounding].mean()) if sounding.any() else float("nan")
