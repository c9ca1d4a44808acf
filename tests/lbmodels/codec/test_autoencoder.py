# SPDX-License-Identifier: GPL-3.0-or-later
"""The codec streams, comes as late as it says, and survives any signal."""

import pytest
import torch
from torch import Tensor

from lbmodels.codec.autoencoder import Codec, CodecConfig, from_frames, to_frames
from lbmodels.streaming.contract import assert_streaming_contract, run_steps
from lbmodels.streaming.state import named_tensors


def resynthesis(codec: Codec, audio: Tensor) -> Tensor:
    """Features and back [B, 2, T], without a network between: what the codec could reach at best."""
    with torch.no_grad():
        features = codec.encoder.features(to_frames(audio, codec.config.hop))
        return from_frames(codec.decoder.synthesise(features))


@pytest.fixture(scope="module")
def shipped_sizes() -> Codec:
    torch.manual_seed(0)
    return Codec(CodecConfig(features=16, depth=1)).eval()


def test_encoder_keeps_the_contract(toy_codec: Codec) -> None:
    assert_streaming_contract(toy_codec.encoder, 0.1 * torch.randn(2, 12, 2, 480))


def test_decoder_keeps_the_contract(toy_codec: Codec) -> None:
    """In double precision: where a fresh phase all but cancels the old one, rounding is amplified."""
    assert_streaming_contract(
        toy_codec.decoder.double(), torch.randn(2, 12, 8, dtype=torch.float64), tolerance=1e-8
    )


@pytest.fixture(scope="module")
def columned() -> Codec:
    """Stacks by column on both sides, partials locked."""
    torch.manual_seed(4)
    sizes = {
        "hop": 480,
        "window": 480,
        "step": 120,
        "low_bins": 48,
        "high_bands": 16,
        "latent": 8,
        "features": 24,
    }
    return Codec(
        CodecConfig(
            **sizes,
            depth=1,
            kernel=3,
            encoder_columns=8,
            decoder_columns=12,
            decoder_depth=2,
            phase_lock=True,
        )
    ).eval()


def test_stacks_by_column_keep_the_contract(columned: Codec) -> None:
    """Four columns come at once: a past that moved on by one of them, or by a frame of idle rows, would be heard here."""
    assert_streaming_contract(columned.encoder, 0.1 * torch.randn(2, 12, 2, 480))
    latents = torch.randn(2, 12, 8, dtype=torch.float64)
    assert_streaming_contract(columned.double().decoder, latents, tolerance=1e-8)
    columned.float()


@pytest.mark.parametrize("name", ["toy_codec", "columned"])
@pytest.mark.parametrize("frames", [1, 3])
def test_frames_that_come_at_once_are_those_that_come_one_by_one(
    name: str, frames: int, request: pytest.FixtureRequest
) -> None:
    """A window model hears and plays a chunk at a time: a past of one frame too few is a click at every chunk's beginning."""
    codec: Codec = request.getfixturevalue(name)
    audio, latents = 0.1 * torch.randn(2, 6, 2, 480), torch.randn(2, 6, 8, dtype=torch.float64)
    for layer, x, tolerance in ((codec.encoder, audio, 1e-4), (codec.decoder.double(), latents, 1e-8)):
        state, on, parts = layer.init_state(2), torch.ones(2, dtype=torch.bool), []
        for part in x.split(frames, dim=1):
            y, state = layer.step(part, state, on)
            parts.append(y)
        one_by_one, last = run_steps(layer, x)
        assert (torch.cat(parts, dim=1) - one_by_one).abs().max() <= tolerance
        for (what, found), (_, wanted) in zip(named_tensors(state), named_tensors(last), strict=True):
            assert (found - wanted).abs().max() <= tolerance, what
    codec.float()


def test_what_is_new_is_off_unless_a_configuration_asks_for_it(shipped_sizes: Codec) -> None:
    """Weights files of before name none of it and must make the network they were trained for."""
    assert not any("columns" in name or "spread" in name for name in shipped_sizes.state_dict())
    assert not shipped_sizes.decoder.phase.lock


def test_locked_partials_keep_their_level_where_frequencies_are_only_guessed() -> None:
    """Each bin's advance off by its own small error, as a network's is: unlocked, the bins of a note drift apart and cancel."""
    t = torch.arange(60 * 1920) / 48000
    note = sum(torch.sin(2 * torch.pi * 110.3 * n * t) / n for n in range(1, 9)) * 0.1
    audio = torch.as_tensor(note).expand(1, 2, -1)
    level = {}
    for lock in (False, True):
        torch.manual_seed(0)
        codec = Codec(CodecConfig(features=16, depth=1, phase_lock=lock)).eval()
        with torch.no_grad():
            features = codec.encoder.features(to_frames(audio, 1920))
            off = torch.polar(torch.ones(192), 0.25 * torch.randn(192))
            guessed = torch.view_as_real(torch.view_as_complex(features.advance) * off)
            out = from_frames(codec.decoder.synthesise(features._replace(advance=guessed)))
        level[lock] = float(
            10 * torch.log10(out[..., 48000:].square().mean() / audio[..., 48000:].square().mean())
        )
    assert level[False] < -1.5
    assert abs(level[True]) < 0.5


def test_a_click_is_as_sharp_with_locked_partials(shipped_sizes: Codec) -> None:
    """Neighbours are drawn along the step that the attack tells; along half a turn they would smear a click."""
    audio = torch.zeros(1, 2, 14 * 1920)
    audio[..., 10000:10008] = 0.5
    codec = Codec(CodecConfig(features=16, depth=1, phase_lock=True)).eval()
    peaks = [resynthesis(c, audio)[0, 0, 8000:16000].abs().max() for c in (shipped_sizes, codec)]
    assert peaks[1] > 0.9 * peaks[0]


def test_decoder_streams_through_a_whole_turn_of_its_noise_table(toy_codec: Codec) -> None:
    """509 noise columns, 4 a frame: a position that wraps or restarts shows after 128 frames."""
    latents, decoder = torch.randn(1, 140, 8, dtype=torch.float64), toy_codec.decoder.double()
    with torch.no_grad():
        streamed, _ = run_steps(decoder, latents)
        offline = decoder(latents)
    torch.testing.assert_close(streamed[:, -20:], offline[:, -20:], atol=1e-8, rtol=0)


def test_frames_there_and_back() -> None:
    audio = torch.randn(2, 2, 5 * 480 + 7)
    frames = to_frames(audio, 480)
    assert frames.shape == (2, 5, 2, 480)
    assert torch.equal(from_frames(frames), audio[..., : 5 * 480])
    assert torch.equal(frames[1, 3, 0], audio[1, 0, 3 * 480 : 4 * 480])


@pytest.mark.parametrize("at", [9600, 10000, 10560])
def test_a_click_comes_out_as_late_as_declared(shipped_sizes: Codec, at: int) -> None:
    """The attack feature must place energy inside the window: its centroid within 2 ms of the declared delay."""
    audio = torch.zeros(1, 2, 14 * 1920)
    audio[..., at : at + 8] = 0.5
    out = resynthesis(shipped_sizes, audio)[0].square().sum(0)
    out = out[at : at + 2 * 1920]
    centroid = (out * torch.arange(len(out))).sum() / out.sum()
    assert abs(centroid.item() - 4 - shipped_sizes.delay_samples) < 96


def test_a_note_starts_as_late_as_declared(shipped_sizes: Codec) -> None:
    """Half of a note's final power is reached within 10 ms of onset + delay."""
    onset, late = 5 * 1920 + 333, shipped_sizes.delay_samples
    t = torch.arange(20 * 1920)
    note = 0.3 * torch.sin(2 * torch.pi * 330 * t / 48000) * (t >= onset)
    power = resynthesis(shipped_sizes, note.expand(1, 2, -1))[0, 0].square().view(-1, 120).mean(1)
    first = int((power > 0.5 * power[-120:].mean()).nonzero()[0]) * 120
    assert abs(first - onset - late) < 480


@pytest.mark.parametrize("hz", [55.0, 437.3, 1201.0])
def test_a_steady_sine_keeps_frequency_and_level(shipped_sizes: Codec, hz: float) -> None:
    """Phase integrated from its advance must turn at the note's frequency, not at the bin's."""
    t = torch.arange(40 * 1920) / 48000
    sine = 0.3 * torch.sin(2 * torch.pi * hz * t)
    out = resynthesis(shipped_sizes, sine.expand(1, 2, -1))[0, 0, 20 * 1920 :]
    spectrum = torch.fft.rfft(out * torch.hann_window(len(out)), n=2**18).abs()
    measured = spectrum.argmax().item() * 48000 / 2**18
    assert abs(1200 * torch.log2(torch.tensor(measured / hz))) < 6
    assert 20 * abs(torch.log10(out.square().mean().sqrt() / (0.3 / 2**0.5))) < 1.5


def test_silence_stays_silent(shipped_sizes: Codec) -> None:
    assert resynthesis(shipped_sizes, torch.zeros(1, 2, 8 * 1920)).abs().max() < 1e-5


def test_a_panned_note_stays_on_its_side(shipped_sizes: Codec) -> None:
    t = torch.arange(20 * 1920) / 48000
    sine = 0.3 * torch.sin(2 * torch.pi * 440 * t)
    for left, right in ((1.0, 0.0), (0.0, 1.0), (0.8, 0.4)):
        out = resynthesis(shipped_sizes, torch.stack([left * sine, right * sine])[None])[0, :, 9600:]
        power = out.square().mean(-1)
        assert abs((power[1] / power.sum()).item() - right**2 / (left**2 + right**2)) < 0.05


@pytest.mark.parametrize("level", [0.0, 1e-20, 1e-3, 1.0, 50.0])
@pytest.mark.parametrize("channels", ["both", "left", "opposed"])
def test_no_signal_makes_nan(toy_codec: Codec, level: float, channels: str) -> None:
    """Full-scale squares, digital silence, and channels that cancel in the mean, features and network both."""
    square = level * torch.sign(torch.sin(torch.arange(20 * 480) * 0.05))
    sides = {"both": (1, 1), "left": (1, 0), "opposed": (1, -1)}[channels]
    audio = torch.stack([side * square for side in sides])[None]
    with torch.no_grad():
        out, latents = toy_codec(to_frames(audio, 480)), toy_codec.encoder(to_frames(audio, 480))
    assert out.isfinite().all()
    assert latents.isfinite().all()
    assert resynthesis(toy_codec, audio).isfinite().all()


@pytest.mark.parametrize("scale", [0.0, 10.0, 1e4])
def test_no_latent_makes_nan(toy_codec: Codec, scale: float) -> None:
    """A generator may say anything."""
    with torch.no_grad():
        assert toy_codec.decoder(scale * torch.randn(2, 10, 8)).isfinite().all()


def test_training_gradients_are_finite_in_silence(toy_codec: Codec) -> None:
    """Square roots and angles at zero are where NaN gradients come from."""
    codec = toy_codec.requires_grad_(True).train()
    for audio in (torch.zeros(2, 6, 2, 480), 1e-20 * torch.randn(2, 6, 2, 480)):
        codec(audio).square().mean().backward()
        assert all(p.grad.isfinite().all() for p in codec.parameters() if p.grad is not None)
