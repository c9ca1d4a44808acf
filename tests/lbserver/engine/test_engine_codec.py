# SPDX-License-Identifier: GPL-3.0-or-later
"""Law 1 with the real codec in the place of the copying accompanist, by cross-correlation.

The codec keeps no absolute phase and smears an attack over its window, so what comes out of it lies within some
milliseconds of what went in, not within a sample; that is the codec's, measured in its card. What the engine adds is
what law 1 speaks of: against the codec run on the whole recording at once, the offset is the reported one.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import correlate, resample_poly

from lbmodels.codec.autoencoder import Codec, from_frames, to_frames
from lbmodels.contract.accompanist import Audio
from lbmodels.contract.conditions import Conditions
from lbmodels.contract.spec import Spec
from lbmodels.families import loading
from lbserver.engine.budget import Budget
from lbserver.engine.virtual import VirtualWorker, run
from lbserver.ring.timeline import Mode
from lbserver.testing import accompanists, stage

pytestmark = pytest.mark.weights

BUDGET = Budget(compute_s=0.012, margin_s=0.004)


class CodecEcho:
    """Encodes each mix frame and plays what the decoder makes of it: one session at a time."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.spec: Spec = accompanists.copy(sample_rate=codec.config.sample_rate, hop=codec.config.hop).spec

    def init_state(self, seeds: Sequence[int]) -> Any:
        return self.codec.encoder.init_state(len(seeds)), self.codec.decoder.init_state(len(seeds))

    def step(self, mix: Audio, conditions: Conditions, state: Any, active: Any) -> tuple[Audio, Any]:
        del conditions
        on = torch.from_numpy(active)
        with torch.inference_mode():
            latent, encoder = self.codec.encoder.step(torch.from_numpy(mix), state[0], on)
            stem, decoder = self.codec.decoder.step(latent, state[1], on)
        return stem.numpy(), (encoder, decoder)

    def heard_beat(self, state: Any) -> Audio:
        return np.full((len(state[1].position), 1, 4), np.nan)

    def heard_chord(self, state: Any) -> Audio:
        return np.full((len(state[1].position), 13), np.nan)


@pytest.fixture(scope="module")
def codec() -> Codec:
    torch.set_num_threads(1)
    return loading.load(None).codec


def drums(rate_hz: int, seconds: float) -> Audio:
    """Seeded hits of noise and of falling tones, in stereo."""
    generator = np.random.default_rng(3)
    out = np.zeros((2, int(rate_hz * seconds)), np.float32)
    time_s = np.arange(rate_hz // 8) / rate_hz
    for at in np.arange(0.1, seconds - 0.2, 0.17):
        start = int((at + 0.02 * generator.random()) * rate_hz)
        kick = 0.5 * np.sin(2 * np.pi * (60 * time_s - 3 * np.exp(-time_s / 0.03))) * np.exp(-time_s / 0.05)
        snare = 0.3 * np.exp(-time_s / 0.015)
        hit = kick + snare * np.interp(
            time_s, np.arange(8000) / 16000, generator.standard_normal(8000)
        )  # of the same spectrum at every rate
        out[:, start : start + len(hit)] += (hit * [[0.36], [0.24]]).astype(
            np.float32
        )  # below the limiter's ceiling
    return out


def offset_of(heard: np.ndarray, reference: np.ndarray) -> int:
    """Samples by which `heard` [T] lags `reference` [T], where their cross-correlation is largest."""
    correlation = correlate(heard.astype(np.float64), reference.astype(np.float64), mode="full", method="fft")
    return int(np.argmax(correlation)) - (len(reference) - 1)


@pytest.mark.parametrize("mode", [Mode.LIVE, Mode.ALIGNED])
@pytest.mark.parametrize("rate_hz", stage.RATES_HZ)
def test_law_1_with_the_real_codec(codec: Codec, rate_hz: int, mode: Mode) -> None:
    echo = CodecEcho(codec)
    mix = drums(rate_hz, 2.5)

    def source(position: int, samples: int) -> Audio:
        return mix[:, position : position + samples]

    host = stage.front_end(
        "a", stage.Seat(rate_hz=rate_hz, blocks=(441,), mode=mode), echo.spec, BUDGET, source
    )
    worker = VirtualWorker(echo, lambda _rows, _now_s: 0.01)
    session = worker.serve(host)
    run([host], [worker], until_s=2.45)
    assert (session.late_frames, host.port.missing_samples) == (0, 0)
    # The same way without the engine, and with another resampler.
    model_hz, hop = echo.spec.sample_rate, echo.spec.hop
    into = mix if rate_hz == model_hz else resample_poly(mix, model_hz, rate_hz, axis=1)
    with torch.inference_mode():
        frames = codec(to_frames(torch.from_numpy(np.ascontiguousarray(into, np.float32))[None], hop))
    decoded = from_frames(frames)[0].numpy()
    reference = decoded if rate_hz == model_hz else resample_poly(decoded, rate_hz, model_hz, axis=1)
    heard = host.audio
    reported = sum(stage.reported_samples(host)) + stage.hop_samples(echo, rate_hz)  # type: ignore[arg-type]
    assert np.abs(heard).max() > 0.05
    for channel in range(2):
        assert abs(offset_of(heard[channel], reference[channel]) - reported) <= 1
    if rate_hz == model_hz:
        shift = int(reported)
        length = heard.shape[1] - shift
        np.testing.assert_allclose(heard[:, shift:], decoded[:, :length], atol=1e-3)
    host.close()


def test_the_codec_s_own_smear_is_a_few_milliseconds(codec: Codec) -> None:
    """Its declared delay is where the energy of a hit comes out, within 5 ms: no frame is lost or doubled in it."""
    mix = drums(48000, 3.84)
    with torch.inference_mode():
        decoded = from_frames(codec(to_frames(torch.from_numpy(mix)[None], codec.config.hop)))[0].numpy()
    window = np.hanning(256) / 128

    def energy(audio: Audio) -> np.ndarray:
        level = np.convolve(np.abs(audio).sum(axis=0), window, "same")
        return level - level.mean()

    off_ms = (offset_of(energy(decoded), energy(mix)) - codec.delay_samples) / 48
    assert abs(off_ms) <= 5.0
