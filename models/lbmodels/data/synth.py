# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes to audio with sound fonts: one fluidsynth per font, kept alive in its process.

Each stem is rendered dry (fluidsynth's own reverb and chorus are off) as 32-bit float, with events on
fluidsynth's 64-sample blocks, so that a note sounds within 0.7 ms of its written time.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lbmodels.data.errors import DataError
from lbmodels.data.parts import Note

BLOCK_SAMPLES = 64
SAMPLE_RATE = 48000
SEARCH_DIRS = (
    Path("/usr/share/sounds/sf2"),
    Path("/usr/share/sounds/sf3"),
    Path("/usr/local/share/sounds/sf2"),
)


@dataclass(frozen=True, kw_only=True)
class FontCard:
    """What is known of a sound font: where Debian has it, under which licence, how often training draws it."""

    file: str
    package: str
    licence: str
    split: str  # "train" (also validation) or "test"
    weight: float


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
        if path.is_file():
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


def _library() -> Any:
    try:
        import fluidsynth
    except ImportError as exc:
        raise DataError(
            f"fluidsynth cannot be loaded ({exc}); install `pip install liveband[data]` "
            "and `apt-get install libfluidsynth3`"
        ) from exc
    return fluidsynth


class FontSynth:
    """A loaded sound font that renders one stem at a time; not for use by two threads at once."""

    def __init__(self, path: Path) -> None:
        """Loads the font (up to seconds for the large ones).

        Raises:
            DataError: fluidsynth is missing or cannot read the file.
        """
        self._fs = _library()
        self.path = path
        self._synth = self._fs.Synth(gain=0.6, samplerate=float(SAMPLE_RATE), channels=16)
        self._synth.setting("synth.reverb.active", 0)
        self._synth.setting("synth.chorus.active", 0)
        self._synth.setting("synth.polyphony", 256)
        self._font_id = int(self._synth.sfload(str(path)))
        if self._font_id < 0:
            raise DataError(f"{path}: not a sound font that fluidsynth can read (.sf2 or .sf3)")
        self._write = self._fs.cfunc(
            "fluid_synth_write_float", ctypes.c_int,
            ("synth", ctypes.c_void_p, 1), ("len", ctypes.c_int, 1),
            ("lout", ctypes.c_void_p, 1), ("loff", ctypes.c_int, 1), ("lincr", ctypes.c_int, 1),
            ("rout", ctypes.c_void_p, 1), ("roff", ctypes.c_int, 1), ("rincr", ctypes.c_int, 1),
        )  # fmt: skip

    def _pull(self, into: npt.NDArray[np.float32], start: int, n_samples: int) -> None:
        left = into[0].ctypes.data_as(ctypes.c_void_p)
        right = into[1].ctypes.data_as(ctypes.c_void_p)
        self._write(self._synth.synth, n_samples, left, start, 1, right, start, 1)

    def has_program(self, program: int, *, is_drum: bool) -> bool:
        """Whether the font has a sound under this General MIDI number."""
        return bool(self._synth.program_select(0, self._font_id, 128 if is_drum else 0, program) == 0)

    def render(
        self, notes: Sequence[Note], *, program: int, is_drum: bool, n_samples: int
    ) -> npt.NDArray[np.float32]:
        """Audio [2, n_samples] of one part, dry.

        The result depends on the arguments only: the synth is silenced and reset before each call.
        """
        self._synth.system_reset()
        self._fs.fluid_synth_all_sounds_off(self._synth.synth, 0)
        channel = 0
        if self._synth.program_select(channel, self._font_id, 128 if is_drum else 0, program) != 0:
            self._synth.program_select(channel, self._font_id, 128 if is_drum else 0, 0)
        blocks = -(-n_samples // BLOCK_SAMPLES)
        audio = np.zeros((2, blocks * BLOCK_SAMPLES), np.float32)
        # Ends before starts where both fall on one block, so that a repeated pitch is not cut.
        events: list[tuple[int, int, int, int]] = []
        last_on: dict[int, int] = {}
        for note in sorted(notes, key=lambda n: n.start_s):
            on = round(note.start_s * SAMPLE_RATE / BLOCK_SAMPLES)
            off = max(on + 1, round(note.end_s * SAMPLE_RATE / BLOCK_SAMPLES))
            if on >= blocks or last_on.get(note.pitch) == on:
                continue
            last_on[note.pitch] = on
            events.append((on, 1, note.pitch, note.velocity))
            events.append((off, 0, note.pitch, 0))
        position = 0
        for block, is_on, pitch, velocity in sorted(events):
            if block >= blocks:
                break
            if block > position:
                self._pull(audio, position * BLOCK_SAMPLES, (block - position) * BLOCK_SAMPLES)
                position = block
            if is_on:
                self._synth.noteon(channel, pitch, velocity)
            else:
                self._synth.noteoff(channel, pitch)
        if position < blocks:
            self._pull(audio, position * BLOCK_SAMPLES, (blocks - position) * BLOCK_SAMPLES)
        return audio[:, :n_samples]


_LOADED: dict[Path, FontSynth] = {}


def synth_for(path: Path) -> FontSynth:
    """The process's synth of a font, loaded on first use."""
    if path not in _LOADED:
        _LOADED[path] = FontSynth(path)
    return _LOADED[path]
