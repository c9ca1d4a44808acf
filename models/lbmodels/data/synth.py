# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes to audio with sound fonts, through fluidsynth.

Each stem is rendered dry (fluidsynth's own reverb and chorus are off) as 32-bit float, with events on
fluidsynth's 64-sample blocks, so that a note sounds within 0.7 ms of its written time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError
from lbmodels.data.kits import play_kit, read_kit
from lbmodels.data.parts import Note

BLOCK_SAMPLES = 64
SAMPLE_RATE = 48000
SEARCH_DIRS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/local/share/sounds/sf2"),
    Path("/usr/share/hydrogen/data/drumkits"),
)


@dataclass(frozen=True, kw_only=True)
class FontCard:
    """What is known of a sound font: where Debian has it, under which licence, how often training draws it.

    A font of drums alone has no melodic sounds: `drum_bank` is its bank, `drum_keys` what it has elsewhere than General
    MIDI has it. A folder of Hydrogen's is a drum kit.
    """

    file: str
    package: str
    licence: str
    split: str  # "train" (also validation) or "test"
    weight: float
    drums_only: bool = False
    drum_bank: int = 128
    drum_keys: tuple[tuple[int, int], ...] = ()


# The AVL kits have their toms and hands elsewhere; hand percussion that they lack is left to their tambourine and bell.
_AVL_KEYS = (
    (35, 36), (50, 47), (47, 45), (45, 45), (43, 43), (46, 46), (57, 49), (56, 56), (70, 54), (63, 43), (62, 41), (64, 45),
    (60, 47), (61, 41), (75, 37), (80, 53), (81, 53), (69, 54), (82, 54),
)  # fmt: skip


def _kit(file: str, licence: str, weight: float) -> FontCard:
    return FontCard(
        file=file, package="hydrogen-drumkits", licence=licence, split="train", weight=weight, drums_only=True
    )


FONTS: tuple[FontCard, ...] = (
    FontCard(file="FluidR3_GM.sf2", package="fluid-soundfont-gm", licence="MIT", split="train", weight=0.38),
    FontCard(
        file="MuseScore_General_Full.sf2", package="musescore-general-soundfont-lossless", licence="MIT",
        split="train", weight=0.38,
    ),
    FontCard(file="sf_GMbank.sf2", package="csound-soundfont", licence="LGPL-2.1+", split="train", weight=0.14),
    FontCard(
        file="FluidR3Mono_GM.sf3", package="fluidr3mono-gm-soundfont", licence="MIT", split="train", weight=0.10
    ),
    FontCard(
        file="OPL-3_FM_128M.sf2", package="opl3-soundfont", licence="CC-BY-SA-4.0", split="train", weight=0.05
    ),
    *(
        FontCard(
            file=file, package="avldrums.lv2-soundfont", licence="GPL-2+", split="train", weight=0.12, drums_only=True,
            drum_bank=0, drum_keys=_AVL_KEYS,
        )
        for file in ("Black_Pearl_4_LV2.sf2", "Red_Zeppelin_4_LV2.sf2")
    ),
    _kit("BJA_Pacific", "CC-BY-SA-3.0-US", 0.07),
    _kit("ColomboAcousticDrumkit", "GPL-2+ with composition exception", 0.07),
    _kit("ElectricEmpireKit", "GPL-2+", 0.06),
    _kit("ForzeeStereo", "GPL-2", 0.09),
    _kit("HardElectro1", "GPL-2+", 0.05),
    _kit("Millo_MultiLayered2", "GPL-2", 0.05),
    _kit("Millo_MultiLayered3", "GPL-2", 0.05),
    _kit("VariBreaks", "GPL-2+", 0.04),
    FontCard(file="TimGM6mb.sf2", package="timgm6mb-soundfont", licence="GPL-2", split="test", weight=1.0),
)  # fmt: skip


def cards_for(split: str) -> tuple[FontCard, ...]:
    """Fonts a split may use: training and validation share theirs, the test split has its own."""
    wanted = "test" if split == "test" else "train"
    return tuple(card for card in FONTS if card.split == wanted)


def find_font(card: FontCard, extra_dirs: Sequence[Path] = ()) -> Path:
    """Path of a font file.

    Raises:
        DataError: the font is in none of the folders; the message names the Debian package.
    """
    for folder in (*extra_dirs, *SEARCH_DIRS):
        path = folder / card.file
        if path.is_file() or (path / "drumkit.xml").is_file():
            return path
    raise DataError(
        f"sound font {card.file} not found; install it with `apt-get install {card.package}` "
        "or name its folder with --soundfont-dir"
    )


def available_fonts(split: str, extra_dirs: Sequence[Path] = ()) -> dict[str, Path]:
    """Fonts of a split that are installed, by file name.

    Raises:
        DataError: none is; the message names the first one's Debian package.
    """
    cards = cards_for(split)
    found: dict[str, Path] = {}
    for card in cards:
        try:
            found[card.file] = find_font(card, extra_dirs)
        except DataError:
            continue
    if not found:
        find_font(cards[0], extra_dirs)
    return found


def fonts_for(files: Sequence[str], *, is_drum: bool) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Of the named fonts those that can play a part, with their shares (which sum to 1)."""
    cards = {card.file: card for card in FONTS}
    able = [f for f in files if is_drum or not cards[f].drums_only]
    weights = np.array([cards[f].weight for f in able])
    return able, weights / weights.sum()


def _library() -> Any:
    try:
        import fluidsynth
    except ImportError as exc:
        raise DataError(
            f"fluidsynth cannot be loaded ({exc}); install `pip install liveband[data]` "
            "and `apt-get install libfluidsynth3`"
        ) from exc
    return fluidsynth


def _events(notes: Sequence[Note], blocks: int) -> list[tuple[int, int, int, int]]:
    """(block, is start, pitch, velocity), sorted; ends come before starts on one block, so a repeated pitch is not cut."""
    events: list[tuple[int, int, int, int]] = []
    last_on: dict[int, int] = {}
    for note in sorted(notes, key=lambda n: n.start_s):
        on = round(note.start_s * SAMPLE_RATE / BLOCK_SAMPLES)
        off = max(on + 1, round(note.end_s * SAMPLE_RATE / BLOCK_SAMPLES))
        if on >= blocks or last_on.get(note.pitch) == on:
            continue
        last_on[note.pitch] = on
        events.append((on, 1, note.pitch, note.velocity))
        if off < blocks:
            events.append((off, 0, note.pitch, 0))
    return sorted(events)


def render_part(
    font: Path,
    notes: Sequence[Note],
    *,
    program: int,
    is_drum: bool,
    n_samples: int,
    cents: float = 0.0,
    vibrato: int = 0,
) -> npt.NDArray[np.float32]:
    """Dry audio [2, n_samples] of one part, `cents` off concert pitch (drums are not), with a vibrato of 0..127.

    Each part gets a synth of its own: fluidsynth's voices remember the level of the note they played before, so a
    used synth would not give the same samples twice. Fonts load only what a program needs, which makes this cheap.

    Raises:
        DataError: fluidsynth is missing or cannot read the font.
    """
    if font.is_dir():
        return play_kit(read_kit(font), notes, variant=program, n_samples=n_samples)
    fs = _library()
    settings = {
        "synth.dynamic-sample-loading": 1, "synth.reverb.active": 0, "synth.chorus.active": 0, "synth.polyphony": 256,
        "synth.cpu-cores": 1,
    }  # fmt: skip
    card = next((c for c in FONTS if c.file == font.name), None)
    synth = fs.Synth(gain=0.6, samplerate=float(SAMPLE_RATE), channels=16, **settings)
    try:
        font_id = int(synth.sfload(str(font)))
        if font_id < 0:
            raise DataError(f"{font}: not a sound font that fluidsynth can read (.sf2 or .sf3)")
        bank = (128 if card is None else card.drum_bank) if is_drum else 0
        if (card is not None and card.drums_only) or synth.program_select(0, font_id, bank, program) != 0:
            synth.program_select(0, font_id, bank, 0)
        if cents and not is_drum:
            synth.pitch_bend(0, round(cents * 8192 / 200))
        if vibrato and not is_drum:
            synth.cc(0, 1, vibrato)
        keys = dict(card.drum_keys) if card is not None and is_drum else {}
        written = [replace(n, pitch=keys.get(n.pitch, n.pitch)) for n in notes] if keys else notes
        return _play(fs, synth, _events(written, -(-n_samples // BLOCK_SAMPLES)), n_samples)
    finally:
        synth.delete()


def _play(
    fs: Any, synth: Any, events: Sequence[tuple[int, int, int, int]], n_samples: int
) -> npt.NDArray[np.float32]:
    write = fs.cfunc(
        "fluid_synth_write_float", ctypes.c_int,
        ("synth", ctypes.c_void_p, 1), ("len", ctypes.c_int, 1),
        ("lout", ctypes.c_void_p, 1), ("loff", ctypes.c_int, 1), ("lincr", ctypes.c_int, 1),
        ("rout", ctypes.c_void_p, 1), ("roff", ctypes.c_int, 1), ("rincr", ctypes.c_int, 1),
    )  # fmt: skip
    blocks = -(-n_samples // BLOCK_SAMPLES)
    audio = np.zeros((2, blocks * BLOCK_SAMPLES), np.float32)
    left, right = (row.ctypes.data_as(ctypes.c_void_p) for row in audio)
    position = 0
    for block, is_on, pitch, velocity in [*events, (blocks, 0, 0, 0)]:
        if block > position:
            start, length = position * BLOCK_SAMPLES, (block - position) * BLOCK_SAMPLES
            write(synth.synth, length, left, start, 1, right, start, 1)
            position = block
        if is_on:
            synth.noteon(0, pitch, velocity)
        else:
            synth.noteoff(0, pitch)
    return audio[:, :n_samples]
