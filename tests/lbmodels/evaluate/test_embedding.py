# SPDX-License-Identifier: GPL-3.0-or-later
"""musicnn's network is read and run as its authors meant it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import embedding, extras, frechet

with_weights = pytest.mark.skipif(not embedding.installed(), reason=f"needs musicnn: {embedding.INSTALL}")
RATE = 48000


def clicks(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Decaying bursts of noise twice a second: drums, to a tagger."""
    rng = np.random.default_rng(seed)
    count = int(seconds * RATE)
    noise = rng.standard_normal(count) * np.exp(-(np.arange(count) % (RATE // 2)) / 2000)
    return np.tile(0.3 * noise.astype(np.float32), (2, 1))


def notes(seed: int, seconds: float = 6.0) -> np.ndarray:
    """Decaying tones with harmonics, twice a second: a plucked or struck string."""
    rng = np.random.default_rng(seed)
    t = np.arange(RATE // 2) / RATE
    found = []
    for _ in range(int(seconds * 2)):
        f = 220 * 2 ** (rng.integers(0, 13) / 12)
        found.append(sum(np.sin(2 * np.pi * f * k * t) / k**2 for k in range(1, 6)) * np.exp(-3 * t))
    return np.tile(0.2 * np.concatenate(found).astype(np.float32), (2, 1))


def test_the_spectrogram_peaks_where_the_tone_is_and_follows_the_log_law() -> None:
    t = np.arange(RATE) / RATE
    tone = np.tile(np.sin(2 * np.pi * 1000 * t).astype(np.float32), (2, 1))
    loud, soft = (embedding.spectrogram(gain * tone, RATE) for gain in (0.5, 0.05))
    assert loud.shape == (63, 96)
    # Slaney's scale: 15 mels at 1 kHz of 45.2 at 8 kHz, over 97 steps.
    assert abs(int(loud[30].argmax()) - round(15 / 45.245 * 97 - 1)) <= 1
    assert loud[30].max() - soft[30].max() == pytest.approx(2, abs=0.01)
    assert embedding.spectrogram(0 * tone, RATE).max() == 0


@with_weights
def test_the_tags_after_the_embedding_are_those_of_what_is_played() -> None:
    """A kernel transposed, a norm swapped or a table misread would leave the tags at random."""
    torch = pytest.importorskip("torch")
    weights = embedding._weights()
    assert weights["dense/kernel"].shape == (1506, 200)
    assert len(weights) == 8 * 2 + 11 * 4 + 2 * 2
    tags = {}
    for name, audio in (("drums", clicks(0)), ("notes", notes(0))):
        vectors = torch.from_numpy(embedding.embed(audio, RATE))
        logits = vectors @ weights["dense_1/kernel"] + weights["dense_1/bias"]
        tags[name] = torch.sigmoid(logits).mean(0).numpy()
    drums, piano = 5, 9  # the guitar's tag is no witness: it takes bursts of noise for strums
    assert tags["drums"][drums] > 3 * tags["notes"][drums]
    assert tags["notes"][piano] > 3 * tags["drums"][piano]


@with_weights
def test_drums_are_far_from_notes_and_near_drums() -> None:
    drums, more, others = ([make(s) for s in seeds] for make, seeds in (
        (clicks, range(3)), (clicks, range(3, 6)), (notes, range(3)),
    ))  # fmt: skip
    heard = [[embedding.embed(x, RATE) for x in side] for side in (drums, more, others)]
    assert frechet.distance(heard[0], heard[2]) > 3 * frechet.distance(heard[0], heard[1])


@with_weights
def test_vectors_for_every_whole_three_seconds_and_the_same_again() -> None:
    audio = notes(1, seconds=7)
    first = embedding.embed(audio, RATE)
    assert first.shape == (2, 200)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, embedding.embed(audio, RATE))
    assert embedding.embed(audio[:, :RATE], RATE).shape == (1, 200)
    assert np.isfinite(embedding.embed(np.zeros((2, 4 * RATE), np.float32), RATE)).all()


@with_weights
def test_it_is_in_the_tables() -> None:
    assert extras.SETS["frechet_musicnn"].embedding in extras.EMBEDDINGS


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding._weights.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert not embedding.installed()
    with pytest.raises(LiveBandModelError, match=r"pip install --no-deps musicnn==0\.1\.0"):
        embedding.embed(notes(0), RATE)


def test_another_file_under_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".data-00000-of-00001").write_bytes(bytes(100))
    for table in (bytes(60), b"", bytes(range(200)) + embedding.TABLE_MAGIC.to_bytes(8, "little")):
        (tmp_path / ".index").write_bytes(table)
        with pytest.raises(LiveBandModelError, match="not a checkpoint"):
            embedding.read_bundle(tmp_path)
