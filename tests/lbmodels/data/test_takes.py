# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a band does with a song, the truth stays true: beats under the notes, chords, keys, bars, melody."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from lbmodels.data.arrangement import arrange, count_in, modulation, odd_bar, pick_up, renumbered, silence
from lbmodels.data.generate import generate_song
from lbmodels.data.harmony import scale, transpose
from lbmodels.data.parts import drums
from lbmodels.data.performance import MOST_OFFSET_S, Take, draw_take
from lbmodels.data.render import PLAYERS, RenderOptions, make_song
from lbmodels.data.song import Bar, MelodyNote, Song, bars_of_form, choose_parts
from lbmodels.data.styles import STYLES
from lbmodels.data.tempo import KINDS, TempoPlan, beat_times, draw_plan, draw_tempo

STYLE = {style.name: style for style in STYLES}


def songs(count: int, seed: int = 11) -> list[tuple[Song, tuple[str, ...]]]:
    options = RenderOptions(out=Path("unused"), split="train", seed=seed, min_s=30.0, max_s=40.0)
    return [make_song(options, i) for i in range(count)]


def bars_and_parts(style: str = "pop", seed: int = 0) -> tuple[list[Bar], tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    parts = ("drums", "bass", "piano", "guitar", "lead")
    return list(bars_of_form(STYLE[style], 0, 120.0, 40.0, parts, rng)), parts


def test_drums_lie_on_the_stated_beats_through_every_kind_of_tempo() -> None:
    """In straight styles each stroke is within the humanisation of a division of the beats that the truth states."""
    spreads, kinds = [], set()
    for song, parts in songs(80):
        if "drums" not in parts or song.style.swing != (0.5, 0.5) or song.take.swing != 0.5:
            continue
        beats = np.array([seconds for seconds, _ in song.beat_rows()] + [song.beats_s[-1]])
        grid = np.interp(np.arange((len(beats) - 1) * 12) / 12, np.arange(len(beats)), beats)
        strokes = np.array([n.start_s for n in drums(song, np.random.default_rng(3))])
        distance = np.abs(grid[None, :] - strokes[:, None]).min(axis=1)
        assert distance.max() <= MOST_OFFSET_S + 1e-9
        if song.take.looseness == 0.0:
            assert distance.max() < 1e-6
        # ... and on the beats themselves there is more to hear than between them.
        on_beat = np.abs(beats[None, :] - strokes[:, None]).min(axis=1) <= MOST_OFFSET_S
        assert on_beat.mean() > 0.2
        lengths = np.diff(beats)
        spreads.append(float(lengths.std() / lengths.mean()))
        kinds.add(song.tempo_plan.kind)
    assert len(spreads) > 15
    assert kinds >= {"click", "steady", "loose"}
    assert max(spreads) > 0.02
    assert min(spreads) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_tempo_stays_playable_and_beats_rise(kind: str) -> None:
    rng = np.random.default_rng(5)
    plans = [plan for plan in (draw_plan(rng) for _ in range(400)) if plan.kind == kind][:20]
    assert plans
    for plan in plans:
        times = beat_times(120, 100.0, plan, rng, start_s=0.5, section_beats=(0, 32, 64))
        tempo = 60.0 / np.diff(times)
        assert times[0] == 0.5
        assert len(times) == 121
        assert tempo.min() >= 50.0 - 1e-6
        assert tempo.max() <= 200.0 + 1e-6
        if kind == "click":
            np.testing.assert_allclose(tempo, 100.0)
        else:
            assert tempo.std() > 0.05
    assert all(60 <= draw_tempo(70, 180, rng) <= 190 for _ in range(200))


def test_drift_is_slow_not_white() -> None:
    times = beat_times(
        4000,
        120.0,
        TempoPlan(kind="steady", drift=0.01, memory_beats=16),
        np.random.default_rng(0),
        start_s=0.0,
    )
    log_tempo = -np.log(np.diff(times))
    log_tempo -= log_tempo.mean()
    assert log_tempo.std() == pytest.approx(0.01, rel=0.3)
    assert np.mean(log_tempo[1:] * log_tempo[:-1]) / log_tempo.var() == pytest.approx(
        np.exp(-1 / 16), abs=0.03
    )


def test_players_of_a_take_share_a_pocket_and_remember_it() -> None:
    """The offsets of two players correlate with each other, and each with its own a beat later; sequenced takes have none."""
    from lbmodels.data.performance import Feel

    def offsets(take: Take, seed: int) -> np.ndarray:
        feel = Feel(take, 2000, np.random.default_rng(seed), jitter_ms=4.0, lag_ms=0.0)
        return np.array([feel.offset_s(beat) for beat in range(2000)])

    first, second = offsets(Take(seed=1), 2), offsets(Take(seed=1), 3)
    stranger = offsets(Take(seed=9), 3)
    assert np.corrcoef(first, second)[0, 1] > 0.2
    assert abs(np.corrcoef(first, stranger)[0, 1]) < 0.12
    assert np.corrcoef(first[1:], first[:-1])[0, 1] > 0.25
    assert np.abs(offsets(Take(seed=1, looseness=0.0), 2)).max() == 0.0
    assert {draw_take(np.random.default_rng(i), (0.5, 0.5)).looseness == 0.0 for i in range(40)} == {
        True,
        False,
    }


def test_bars_cover_the_beats_and_metres_vary() -> None:
    metres = set()
    for song, _ in songs(400):
        metres.add((song.style.beats_per_bar, song.style.steps_per_beat))
        assert [b.start_beat for b in song.bars] == [
            0,
            *np.cumsum([b.beats for b in song.bars])[:-1].tolist(),
        ]
        assert len(song.beats_s) == sum(b.beats for b in song.bars) + 1
        assert np.all(np.diff(song.beats_s) > 0)
        rows = song.chord_rows()
        assert rows[0][0] == 0.0
        assert rows[-1][1] == pytest.approx(song.duration_s)
        assert all(a[1] == pytest.approx(b[0]) for a, b in itertools.pairwise(rows))
    assert metres >= {(4, 4), (3, 4), (2, 3), (4, 3), (5, 4), (2, 4)}


def test_bars_in_which_nobody_plays_are_silent_and_stops_end_after_a_beat() -> None:
    seen = 0
    for song, parts in songs(60):
        for part in parts:
            for note in PLAYERS[part](song, np.random.default_rng(1)):
                beat = (
                    song.beat_at(note.start_s - MOST_OFFSET_S)
                    if part != "lead"
                    else song.beat_at(note.start_s)
                )
                bar = next(b for b in reversed(song.bars) if b.start_beat <= beat + 0.75)
                close = [
                    b
                    for b in song.bars
                    if b.start_beat - 1 <= beat <= b.start_beat + b.beats + 1 and part in b.playing
                ]
                assert close, (song.title, part, bar.section)
        seen += sum(not b.playing for b in song.bars)
    assert seen > 5


def test_a_key_change_moves_chords_keys_and_melody_together() -> None:
    bars, parts = bars_and_parts()
    moved = modulation(list(bars), parts, np.random.default_rng(2))
    shifts = [b.key_shift for b in moved]
    assert shifts[0] == 0
    assert len(set(shifts)) == 2
    for old, new in zip(bars, moved, strict=True):
        assert [c for _, c in new.chords] == [
            transpose(c, new.key_shift - old.key_shift) for _, c in old.chords
        ]
    for seed in range(60):
        song, _ = generate_song("t", seed, np.random.default_rng(seed), target_s=(40.0, 50.0))
        rows = song.key_rows()
        if len(rows) < 2 or song.style.colour > 0.3:
            continue
        for bar in song.bars:
            start = float(song.beats_s[bar.start_beat])
            stated = [key for at, key in rows if at <= start + 1e-9][-1]
            assert stated == song.key_of(bar)
            roots = [c.root for _, c in bar.chords if c.root >= 0]
            assert all(isinstance(r, int) for r in roots)
        tones = [t for b in song.bars for _, c in b.chords for t in c.tones if t in scale(song.key_of(b))]
        total = [t for b in song.bars for _, c in b.chords for t in c.tones]
        assert len(tones) / len(total) > 0.75


def test_a_melody_keeps_its_place_in_its_bars() -> None:
    bars, parts = bars_and_parts()
    melody = [
        MelodyNote(start_beat=b.start_beat + 0.5, beats=1.0, pitch=60 + i % 12) for i, b in enumerate(bars)
    ]
    for seed in range(30):
        arranged, moved = arrange(bars, melody, parts, np.random.default_rng(seed))
        extra = len(arranged) - len(bars)
        for note, old, bar in zip(moved, bars, arranged[extra:], strict=True):
            assert note.start_beat == bar.start_beat + 0.5
            assert note.pitch - (60 + bars.index(old) % 12) == bar.key_shift - old.key_shift


def test_pick_ups_count_to_the_bar_line_and_odd_bars_are_short() -> None:
    bars, parts = bars_and_parts()
    rng = np.random.default_rng(1)
    opened = renumbered(pick_up(bars, parts, rng))
    assert opened[0].first_beat + opened[0].beats - 1 == opened[1].beats
    assert renumbered(count_in(bars, parts, rng))[0].playing == {"drums"}
    short = renumbered(odd_bar(list(bars), parts, rng))
    assert sorted({b.beats for b in short}) == [2, 4]
    assert any(not b.playing for b in silence(list(bars), parts, rng))


def test_bands_differ_in_size_and_some_styles_have_no_drums() -> None:
    rng = np.random.default_rng(0)
    folk = [choose_parts(rng, STYLE["folk"]) for _ in range(200)]
    pop = [choose_parts(rng, STYLE["pop"]) for _ in range(200)]
    assert np.mean(["drums" in p for p in folk]) < 0.5 < np.mean(["drums" in p for p in pop])
    assert {len(p) for p in pop} >= {2, 3, 4, 5, 6}
