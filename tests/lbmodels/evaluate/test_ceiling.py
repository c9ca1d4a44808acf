# SPDX-License-Identifier: GPL-3.0-or-later
"""Each figure of what the autoencoder leaves of a stem, where the answer is known."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig, to_frames
from lbmodels.codec.rvq import ResidualQuantiser, RvqConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import ceiling, commands, extras, frechet, run
from lbmodels.evaluate.ceiling import Treatment, attacks_ms, ceilings, level_db
from lbmodels.evaluate.excerpts import choose_excerpts
from lbmodels.evaluate.metrics import rises_ms
from lbmodels.evaluate.reconstruction import noisy, reconstruct
from lbmodels.evaluate.sounds import MIX, audio_of, of_excerpts
from lbmodels.train.rvq import fit
from lbmodels.weights.modules import save_weights

FIXTURE = Path(__file__).parents[2] / "fixtures" / "slakh_tiny"
RATE = 48000


def toy_codec() -> Codec:
    torch.manual_seed(0)
    return Codec(CodecConfig(features=16, depth=1)).eval()


def strokes(rise_ms: float, hz: float = 440.0) -> np.ndarray:
    """Four notes in 4 s, each rising linearly and dying away slowly, stereo."""
    t = np.arange(RATE) / RATE
    note = np.minimum(t / (rise_ms / 1000), 1) * np.exp(-3 * t) * np.sin(2 * np.pi * hz * t)
    whole = np.concatenate([np.zeros(RATE // 2), *([0.5 * note] * 4), np.zeros(RATE // 2)])
    return np.tile(whole.astype(np.float32), (2, 1))


class Gain(float):
    """In place of a codec: what comes back is as many times as loud."""

    config = CodecConfig()


def excerpts(stem: str = "bass", seconds: float = 2) -> Any:
    return choose_excerpts(FIXTURE, "test", stem, 4, seconds=seconds, seed=0, hop=1920, sample_rate=RATE)


def sounds(stem: str, seconds: float = 2) -> Any:
    return of_excerpts(excerpts("bass", seconds), stem, start_s=0.5)


@pytest.mark.parametrize("rise", [40.0, 60.0])
def test_a_linear_rise_takes_63_percent_of_its_length_in_energy(rise: float) -> None:
    """Amplitude t / T has 10 % of its energy at 0.316 T and 90 % at 0.949 T."""
    found = rises_ms(strokes(rise)[0], RATE, np.array([0.5, 1.5, 2.5, 3.5]))
    assert found == pytest.approx(np.full(4, 0.633 * rise), abs=2.5)


def test_a_steady_sound_and_silence_have_no_rise() -> None:
    steady = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    assert np.isnan(rises_ms(steady, RATE, np.array([0.5, 1.0]))).all()
    assert np.isnan(rises_ms(0 * steady, RATE, np.array([0.5, 1.0]))).all()


def test_a_blurred_attack_is_as_much_slower_as_it_was_made() -> None:
    sharp, blurred = attacks_ms(strokes(5), strokes(5), RATE), attacks_ms(strokes(45), strokes(5), RATE)
    assert len(sharp[0]) == 4
    assert np.median(sharp[0] - sharp[1]) == 0
    assert np.median(blurred[0] - blurred[1]) == pytest.approx(0.633 * 40, abs=3)


def test_level_is_of_the_power() -> None:
    audio = strokes(5)
    assert level_db(0.5 * audio, audio) == pytest.approx(-6.02, abs=0.01)
    assert level_db(audio, audio) == 0
    assert np.isfinite(level_db(audio, 0 * audio))


def spectrum(audio: np.ndarray, rate: int) -> np.ndarray:
    """A vector for each half second."""
    return np.abs(np.fft.rfft(audio.mean(0)[: len(audio[0]) // 24000 * 24000].reshape(-1, 24000)))[:, :8]


@pytest.fixture
def heard_as_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "EMBEDDINGS", {"spectrum": extras.Embedding(version="1", embed=spectrum)})
    monkeypatch.setattr("lbmodels.evaluate.features.EMBEDDINGS", extras.EMBEDDINGS)
    monkeypatch.setattr(
        run, "SETS", {"frechet": extras.SetMetric(embedding="spectrum", score=frechet.distance)}
    )


@pytest.mark.usefixtures("heard_as_spectrum")
@pytest.mark.parametrize("stem", ["bass", MIX])
def test_a_perfect_codec_is_the_truth_in_every_figure_and_a_softer_one_only_softer(
    monkeypatch: pytest.MonkeyPatch, stem: str
) -> None:
    """Were reconstruction and truth taken from other excerpts, or shifted, a copy would not score as the truth does."""
    gains = {"same": Gain(1), "soft": Gain(10 ** (-3 / 20))}
    monkeypatch.setattr(ceiling, "reconstruct", lambda gain, audio, _change: (audio, gain * audio))
    found = ceilings(gains, stem, sounds(stem), start_s=0.5)  # type: ignore[arg-type]
    same, soft = found
    assert (same.coder, soft.coder, same.stem) == ("same", "soft", stem)
    assert (same.convergence, same.log_db, same.level_db, same.attack_blur_ms) == (0, 0, 0, 0)
    assert same.attack_ms == same.true_attack_ms > 0
    assert same.frechet == pytest.approx(same.halves)
    assert soft.level_db == pytest.approx(-3, abs=0.01)
    assert soft.level_error_db == pytest.approx(3, abs=0.01)
    assert soft.convergence == pytest.approx(1 - 10 ** (-3 / 20), abs=0.01)
    assert soft.attack_blur_ms == pytest.approx(0, abs=0.01)


@pytest.mark.usefixtures("heard_as_spectrum")
@pytest.mark.skipif(importlib.util.find_spec("madmom") is None, reason="madmom is not installed")
def test_beats_and_chords_of_what_came_back_are_beside_those_of_the_truth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A copy scores what the truth scores; silence has no beats."""
    gains = {"same": Gain(1), "silent": Gain(0)}
    monkeypatch.setattr(ceiling, "reconstruct", lambda gain, audio, _change: (audio, gain * audio))
    one = sounds("bass", seconds=6)[:1]
    same, silent = ceilings(gains, "bass", one, networks=1, start_s=0.5)  # type: ignore[arg-type]
    assert same.scores == pytest.approx(same.true_scores, nan_ok=True)
    assert silent.true_scores == pytest.approx(same.true_scores, nan_ok=True)
    assert silent.scores["beat_f1"] == 0


@pytest.mark.usefixtures("heard_as_spectrum")
def test_slower_attacks_and_another_sound_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blur of 30 ms is no other level, and what lost its treble is further from the truth than its halves from each other."""
    smear = np.hanning(round(0.03 * RATE))
    ways = {
        "same": lambda a: a,
        "blurred": lambda a: np.sign(a) * np.sqrt(np.apply_along_axis(np.convolve, 1, a**2, smear / smear.sum(), "same")),
        "dull": lambda a: np.cumsum(a - a.mean(1, keepdims=True), 1) / 50,
    }  # fmt: skip

    def damaged(way: Gain, audio: torch.Tensor, _change: object) -> tuple[torch.Tensor, torch.Tensor]:
        back = ways[list(ways)[int(way)]](audio[0].numpy())
        return audio, torch.from_numpy(np.ascontiguousarray(back, np.float32)).unsqueeze(0)

    monkeypatch.setattr(ceiling, "reconstruct", damaged)
    codecs = {name: Gain(i) for i, name in enumerate(ways)}
    same, blurred, dull = ceilings(codecs, "bass", sounds("bass"), start_s=0.5)  # type: ignore[arg-type]
    assert same.attack_blur_ms == 0
    assert blurred.attack_blur_ms > 3
    assert abs(blurred.level_db) < 0.5
    assert dull.frechet["frechet"] > 2 * max(same.frechet["frechet"], same.halves["frechet"])


def test_fewer_levels_of_tokens_lose_more_and_cost_less() -> None:
    """Were the levels given taken from the end, or not at all, one level would be as good as all."""
    codec, audio = toy_codec(), [sound.read()[:, : 20 * 1920] for sound in sounds("bass")]
    tokens = code_books(codec, audio)
    treatments = [Treatment(), *(Treatment(levels=n) for n in (1, 4))]
    plain, one, four = ceilings({"toy": codec}, "bass", sounds("bass"), treatments=treatments, tokens=tokens)
    assert [row.levels for row in (plain, one, four)] == [0, 1, 4]
    assert one.bits_per_s == pytest.approx(4 * 25)
    assert four.bits_per_s == pytest.approx(4 * one.bits_per_s)
    assert plain.bits_per_s == 64 * 16 * 25
    with torch.no_grad():
        latents = codec.encoder(to_frames(torch.from_numpy(audio[0])[None], 1920))
    missed = [float((tokens(latents, n) - latents).square().mean()) for n in (1, 4)]
    assert missed[1] < missed[0]
    assert one.convergence != four.convergence != plain.convergence
    with pytest.raises(
        LiveBandModelError, match="9 levels of tokens are asked for; the code books given have 4"
    ):
        ceilings({"toy": codec}, "bass", sounds("bass"), treatments=[Treatment(levels=9)], tokens=tokens)


def code_books(codec: Codec, audio: list[np.ndarray]) -> ResidualQuantiser:
    """Four levels of 16 codes, fitted to these latents."""
    with torch.no_grad():
        latents = torch.cat([codec.encoder(to_frames(torch.from_numpy(a)[None], 1920))[0] for a in audio])
    sizes = RvqConfig(latent=64, levels=4, codes=16)
    return fit(latents, sizes, rounds=4, seed=0, quiet=True)


@pytest.mark.weights
def test_the_command_measures_songs_and_recordings_and_writes_a_page(tmp_path: Path) -> None:
    """The chain as a user runs it: what ships beside other weights, tokens, and a recording with an isolated stem."""
    sizes = CodecConfig(features=16, depth=1)
    other = save_weights(tmp_path / "other.safetensors", toy_codec(), kind="codec", config=sizes)
    books = code_books(toy_codec(), [sound.read() for sound in sounds("bass")])
    tokens = save_weights(tmp_path / "tokens.safetensors", books, kind="rvq", config=books.config)
    common = [
        "--reconstruction",
        "--stems",
        "bass",
        "--excerpts",
        "2",
        "--seconds",
        "6",
        "--skip-s",
        "1",
        "--no-cache",
    ]
    common += ["--codec", str(other), "--latent-noise", "0"]
    told = ["--data", str(FIXTURE), "--tokens", str(tokens), "--token-levels", "2,12", "--pictures", "1"]
    assert commands.run(parsed([*told, *common, "--out", str(tmp_path / "songs")])) == 0
    rows = json.loads((tmp_path / "songs/ceiling.json").read_text())
    assert {(r["stem"], r["coder"], r["levels"]) for r in rows} == {
        (stem, coder, levels) for stem in ("bass", MIX) for coder in ("autoencoder", "other") for levels in (0, 2)
    }  # fmt: skip
    page = (tmp_path / "songs/README.md").read_text()
    for name in ("01-bass.png", "01-bass-2.ogg", "02-mix.png", "curves.png"):
        assert (tmp_path / "songs" / name).stat().st_size > 1000
        assert name in page
    recordings = tmp_path / "recordings"
    (recordings / "alone").mkdir(parents=True)
    (stem, *_) = sounds("bass", 6)
    soundfile.write(recordings / "alone/bass.wav", stem.read().T, RATE)
    soundfile.write(recordings / "piece.wav", audio_of(excerpts("bass", 6)[0], MIX).T, RATE)
    (recordings / "piece.toml").write_text('title = "A piece"\n[stems]\nbass = "alone/bass.wav"\n')
    arguments = ["--real", str(recordings), *common, "--pictures", "0", "--out", str(tmp_path / "real")]
    assert commands.run(parsed(arguments)) == 0
    rows = json.loads((tmp_path / "real/ceiling.json").read_text())
    assert [(r["stem"], r["coder"], r["excerpts"]) for r in rows] == [
        (stem, coder, 1) for stem in ("bass", MIX) for coder in ("autoencoder", "other")
    ]  # fmt: skip
    if rows[0]["scores"]:
        assert rows[2]["true_scores"] == {"beat_f1": 1, "chroma": 1}
    assert not list((tmp_path / "real").glob("*.png"))


def test_noise_on_latents_is_measured_in_their_spread() -> None:
    """Noise as wide as the latents must be heard; none must change no bit; the same seed gives the same noise."""
    codec, audio = toy_codec(), torch.from_numpy(strokes(5)[:, : 60 * 1920]).unsqueeze(0)
    with torch.no_grad():
        quiet = codec.encoder(audio.unflatten(-1, (60, 1920)).transpose(1, 2))
    assert quiet.std() > 0
    plain, none = (reconstruct(codec, audio, change)[1] for change in (None, noisy(0.0, 3)))
    assert torch.equal(plain, none)
    much = [reconstruct(codec, audio, noisy(1.0, 3))[1] for _ in range(2)]
    assert torch.equal(*much)
    assert not torch.equal(much[0], reconstruct(codec, audio, noisy(1.0, 4))[1])
    little = reconstruct(codec, audio, noisy(0.01, 3))[1]
    assert (little - plain).square().mean() < (much[0] - plain).square().mean()


def test_a_mix_is_all_of_its_stems() -> None:
    (excerpt, *_) = excerpts()
    alone, whole = audio_of(excerpt, "bass"), audio_of(excerpt, MIX)
    assert alone.shape == whole.shape
    assert not np.array_equal(alone, whole)


def test_a_codec_of_another_frame_is_refused_by_name(tmp_path: Path) -> None:
    sizes = CodecConfig(hop=960, features=16, depth=1)
    path = save_weights(tmp_path / "other.safetensors", Codec(sizes), kind="codec", config=sizes)
    with pytest.raises(
        LiveBandModelError, match=r"other.safetensors: 48000 Hz in frames of 960; accepted: .* 1920"
    ):
        commands.run(
            parsed(
                [
                    "--data",
                    str(FIXTURE),
                    "--reconstruction",
                    "--codec",
                    str(path),
                    "--out",
                    str(tmp_path / "o"),
                ]
            )
        )


@pytest.mark.parametrize("given", ["", "ten", "-5", "5,,10", "2000", "nan"])
def test_noise_that_is_no_percentage_is_refused(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        parsed(["--latent-noise", given])
    assert stopped.value.code == 2
    assert "list of percentages from 0 to 1000" in capsys.readouterr().err


def parsed(arguments: list[str]) -> Any:
    import argparse

    parser = argparse.ArgumentParser()
    commands.add_parser(parser.add_subparsers())
    return parser.parse_args(["evaluate", *arguments])
