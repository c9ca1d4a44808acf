# SPDX-License-Identifier: GPL-3.0-or-later
"""The style space: what words mean, what is heard, how prompts mix and glide."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.style import prompts, sound, space
from lbmodels.style.retrieval import held_out, trials
from lbmodels.style.vocabulary import CONCEPTS, GROUPS, WORDS, read
from lbmodels.weights.modules import save_weights


def test_words_mean_the_same_in_any_order_language_and_number() -> None:
    """A prompt is what it says, not how it is spelt."""
    wanted = {"upright bass", "swing", "sparse"}
    for text in ("upright bass, jazz, sparse", "SPARSE jazz with an upright bass!", "Kontrabass; jazz; sparsam",
                 "contrebasse et jazz, clairsemé", "contrabajo, jazz, escaso"):  # fmt: skip
        reading = read(text)
        assert set(reading.concepts) == wanted, text
        assert reading.unknown == ()
    assert read("Trompeten").concepts == read("trumpets").concepts == () or read("trumpets").concepts == (
        "trumpet",
    )


def test_longest_words_win_and_unknown_ones_are_told() -> None:
    """ "fretless bass" is no bass beside an unknown word; "theremin" is not guessed to be something else."""
    assert read("fretless bass").concepts == ("fretless bass",)
    assert read("synth bass pad").concepts == ("synth bass", "synth pad")
    assert read("theremin and bass, wobbly") == read("bass theremin wobbly")
    assert read("theremin and bass, wobbly").unknown == ("theremin", "wobbly")
    assert read("") == read("the and, with")
    assert len(read("x" * 10_000).unknown) == 1


def test_every_word_has_one_meaning() -> None:
    """A word listed twice would quietly mean the first."""
    assert len(CONCEPTS) == len(set(CONCEPTS))
    assert all(WORDS[word] in CONCEPTS for word in WORDS)
    meanings: dict[str, str] = {}
    for group in GROUPS.values():
        for concept, words in group.items():
            for word in (w for w in words.split("|") if w):
                assert meanings.setdefault(word, concept) == concept, word


@pytest.fixture
def small() -> space.StyleSpace:
    torch.manual_seed(4)
    return (
        space.StyleSpace(space.StyleConfig(width=8, latent=6, levels=2, codes=4)).eval().requires_grad_(False)
    )


def test_what_cannot_be_said_or_heard_is_refused(small: space.StyleSpace) -> None:
    """A prompt that silently became another would be worse than none."""
    with pytest.raises(LiveBandModelError, match="unknown: theremin"):
        space.of_text(small, "theremin, bass")
    with pytest.raises(LiveBandModelError, match="says nothing"):
        space.of_text(small, "and the")
    for audio in (np.zeros(0), np.zeros(48_000), np.full(100, np.nan)):
        with pytest.raises(LiveBandModelError, match="audio prompt"):
            space.of_sound(small, audio, 48_000)


def test_what_is_heard_does_not_hang_on_level_rate_or_channels(small: space.StyleSpace) -> None:
    """A quiet recording of the same take is the same style."""
    rng = np.random.default_rng(0)
    audio = np.convolve(rng.standard_normal(96_000), np.ones(8) / 8)[:96_000].astype(np.float32)
    loud = space.of_sound(small, audio, 48_000)
    assert torch.allclose(space.of_sound(small, 0.01 * audio, 48_000), loud, atol=1e-4)
    stereo = np.stack([audio, audio], 1)
    assert torch.allclose(space.of_sound(small, stereo, 48_000), loud, atol=1e-5)
    assert float(loud.norm()) == pytest.approx(1, abs=1e-5)


def test_excerpts_cover_a_recording() -> None:
    power = np.arange(600, dtype=np.float32)[:, None].repeat(sound.BANDS, 1)
    cut = sound.excerpts(power)
    assert [int(one[0, 0]) for one in cut] == [0, 256, 344]
    assert sound.excerpts(power[:100]).shape == (1, sound.FRAMES, sound.BANDS)


def test_busy_and_bright_are_measured() -> None:
    """Sixteen clicks in four seconds are busier than four; a high tone is brighter than a low one."""
    time = np.arange(4 * 48_000) / 48_000
    clicks = [np.zeros_like(time) for _ in range(2)]
    for audio, count in zip(clicks, (4, 16), strict=True):
        for start in np.arange(count) * (4 * 48_000 // count) + 5000:
            audio[start : start + 400] = np.random.default_rng(1).standard_normal(400)
    few, many = (sound.onsets_per_s(sound.bands(audio, 48_000)) for audio in clicks)
    assert many > 2 * few
    low, high = (sound.centroid_band(sound.bands(np.sin(6.28 * hz * time), 48_000)) for hz in (200, 5000))
    assert high > low + 10


def test_weights_keep_the_words_they_were_trained_with(small: space.StyleSpace, tmp_path: Path) -> None:
    path = save_weights(
        tmp_path / "style.safetensors", small, kind=space.KIND, config=small.config, half=True
    )
    loaded = space.load(path)
    assert loaded.config == small.config
    a, b = (space.of_text(one, "upright bass, swing") for one in (small, loaded))
    assert torch.allclose(a, b, atol=1e-2)
    assert space.tokens(loaded, a).shape == (2,)
    assert space.tokens(loaded, torch.stack([a, b]), 1).shape == (2, 1)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LiveBandModelError, match="truncated"):
        space.load(path)


def test_a_line_of_prompts_is_read_without_torch_and_a_sound_is_a_word(
    small: space.StyleSpace, tmp_path: Path
) -> None:
    """What a front end types is what a model was trained with; a recording that travels as text is still that recording."""
    save_weights(tmp_path / "style.safetensors", small, kind=space.KIND, config=small.config, half=True)
    known, loaded = prompts.load(tmp_path / "style.safetensors"), space.load(tmp_path / "style.safetensors")
    bass, swing = (space.of_text(loaded, text).numpy() for text in ("upright bass", "swing"))
    line = prompts.vector("upright bass *3|swing", known)
    np.testing.assert_allclose(line, prompts.unit(3 * bass + swing), atol=1e-6)
    audio = np.random.default_rng(1).standard_normal((30_000, 2))
    heard = known.hear(audio, 44_100)
    np.testing.assert_allclose(heard, space.of_sound(loaded, audio, 44_100).numpy(), atol=1e-5)
    assert prompts.vector(prompts.as_word(heard), known) @ heard > 0.999
    for wrong in ("bass | ", "bass *-1", "bass *", "sound:", "sound:@@@@", "|".join(["bass"] * 7), "bass *0"):
        with pytest.raises(LiveBandModelError, match="style"):
            prompts.vector(wrong, known)


def test_a_long_line_is_read_in_one_go() -> None:
    """Blanks behind a star kept a server busy for minutes: what a line takes may not grow with its square."""
    assert prompts.prompts("bass *" + " " * 200_000 + "2 | swing") == [("bass", 2.0), ("swing", 1.0)]
    for line in ("bass *" + " " * 200_000 + "2 x", "*" * 200_000):
        with pytest.raises(LiveBandModelError, match="a weight is a number"):
            prompts.prompts(line)


def test_prompts_mix_by_weight() -> None:
    a, b = np.eye(3, dtype=np.float32)[:2]
    assert np.allclose(prompts.mix([a, b], [1, 0]), a)
    assert np.allclose(prompts.mix([a, b], [2, 2]), prompts.unit(a + b))
    for vectors, weights in (([], []), ([a] * 7, [1] * 7), ([a, b], [1]), ([a], [-1]), ([a], [0]), ([a], [float("nan")]),
                             ([a, -a], [1, 1])):  # fmt: skip
        with pytest.raises(LiveBandModelError, match="style"):
            prompts.mix(vectors, weights)


def test_retrieval_finds_what_is_there_and_chance_where_nothing_is() -> None:
    """A rival that the phrase is true of too must not count as an error, and noise must score 1 in 32."""
    rng = np.random.default_rng(2)
    names = tuple(f"c{n}" for n in range(24))
    true = rng.random((120, 24)) < 0.2
    true[:, 0] = True
    songs = np.arange(120) // 4

    def say(phrases: np.ndarray) -> np.ndarray:
        return phrases / np.sqrt(phrases.sum(1, keepdims=True))

    perfect = true / np.sqrt(true.sum(1, keepdims=True))
    right = trials(perfect.astype(np.float32), true, songs, names, say, size=None, held=False)
    assert right[1].rate()[0] > 0.95
    noise = rng.standard_normal((120, 24)).astype(np.float32)
    chance = trials(noise, true, songs, names, say, size=3, held=False)
    rate, low, high = chance[0].rate()
    assert low <= rate <= high
    assert rate < 0.15
    parts = [held_out(rng.random(24) < 0.2, names) for _ in range(400)]
    assert 0.1 < np.mean(parts) < 0.3
    nothing = trials(noise[:3], true[:3], songs[:3], names, say, size=3, held=False)
    assert np.isnan(nothing[0].rate()[0])


@pytest.mark.weights
def test_shipped_weights_know_a_bass_from_a_hi_hat() -> None:
    """Weights that were saved half, or with the words in another order, would say nonsense without an error."""
    shipped = space.load(space.shipped())
    time = np.arange(10 * 48_000) / 48_000
    beat = (time % 0.5 < 0.4).astype(np.float32) * np.exp(-4 * (time % 0.5))
    low = sum(np.sin(2 * np.pi * 55 * n * time) / n**2 for n in range(1, 8)) * beat
    hiss = np.random.default_rng(0).standard_normal(len(time)) * np.exp(-40 * (time % 0.25))
    bass, drums = (space.of_sound(shipped, audio, 48_000) for audio in (low, hiss))
    said_bass, said_drums = space.of_text(shipped, "Kontrabass"), space.of_text(shipped, "Schlagzeug")
    assert float(bass @ said_bass) > float(bass @ said_drums)
    assert float(drums @ said_drums) > float(drums @ said_bass)
    with pytest.raises(LiveBandModelError, match="unknown: theremin"):
        space.of_text(shipped, "theremin")
