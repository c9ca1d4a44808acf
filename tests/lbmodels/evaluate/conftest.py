# SPDX-License-Identifier: GPL-3.0-or-later
"""A small data set of clicks and chords, and an accompanist that plays what the host tells it."""

from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch

from lbmodels.contract.spec import Spec
from lbmodels.contract.stems import STEMS

RATE, HOP = 48000, 1920
PROGRAMS = {"Drums": True, "Bass": False, "Piano": False}


def clicks(times, seconds, pitch_hz):
    """Decaying bursts [T] at `times`."""
    out = np.zeros(int(seconds * RATE), dtype=np.float32)
    t = np.arange(int(0.4 * RATE)) / RATE
    burst = (0.3 * np.sin(2 * np.pi * pitch_hz * t) * np.exp(-t / 0.08)).astype(np.float32)
    for time in times:
        first = round(time * RATE)
        end = min(first + len(burst), len(out))
        out[first:end] += burst[: end - first]
    return out


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Four songs of 26 s at 92 to 137 BPM in the Slakh layout; C, D, F or G major throughout."""
    root = tmp_path_factory.mktemp("songs")
    for i, (bpm, tonic) in enumerate([(92, 0), (107, 2), (121, 5), (137, 7)]):
        folder = root / "test" / f"Track{i:05d}"
        (folder / "stems").mkdir(parents=True)
        beats = np.arange(0.2 + 0.07 * i, 26, 60 / bpm)
        table = []
        for k, (name, is_drum) in enumerate(PROGRAMS.items()):
            pitches = [(1800.0,)] if is_drum else [(55 * 2 ** ((tonic + 3 + n) / 12),) for n in (0, 4, 7)]
            audio = sum(clicks(beats, 26, *pitch) for pitch in pitches)
            soundfile.write(folder / "stems" / f"S{k:02d}.flac", np.stack((audio, audio), axis=1), RATE)
            table.append(
                f"  S{k:02d}: {{inst_class: {name}, is_drum: {str(is_drum).lower()}, program_num: {k}, "
                "audio_rendered: true, midi_saved: false}"
            )
        (folder / "metadata.yaml").write_text(
            "UUID: test\naudio_dir: stems\nstems:\n" + "\n".join(table) + "\n"
        )
        soundfile.write(folder / "mix.flac", np.zeros((26 * RATE, 2)), RATE)
        (folder / "beats.txt").write_text("".join(f"{b:.6f}\t{n % 4 + 1}\n" for n, b in enumerate(beats)))
        name = ["C", "D", "F", "G"][i]
        (folder / "chords.txt").write_text(f"0.000000\t26.000000\t{name}:maj\n")
    return root


class ClickState(NamedTuple):
    """Steps taken by each row [B], and the phase that was told last [B]."""

    steps: torch.Tensor
    phase: torch.Tensor


class ClickAccompanist:
    """Clicks in the frame in which the host's beat phase wraps; silent when it is not told. Records its frames."""

    def __init__(self):
        self.spec = Spec(
            name="click", sample_rate=RATE, channels=2, hop=HOP, chunk_frames=1, anticipation_frames=(0, 25),
            stems=STEMS, controls=(), conditions=("beat_phase",),
            context_frames=1, parameters=0, recipe="none", weights_id="none",
        )  # fmt: skip
        self.mixes = []
        self.told = []

    def init_state(self, seeds):
        return ClickState(torch.zeros(len(seeds)), torch.full((len(seeds),), float("nan")))

    def step(self, mix, conditions, state, active):
        assert active.all()
        mix = torch.from_numpy(mix)
        conditions = {name: torch.from_numpy(value) for name, value in conditions.items()}
        assert mix.shape[1:] == (2, HOP)
        self.mixes.append(mix.clone())
        self.told.append({name: value.clone() for name, value in conditions.items()})
        phase, tempo = (conditions[name][:, 0, 0] for name in ("beat_phase", "tempo"))
        stem = torch.zeros_like(mix)
        frame_beats = tempo / 60 * HOP / RATE
        for row in range(len(mix)):
            if not torch.isnan(phase[row]) and phase[row] + frame_beats[row] >= 1:
                first = int((1 - phase[row]) / frame_beats[row] * HOP)
                stem[row, :, first : first + 480] = 0.5 * torch.sin(torch.arange(min(480, HOP - first)) * 0.4)
        return stem.numpy(), ClickState(state.steps + 1, phase)


@pytest.fixture
def accompanist():
    return ClickAccompanist()
