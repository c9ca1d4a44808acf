# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of a song and of each stem in it, in words and numbers: what a model may be told, read from notes and plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lbmodels.data.classes import stem_class
from lbmodels.data.compact import StemPlan
from lbmodels.data.harmony import key_name
from lbmodels.data.parts import Note
from lbmodels.data.song import Song
from lbmodels.data.style import Style

# fmt: off
INSTRUMENTS = (
    "grand piano", "bright piano", "electric grand", "honky tonk piano", "electric piano", "chorused electric piano",
    "harpsichord", "clavinet", "celesta", "glockenspiel", "music box", "vibraphone", "marimba", "xylophone", "tubular bells",
    "dulcimer", "drawbar organ", "percussive organ", "rock organ", "church organ", "reed organ", "accordion", "harmonica",
    "tango accordion", "nylon guitar", "steel guitar", "jazz guitar", "clean guitar", "muted guitar", "overdriven guitar",
    "distorted guitar", "guitar harmonics", "upright bass", "fingered bass", "picked bass", "fretless bass", "slap bass",
    "slap bass", "synth bass", "synth bass", "violin", "viola", "cello", "double bass", "tremolo strings", "pizzicato strings",
    "harp", "timpani", "string ensemble", "slow strings", "synth strings", "synth strings", "choir aahs", "voice oohs",
    "synth voice", "orchestra hit", "trumpet", "trombone", "tuba", "muted trumpet", "french horn", "brass section",
    "synth brass", "synth brass", "soprano saxophone", "alto saxophone", "tenor saxophone", "baritone saxophone", "oboe",
    "english horn", "bassoon", "clarinet", "piccolo", "flute", "recorder", "pan flute", "blown bottle", "shakuhachi", "whistle",
    "ocarina", "square lead", "saw lead", "calliope lead", "chiff lead", "charang lead", "voice lead", "fifths lead",
    "bass and lead", "new age pad", "warm pad", "polysynth pad", "choir pad", "bowed pad", "metallic pad", "halo pad",
    "sweep pad", "rain effect", "soundtrack effect", "crystal effect", "atmosphere effect", "brightness effect",
    "goblins effect", "echoes effect", "sci-fi effect", "sitar", "banjo", "shamisen", "koto", "kalimba", "bagpipe", "fiddle",
    "shanai", "tinkle bell", "agogo", "steel drums", "woodblock", "taiko drum", "melodic tom", "synth drum", "reverse cymbal",
    "fret noise", "breath noise", "seashore", "bird tweet", "telephone ring", "helicopter", "applause", "gunshot",
)
"""Names of General MIDI's programs, in our words where its own are trade names."""
KITS = {0: "standard kit", 8: "room kit", 16: "power kit", 24: "electronic kit", 25: "electronic kit", 32: "jazz kit", 40: "brushes"}

MOODS: dict[str, tuple[str, ...]] = {
    "pop": ("catchy", "bright"), "rock": ("driving", "raw"), "ballad": ("tender", "calm"), "bossa": ("gentle", "warm"),
    "swing": ("playful", "relaxed"), "funk": ("groovy", "tight"), "reggae": ("laid back", "sunny"), "waltz": ("graceful", "nostalgic"),
    "disco": ("glittering", "danceable"), "house": ("hypnotic", "danceable"), "latin": ("lively", "festive"),
    "country": ("easy-going", "homely"), "hip-hop": ("laid back", "heavy"), "soul": ("warm", "heartfelt"),
    "shuffle": ("swaggering", "earthy"), "twelve-eight": ("yearning", "slow burning"), "six-eight": ("swaying", "tender"),
    "metal": ("aggressive", "dark"), "punk": ("rebellious", "raw"), "indie": ("wistful", "jangling"), "gospel": ("uplifting", "heartfelt"),
    "ska": ("bouncing", "cheerful"), "afrobeat": ("hypnotic", "groovy"), "samba": ("festive", "lively"),
    "drum and bass": ("frantic", "urban"), "trap": ("dark", "menacing"), "techno": ("hypnotic", "mechanical"),
    "synth-pop": ("nostalgic", "glittering"), "folk": ("intimate", "homely"), "singer": ("intimate", "wistful"),
    "polka": ("cheerful", "bouncing"), "tango": ("passionate", "dramatic"), "bluegrass": ("lively", "rustic"),
    "motown": ("upbeat", "heartfelt"), "jazz waltz": ("graceful", "airy"), "jazz ballad": ("intimate", "smoky"),
    "five-four": ("restless", "cool"), "seven-four": ("restless", "angular"), "ambient": ("floating", "calm"),
}
"""Words for the mood that a style usually has; of a take nobody has listened to."""
# fmt: on

_TOGETHER_S = 0.03  # a strummed chord is one event
_STACCATO, _LEGATO = 0.45, 0.9
_HELD_S = 1.2
_SOFT, _LOUD = 60.0, 92.0


def time_signature(style: Style) -> str:
    """Metre as it is written: beats divided in three make eighths."""
    if style.steps_per_beat == 3:
        return f"{3 * style.beats_per_bar}/8"
    return f"{style.beats_per_bar}/4"


def song_tags(song: Song) -> dict[str, Any]:
    """Style, mood words, tempo, metre, key and so on of a whole song."""
    swung = song.style.swing[1] > 0.54 or song.style.steps_per_beat == 3
    return {
        "style": song.style.name,
        "mood": list(MOODS[song.style.name]),
        "tempo_bpm": round(float(song.tempo_bpm), 2),
        "tempo_kind": song.tempo_plan.kind,
        "metre": time_signature(song.style),
        "key": key_name(song.key),
        "feel": "swung" if swung else "straight",
        "source": song.source,
    }


def take_tags(stem: StemPlan) -> dict[str, Any]:
    """Class, instrument and manner of one stem."""
    kit = KITS.get(stem.program, "kit") if stem.part == "drums" else "hand percussion"
    return {
        "class": stem_class(stem.part, stem.program) or "other",
        "part": stem.part,
        "instrument": kit if stem.is_drum else INSTRUMENTS[stem.program],
        "program": stem.program,
        "font": stem.font,
        "articulation": articulation(stem.notes, is_drum=stem.is_drum),
        "notes": len(stem.notes),
    }


def articulation(notes: Sequence[Note], *, is_drum: bool) -> list[str]:
    """How notes are played: loudness; of pitched parts also their length against the time to the next, and one or many at once.

    soft or loud by mean velocity; staccato, legato or held by the median of length / time to the next event; single notes or chords by
    the median number that begin together. What lies between has no word.
    """
    if not notes:
        return []
    level = float(np.mean([n.velocity for n in notes]))
    words = ["soft"] if level < _SOFT else ["loud"] if level > _LOUD else []
    if is_drum:
        return words
    ordered = sorted(notes, key=lambda n: n.start_s)
    starts, sizes, lengths = [ordered[0].start_s], [0], [0.0]
    for note in ordered:
        if note.start_s - starts[-1] > _TOGETHER_S:
            starts.append(note.start_s)
            sizes.append(0)
            lengths.append(0.0)
        sizes[-1] += 1
        lengths[-1] = max(lengths[-1], note.end_s - note.start_s)
    words.append(
        "chords" if np.median(sizes) >= 3 else "single notes" if np.median(sizes) <= 1 else "double stops"
    )
    if len(starts) > 1:
        share = float(np.median(np.array(lengths[:-1]) / np.diff(starts)))
        words += ["staccato"] if share < _STACCATO else ["legato"] if share > _LEGATO else []
    return [*words, "held"] if float(np.median(lengths)) > _HELD_S else words
