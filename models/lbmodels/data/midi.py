# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes to Standard MIDI Files whose tempo map follows the song's beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np

from lbmodels.data.parts import Note
from lbmodels.data.song import Song

TICKS_PER_BEAT = 960


@dataclass(frozen=True, kw_only=True)
class Part:
    """One stem's notes with its General MIDI sound."""

    name: str
    program: int
    is_drum: bool
    notes: Sequence[Note]


def _grid(song: Song) -> tuple[np.ndarray, np.ndarray]:
    """Tick and second of every beat, from tick 0 at 0 s; the time before the first beat counts as a beat of its own."""
    times = song.beats_s
    if times[0] > 1e-6:
        times = np.concatenate([[0.0], times])
    return np.arange(len(times)) * TICKS_PER_BEAT, times


def _conductor(song: Song) -> mido.MidiTrack:
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=song.title, time=0))
    ticks, times = _grid(song)
    previous_tick, previous_tempo = 0, -1
    for tick, seconds in zip(ticks[:-1], np.diff(times), strict=True):
        tempo = int(np.clip(round(seconds * 1e6), 1, 2**24 - 1))
        if tempo != previous_tempo:
            track.append(mido.MetaMessage("set_tempo", tempo=tempo, time=int(tick) - previous_tick))
            previous_tick, previous_tempo = int(tick), tempo
    return track


def _part_track(song: Song, part: Part, channel: int) -> mido.MidiTrack:
    ticks, times = _grid(song)
    # Continue the grid past the last beat at its last tempo, for ringing notes.
    ticks = np.append(ticks, ticks[-1] + 16 * TICKS_PER_BEAT)
    times = np.append(times, times[-1] + 16 * (times[-1] - times[-2]))
    events: list[tuple[int, int, int, int]] = []
    for note in part.notes:
        start = round(float(np.interp(note.start_s, times, ticks)))
        end = max(start + 1, round(float(np.interp(note.end_s, times, ticks))))
        events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=part.name, time=0))
    track.append(mido.Message("program_change", channel=channel, program=part.program, time=0))
    previous = 0
    for tick, is_on, pitch, velocity in sorted(events):
        kind = "note_on" if is_on else "note_off"
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - previous))
        previous = tick
    return track


def write_midi(path: Path, song: Song, parts: Sequence[Part]) -> None:
    """Writes the parts as one format-1 file; drums go to channel 10."""
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    file.tracks.append(_conductor(song))
    melodic = (c for c in range(16) if c != 9)
    for part in parts:
        file.tracks.append(_part_track(song, part, 9 if part.is_drum else next(melodic)))
    file.save(str(path))
