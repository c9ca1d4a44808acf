# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a mix between the band and the listener: room, desk, medium, noise, and a hand on the fader.

Real input is rarely a clean sum of stems. A `Recording` is a value that says what happened; `as_recorded` makes it
happen, in place of time by less than a millisecond at the most (the wow of a tape), so that beats stay where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pedalboard as pb

Audio = npt.NDArray[np.float32]

MOST_WOW_S = 0.0008
_NOISE_LOOP_SAMPLES = 2**19  # eleven seconds at 48 kHz
NOISES = ("white", "pink", "hum", "crowd", "crackle")
CODECS = ("", "mp3", "telephone")


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Zeros and empty texts mean that nothing of the kind happened. `fader_db` are gains at equal distances over the mix."""

    seed: int = 0
    room: float = 0.0  # share of reverberated sound
    room_size: float = 0.5
    tilt_db: float = 0.0
    low_hz: float = 0.0
    high_hz: float = 0.0
    mono: bool = False
    compress_ratio: float = 1.0
    clip_db: float = 0.0  # peaks above this level are cut, below full scale
    codec: str = ""
    codec_quality: float = 4.0
    noise: str = ""
    noise_db: float = -60.0  # against the mix's level
    wow_s: float = 0.0
    gain_db: float = 0.0
    fader_db: tuple[float, ...] = ()
    gap: tuple[float, float] = (0.0, 0.0)  # where the input is muted, in shares of the length


def draw_recording(rng: np.random.Generator, *, clean_share: float = 0.3) -> Recording:
    """One way to be recorded; `clean_share` of them are a plain sum of stems with a gain."""
    seed = int(rng.integers(2**31))
    gain_db = float(rng.uniform(-14, 6))
    if rng.random() < clean_share:
        return Recording(seed=seed, gain_db=gain_db)
    band = rng.random()
    low_hz, high_hz = 0.0, 0.0
    if band < 0.08:  # a telephone or a small speaker
        low_hz, high_hz = float(rng.uniform(150, 350)), float(rng.uniform(3000, 6000))
    elif band < 0.45:
        low_hz = float(rng.uniform(30, 140)) if rng.random() < 0.6 else 0.0
        high_hz = float(rng.uniform(8000, 16000)) if rng.random() < 0.7 else 0.0
    codec = str(rng.choice(CODECS, p=(0.8, 0.17, 0.03)))
    fader: tuple[float, ...] = ()
    if rng.random() < 0.15:
        fader = tuple(float(x) for x in np.clip(rng.normal(0, 5, size=int(rng.integers(2, 7))), -20, 6))
    gap = (0.0, 0.0)
    if rng.random() < 0.08:
        start = float(rng.uniform(0, 0.9))
        gap = (start, min(1.0, start + float(rng.uniform(0.01, 0.12))))
    return Recording(
        seed=seed, gain_db=gain_db, fader_db=fader, gap=gap, codec=codec, codec_quality=float(rng.uniform(2, 9.5)),
        room=float(rng.beta(1.2, 3)) if rng.random() < 0.4 else 0.0, room_size=float(rng.uniform(0.05, 0.9)),
        tilt_db=float(rng.normal(0, 3)) if rng.random() < 0.6 else 0.0, low_hz=low_hz, high_hz=high_hz,
        mono=bool(rng.random() < 0.2),
        compress_ratio=float(rng.uniform(1.5, 10)) if rng.random() < 0.35 else 1.0,
        clip_db=float(rng.uniform(3, 14)) if rng.random() < 0.18 else 0.0,
        noise=str(rng.choice(NOISES, p=(0.2, 0.4, 0.15, 0.15, 0.1))) if rng.random() < 0.55 else "",
        noise_db=float(rng.uniform(-60, -20)),
        wow_s=float(rng.uniform(0.0002, MOST_WOW_S)) if rng.random() < 0.08 else 0.0,
    )  # fmt: skip


def as_recorded(mix: Audio, recording: Recording, sample_rate: int) -> Audio:
    """The mix [2, T] as this recording has it; the input is left alone. Deterministic per recording."""
    level = float(np.sqrt(np.mean(np.square(mix)) + 1e-12))
    audio = _processed(mix, recording, sample_rate, level)
    if recording.wow_s:
        audio = _wow(audio, recording, sample_rate)
    if recording.mono:
        audio = np.repeat(audio.mean(axis=0, keepdims=True), 2, axis=0)
    if recording.noise:
        audio = audio + noise(
            recording.noise, audio.shape[1], sample_rate, np.random.default_rng(recording.seed)
        ) * np.float32(max(level, 1e-3) * 10 ** (recording.noise_db / 20))
    if recording.codec:
        audio = _coded(audio, recording, sample_rate)
    audio = audio * _fader(recording, audio.shape[1])
    peak = float(np.abs(audio).max(initial=0.0))
    return np.ascontiguousarray(audio * np.float32(min(1.0, 0.99 / max(peak, 1e-9))), dtype=np.float32)


def _processed(mix: Audio, recording: Recording, sample_rate: int, level: float) -> Audio:
    import pedalboard as pb

    chain: list[pb.Plugin] = []
    if recording.room:
        chain.append(
            pb.Reverb(
                room_size=recording.room_size,
                wet_level=recording.room,
                dry_level=1 - 0.8 * recording.room,
                damping=0.5,
            )
        )
    if recording.tilt_db:
        chain.append(pb.LowShelfFilter(cutoff_frequency_hz=250, gain_db=-recording.tilt_db))
        chain.append(pb.HighShelfFilter(cutoff_frequency_hz=3500, gain_db=recording.tilt_db))
    if recording.low_hz:
        chain += [pb.HighpassFilter(cutoff_frequency_hz=recording.low_hz) for _ in range(2)]
    if recording.high_hz:
        chain += [pb.LowpassFilter(cutoff_frequency_hz=recording.high_hz) for _ in range(2)]
    level_db = 20 * np.log10(max(level, 1e-4))
    if recording.compress_ratio > 1.0:
        chain.append(
            pb.Compressor(
                threshold_db=level_db - 3, ratio=recording.compress_ratio, attack_ms=8, release_ms=120
            )
        )
    if recording.clip_db:
        # Driven into the ceiling: the louder the cut, the more it is an overdriven input.
        chain.append(pb.Clipping(threshold_db=min(0.0, level_db + recording.clip_db)))
    return np.array(pb.Pedalboard(chain)(mix, sample_rate), dtype=np.float32) if chain else mix


def noise(kind: str, length: int, sample_rate: int, rng: np.random.Generator) -> Audio:
    """Noise [2, length] of unit level: white, pink, mains hum, a crowd, or the crackle of a record."""
    n = _NOISE_LOOP_SAMPLES
    if kind == "hum":
        t = np.arange(length, dtype=np.float32) / sample_rate
        mains = float(rng.choice([50.0, 60.0]))
        wave = sum(
            np.sin(2 * np.pi * mains * k * t + float(rng.uniform(0, 6))) / k for k in (1, 2, 3, 5, 7)
        ) + 0.1 * rng.standard_normal(length).astype(np.float32)
        loop = np.stack([wave, wave])
    elif kind == "crackle":
        loop = 0.05 * rng.standard_normal((2, n))
        at = rng.integers(0, n - 40, size=int(rng.integers(30, 400)))
        for i in at.tolist():
            loop[:, i : i + 12] += rng.normal() * 6 * np.hanning(12)
    else:
        spectrum = rng.standard_normal((2, n // 2 + 1)) + 1j * rng.standard_normal((2, n // 2 + 1))
        hz = np.fft.rfftfreq(n, 1 / sample_rate)
        if kind == "pink":
            spectrum /= np.sqrt(np.maximum(hz, 20.0))
        elif kind == "crowd":
            spectrum *= np.exp(-0.5 * (np.log2(np.maximum(hz, 1.0) / 700.0) / 1.1) ** 2)
        loop = np.fft.irfft(spectrum, n)
        if kind == "crowd":
            # Voices come and go: two to five times a second, each channel for itself.
            points = rng.uniform(0.3, 1.0, size=(2, 40))
            grid = np.linspace(0, 39, n)
            loop *= np.stack([np.interp(grid, np.arange(40), row) for row in points])
    loop = loop / (np.sqrt(np.mean(np.square(loop))) + 1e-12)
    repeats = -(-length // loop.shape[1])
    return np.tile(loop, (1, repeats))[:, :length].astype(np.float32)


def _wow(audio: Audio, recording: Recording, sample_rate: int) -> Audio:
    """A tape that runs unevenly: positions sway by at the most `wow_s`."""
    rng = np.random.default_rng([recording.seed, 1])
    n = audio.shape[1]
    t = np.arange(n, dtype=np.float64) / sample_rate
    sway = np.sin(2 * np.pi * float(rng.uniform(0.4, 1.2)) * t + float(rng.uniform(0, 6)))
    flutter = 0.1 * np.sin(2 * np.pi * float(rng.uniform(5, 9)) * t)
    at = np.arange(n) + recording.wow_s * sample_rate * (sway + flutter) / 1.1
    whole = np.clip(at.astype(np.int64), 0, n - 2)
    part = np.clip(at - whole, 0.0, 1.0).astype(np.float32)
    return np.asarray(audio[:, whole] * (1 - part) + audio[:, whole + 1] * part, dtype=np.float32)


def _coded(audio: Audio, recording: Recording, sample_rate: int) -> Audio:
    """Through a codec and back; both plug-ins compensate their delay."""
    import pedalboard as pb

    loudest = max(1.0, float(np.abs(audio).max(initial=0.0)))
    codec = (
        pb.GSMFullRateCompressor()
        if recording.codec == "telephone"
        else pb.MP3Compressor(vbr_quality=recording.codec_quality)
    )
    return np.asarray(
        codec(np.ascontiguousarray(audio / loudest), sample_rate), dtype=np.float32
    ) * np.float32(loudest)


def _fader(recording: Recording, length: int) -> npt.NDArray[np.float32]:
    """Gain [length]: the recording's own, the fader's moves, and the gap."""
    gain_db = np.full(length, recording.gain_db, np.float32)
    if recording.fader_db:
        places = np.linspace(0, length, len(recording.fader_db))
        gain_db += np.interp(np.arange(length), places, recording.fader_db).astype(np.float32)
    gain = (10 ** (gain_db / 20)).astype(np.float32)
    start, end = (int(x * length) for x in recording.gap)
    gain[start:end] = 0.0
    return gain
