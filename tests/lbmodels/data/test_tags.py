# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes and tags are those of what is played."""

from __future__ import annotations

import numpy as np
import pytest

from lbmodels.contract.stems import STEMS
from lbmodels.data.classes import CLASSES, POOL_STEMS, stem_class
from lbmodels.data.parts import Note
from lbmodels.data.render import GENERATOR_VERSION, PLAYERS, RenderOptions, compact, make_song, plan_stems
from lbmodels.data.styles import STYLES
from lbmodels.data.tags import INSTRUMENTS, MOODS, articulation, song_tags


def notes(length_s: float, every_s: float, pitches: tuple[int, ...], velocity: int = 80) -> list[Note]:
    starts = [i * every_s for i in range(8) for _ in pitches]
    return [
        Note(start_s=s, end_s=s + length_s, pitch=p, velocity=velocity)
        for s, p in zip(starts, pitches * 8, strict=True)
    ]


def test_the_models_classes_come_first_and_no_sound_is_in_two() -> None:
    """The first places are those of the models' own stems: another order would train a bass on drums."""
    assert POOL_STEMS[: len(STEMS)] == STEMS
    for kind in ("parts", "programs"):
        listed = [one for entry in CLASSES.values() for one in getattr(entry, kind)]
        assert len(listed) == len(set(listed))
    assert {part for entry in CLASSES.values() for part in entry.parts} <= set(PLAYERS)
    assert stem_class("piano", 16) == "piano"
    assert stem_class("pad", 16) == "organ"
    assert stem_class("lead", 40) == "strings"
    assert stem_class("arpeggio", 11) is None


def test_every_style_has_a_mood_and_every_program_a_name() -> None:
    assert set(MOODS) == {style.name for style in STYLES}
    assert len(INSTRUMENTS) == 128


@pytest.mark.parametrize(
    ("played", "words"),
    [
        (notes(0.1, 0.5, (60,)), {"single notes", "staccato"}),
        (notes(0.49, 0.5, (60, 64, 67)), {"chords", "legato"}),
        (notes(3.0, 3.0, (60, 67), velocity=40), {"soft", "double stops", "legato", "held"}),
        (notes(0.3, 0.5, (60,), velocity=110), {"loud", "single notes"}),
    ],
)
def test_articulation_is_read_from_the_notes(played: list[Note], words: set[str]) -> None:
    assert set(articulation(played, is_drum=False)) == words
    assert set(articulation(played, is_drum=True)) == words & {"soft", "loud"}


def test_tags_are_the_songs_own(tmp_path) -> None:
    song, parts = make_song(RenderOptions(out=tmp_path, split="train", seed=5, min_s=6.0, max_s=8.0), 3)
    plans = plan_stems(song, parts, ["FluidR3_GM.sf2"], np.random.default_rng(0))
    found = compact(song, plans, 3)
    assert found.generator_version == GENERATOR_VERSION
    assert found.tags["song"] == song_tags(song)
    assert found.tags["song"]["style"] == song.style.name
    assert found.tags["song"]["mood"] == list(MOODS[song.style.name])
    assert [take["part"] for take in found.tags["takes"]] == [plan.part for plan in plans]
    assert [take["notes"] for take in found.tags["takes"]] == [len(plan.notes) for plan in plans]
