# SPDX-License-Identifier: GPL-3.0-or-later
"""Both training programs, whole: real songs in, weights that stream out."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import soundfile
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.families import loading
from lbmodels.families.liveband.family import GENERATOR
from lbmodels.families.parts import CODEC
from lbmodels.train import codec as codec_program
from lbmodels.train import latent_matching as latent_matching_program
from lbmodels.train import liveband as band_program
from lbmodels.train import rvq as rvq_program
from lbmodels.train import tempogram as tempogram_program
from lbmodels.weights import modules
from lbserver.testing.processes import running
from lbserver.testing.waiting import until

Tables = dict[str, Any]


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_codec_trains_resumes_and_loads(codec_tables: Tables, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = modules.load_part(CODEC, codec_program.main(codec_tables, out, quiet=True))
    (row,) = log(out)
    assert {"level", "advance", "attack", "pan", "convergence", "log_stft"} <= row.keys()
    assert {"adversarial", "matching", "critic", "sample_si_sdr_db"} <= row.keys()
    assert all(value == value for value in row.values())
    audio, rate = soundfile.read(out / "sample.flac")
    assert rate == 48000
    assert audio.shape[1] == 2
    assert abs(audio).max() > 0.01
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    codec_tables["loop"]["steps"] = 6
    second = modules.load_part(CODEC, codec_program.main(codec_tables, out, quiet=True))
    assert [row["step"] for row in log(out)] == [4, 6]
    assert not torch.equal(first.encoder.embed.weight, second.encoder.embed.weight)


def test_a_second_stage_keeps_the_encoder_to_the_bit(codec_tables: Tables, tmp_path: Path) -> None:
    """Latents are already cached by then: a moved encoder, or its running statistics, would make them lies."""
    weights = codec_program.main(codec_tables, tmp_path / "one", quiet=True)
    stage = codec_tables | {"start_from": str(weights), "train_encoder": False}
    before, after = (
        modules.load_part(CODEC, path)
        for path in (weights, codec_program.main(stage, tmp_path / "two", quiet=True))
    )
    old, new = before.encoder.state_dict(), after.encoder.state_dict()
    assert all(torch.equal(old[name], new[name]) for name in old)
    assert not torch.equal(before.decoder.head.weight, after.decoder.head.weight)


def test_tokens_are_fitted_to_an_autoencoder_and_measured(codec_tables: Tables, tmp_path: Path) -> None:
    """Level 0 is the latents themselves: what more levels give must come nearer to it, not go elsewhere."""
    sizes = CodecConfig(**codec_tables["model"])
    weights = modules.save_weights(tmp_path / "codec.safetensors", Codec(sizes), kind="codec", config=sizes)
    tables = {
        "crops": 8,
        "validation_crops": 2,
        "rounds": 4,
        "model": {"latent": 8, "levels": 3, "codes": 16},
        "data": {"root": codec_tables["data"]["root"], "codec": str(weights)},
    }
    path = rvq_program.main(tables, tmp_path / "tokens", quiet=True)
    config, tensors = modules.read_weights(path, "rvq")
    assert config == tables["model"]
    assert tensors["codes"].shape == (3, 16, 8)
    rows = json.loads((tmp_path / "tokens" / "rvq.json").read_text())
    assert [row["levels"] for row in rows] == [0, 1, 2, 3]
    assert [row["bits_per_s"] for row in rows] == [0, 400, 800, 1200]  # 4 bits a level, 100 frames a second
    assert rows[0]["missed"] == 0
    assert rows[1]["missed"] > rows[3]["missed"] > 0
    tables["model"] = {"latent": 9, "levels": 3, "codes": 16}
    with pytest.raises(LiveBandModelError, match="latents have 8 numbers"):
        rvq_program.main(tables, tmp_path / "other", quiet=True)


def mix_of(tables: Tables) -> Path:
    """The one song that is trained on."""
    return next((Path(tables["data"]["root"]) / "train").glob("Track*")) / "mix.flac"


def test_band_trains_resumes_and_streams(band_tables: Tables, tmp_path: Path, told: Any) -> None:
    out = tmp_path / "run"
    weights = band_program.main(band_tables, out, quiet=True)
    (row,) = log(out)
    assert {"regression", "beat", "tempo", "chord", "adversarial", "matching"} <= row.keys()
    assert {"critic", "penalty", "validation_regression", "validation_spread"} <= row.keys()
    assert all(value == value for value in row.values())
    takes = sorted(path.name for path in out.glob("sample_*.flac"))
    assert takes
    assert soundfile.info(out / takes[0]).samplerate == 48000
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")

    came_to = json.loads((out / "heard.json").read_text())
    assert (came_to["steps"], came_to["songs"]) == (4, 1)
    assert came_to["heard_hours"] == pytest.approx(4 * 2 * 24 * 0.04 / 3600), (
        "4 steps of 2 crops of 24 frames"
    )
    assert came_to["song_hours"] * 3600 == pytest.approx(
        soundfile.info(mix_of(band_tables)).duration, abs=0.05
    )

    band_tables["loop"]["steps"] = 6
    before = modules.read_weights(weights, "liveband-generator")[1]
    after = modules.read_weights(band_program.main(band_tables, out, quiet=True), "liveband-generator")[1]
    assert [row["step"] for row in log(out)] == [4, 6]
    assert not torch.equal(before["play.weight"], after["play.weight"])

    band = loading.load(str(out))
    state, active = band.init_state([1, 2]), torch.ones(2, dtype=torch.bool)
    conditions = told(2, 1)
    for _ in range(20):
        audio, state = band.step(0.1 * torch.randn(2, 2, band.spec.hop), conditions, state, active)
        assert audio.isfinite().all()


def test_latents_are_cached_once_and_line_up(band_tables: Tables, tmp_path: Path) -> None:
    """Each stem's latent m must decode to the stem's frame m: a stem encoded late would teach dragging."""
    band_tables["loop"]["steps"] = 1
    band_program.main(band_tables, tmp_path / "a", quiet=True)
    files = sorted((tmp_path / "latents").glob("*/*.safetensors"))
    assert [path.parent.name for path in files] == ["train", "validation"]
    times = [path.stat().st_mtime_ns for path in files]
    band_program.main(band_tables, tmp_path / "b", quiet=True)
    assert [path.stat().st_mtime_ns for path in files] == times
    tensors = safetensors.torch.load_file(files[0])
    frames = tensors["0.played"].shape[0]
    assert tensors["0.heard"].shape == (frames, 8)
    assert tensors["0.semitones"].shape == (frames, 12)
    assert tensors["0.level"].shape == tensors["conditions.tempo"].shape == (frames,)


@pytest.mark.slow
def test_a_killed_training_goes_on(codec_tables: Tables, tmp_path: Path) -> None:
    """SIGTERM to the real command, as a scheduler sends it; the same command again finishes the work."""
    recipe, out = tmp_path / "toy.toml", tmp_path / "run"
    lines = [f"{k} = {v}" for k, v in codec_tables.items() if not isinstance(v, dict)]
    for name in ("model", "data", "loop"):
        lines += [f"[{name}]", *(f"{k} = {json.dumps(v)}" for k, v in codec_tables[name].items())]
    recipe.write_text("\n".join(lines))
    command = [sys.executable, "-m", "lbserver.cli", "train", "codec", "--recipe", str(recipe), "--quiet"]
    command += ["--out", str(out), "--set", "loop.steps=100000", "--set", "loop.sample_every=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with running(command, env=environment, stderr=subprocess.PIPE) as process:
        until(lambda: (out / "log.jsonl").is_file() and log(out), "the first line of the log", timeout_s=300)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, process.stderr.read()
    stopped = torch.load(out / "checkpoint.pt", weights_only=True)["step"]  # noqa: TID251
    assert 2 <= stopped < 100000
    codec_tables["loop"]["steps"] = stopped + 1
    codec_program.main(codec_tables, out, quiet=True)
    assert log(out)[-1]["step"] == stopped + 1


def test_a_codec_that_does_not_fit_is_refused_before_training(band_tables: Tables, tmp_path: Path) -> None:
    band_tables["model"]["latent"] = 16
    with pytest.raises(LiveBandModelError, match="latent"):
        band_program.main(band_tables, tmp_path / "run", quiet=True)


def test_songs_shorter_than_a_crop_are_refused(band_tables: Tables, tmp_path: Path) -> None:
    band_tables["data"]["crop_frames"] = 5000
    with pytest.raises(LiveBandModelError, match="no latents of at least 5026 frames"):
        band_program.main(band_tables, tmp_path / "run", quiet=True)


def test_a_data_set_that_is_not_there_is_refused(codec_tables: Tables, tmp_path: Path) -> None:
    codec_tables["data"]["root"] = str(tmp_path / "nowhere")
    with pytest.raises(LiveBandModelError, match="nowhere"):
        codec_program.main(codec_tables, tmp_path / "run", quiet=True)


def test_the_band_starts_from_a_trained_tempogram(band_tables: Tables, tmp_path: Path) -> None:
    """The program of the tempogram moves the tempogram alone, and its weights are a start that the band accepts."""
    from lbmodels.config import build
    from lbmodels.families.liveband.generator import Generator

    weights = tempogram_program.main(band_tables, tmp_path / "tempogram", quiet=True)
    (row,) = log(tmp_path / "tempogram")
    assert {"beat", "tempo", "validation_beat"} <= row.keys()
    config = build(band_program.LiveBandTraining, band_tables)
    torch.manual_seed(config.loop.seed)
    fresh = Generator(config.model).state_dict()
    trained = modules.read_weights(weights, "liveband-generator")[1]
    moved = {name.split(".")[0] for name in fresh if not torch.equal(fresh[name], trained[name])}
    assert moved == {"tempogram", "feel"}
    band_program.main(band_tables | {"start_from": str(weights)}, tmp_path / "band", quiet=True)


def test_a_trained_band_is_given_the_colours_of_true_stems(band_tables: Tables, tmp_path: Path) -> None:
    """Its latents spread as those of the songs, nothing else of it changes, and a second time is as the first."""
    from lbmodels.config import build
    from lbmodels.train.batches import LatentSource
    from lbmodels.train.latent_matching import LatentMatchingFit

    plain = band_program.main(band_tables, tmp_path / "band", quiet=True)
    tables = {
        "start_from": str(plain), "data": band_tables["data"], "batches": 12, "batch": 8, "settling_frames": 0,
        "least": 0.0, "most": 1e6,
    }  # fmt: skip
    matched = latent_matching_program.main(tables, tmp_path / "matched", quiet=True)
    config, tensors = modules.read_weights(matched, "liveband-generator")
    assert config["latent_matching"] is True
    assert loading.load(str(tmp_path / "matched")).generator.latent_matching is not None
    was = modules.read_weights(plain, "liveband-generator")[1]
    assert all(torch.equal(tensors[name], tensor) for name, tensor in was.items())

    again = latent_matching_program.main(
        tables | {"start_from": str(matched)}, tmp_path / "again", quiet=True
    )
    for name, tensor in modules.read_weights(again, "liveband-generator")[1].items():
        torch.testing.assert_close(tensor, tensors[name], atol=1e-4, rtol=1e-4)

    fit = build(LatentMatchingFit, tables)

    def narrower(file: Path) -> torch.Tensor:
        """By how much the spread of the bass's latents is off, as a logarithm."""
        generator = modules.load_part(GENERATOR, file)
        ours, theirs = [], []
        source = LatentSource(fit.data, generator.config, fit.batch)
        torch.manual_seed(fit.seed)
        for batch in source.batches("train", fit.seed, fit.batches):
            played = generator(
                batch.heard,
                batch.known,
                batch.stem,
                batch.anticipation,
                torch.randint(2**31, batch.stem.shape),
                torch.ones(len(batch.stem)),
            ).latents
            ours.append(played[batch.stem == 1].flatten(0, 1))
            theirs.append(batch.played[batch.stem == 1].flatten(0, 1))
        return (torch.cat(theirs).std(0) / torch.cat(ours).std(0)).log().abs()

    with torch.no_grad():
        assert (narrower(matched) < 0.02).all()
        assert (narrower(plain) > 0.02).any()
    with pytest.raises(LiveBandModelError, match="name the generator"):
        latent_matching_program.main({"data": band_tables["data"]}, tmp_path / "none", quiet=True)
