# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of chords: their text in whatever encoding, their lines, and chords with times."""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from lbserver.errors import LiveBandError
from lbserver.music.notation.labels import Chord, parse_label
from lbserver.music.notation.note_names import plain

_MOST_CHARACTERS = 2**20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMENT = re.compile(r"(?<![^\s|])#.*$")


@dataclass(frozen=True, kw_only=True)
class ChordSpan:
    """One chord from `start_s` until just before `end_s`."""

    start_s: float
    end_s: float
    chord: Chord


def read_text(path: Path) -> str:
    """A file of text: UTF-8, or UTF-16 or UTF-32 by its byte order mark, or else Windows' western European.

    Raises LiveBandError when it cannot be read, is no text, or is too long for chords.
    """
    try:
        with path.open("rb") as file:
            data = file.read(4 * _MOST_CHARACTERS + 8)
    except FileNotFoundError:
        raise LiveBandError(f"no such chord file: {path}") from None
    except OSError as error:
        raise LiveBandError(f"cannot read the chord file {path}: {error.strerror}") from None
    try:
        text = _decoded(data)
    except UnicodeDecodeError:
        raise LiveBandError(
            f"cannot read the chord file {path}: it is no text in UTF-8, UTF-16 or Windows-1252"
        ) from None
    if len(text) > _MOST_CHARACTERS:
        raise LiveBandError(f"{path} is too large for chords: up to {_MOST_CHARACTERS} characters are read")
    if "\0" in text:
        raise LiveBandError(
            f"cannot read the chord file {path}: it has bytes of zero in it, which no text has"
        )
    return text


def lines_of(text: str) -> list[tuple[int, str]]:
    """Lines that say something, numbered from 1, in plain characters, without comments (from a # that no chord stands before)."""
    numbered = enumerate((_COMMENT.sub("", line) for line in plain(text).splitlines()), start=1)
    return [(number, line) for number, line in numbered if line.strip()]


def is_chart(text: str) -> bool:
    """Whether a chord file is a bar chart, and not timed lines."""
    return any("|" in line for _, line in lines_of(text))


def parse_timed(text: str) -> tuple[ChordSpan, ...]:
    """Lines `start end label` in seconds, by tabs or spaces; blank lines and comments behind # are skipped.

    A chord that begins before 0 begins at 0, one without length is left out. Raises LiveBandError naming the line when it
    is malformed, out of order or overlaps the one before.
    """
    spans: list[ChordSpan] = []
    for number, line in lines_of(text):
        fields = line.split(maxsplit=2)
        if len(fields) != 3:
            raise LiveBandError(f"line {number}: expected `start end label`, got {line.strip()[:80]!r}")
        start_s, end_s = (_seconds(field, number) for field in fields[:2])
        if end_s < start_s:
            raise LiveBandError(
                f"line {number}: the chord must end after it starts, got {start_s:g} to {end_s:g}"
            )
        try:
            chord = parse_label(fields[2])
        except LiveBandError as error:
            raise LiveBandError(f"line {number}: {error}") from None
        start_s = max(start_s, 0.0)
        if end_s <= start_s:
            continue
        # A millisecond of overlap is the rounding of another program.
        if spans and start_s < spans[-1].end_s - 1e-3:
            raise LiveBandError(f"line {number}: starts at {start_s:g} s, before the chord above it ends")
        spans.append(ChordSpan(start_s=start_s, end_s=end_s, chord=chord))
    if not spans:
        raise LiveBandError("no chords in it: write lines `start end label`, or bars `| C . Am . | F | G7 |`")
    refuse_two_kinds_of_b(span.chord for span in spans)
    return tuple(spans)


def refuse_two_kinds_of_b(chords: Iterable[Chord]) -> None:
    """Raises LiveBandError for text with both H and B: who writes H may mean B flat by B."""
    notes = {note for chord in chords for note in re.findall(r"(?:^|/)([BH])(?!b)", chord.label)}
    if notes == {"B", "H"}:
        raise LiveBandError(
            "B and H stand side by side: write Bb for the lower one, and H or B for the other"
        )


def _seconds(field: str, number: int) -> float:
    try:
        seconds = float(field)
    except ValueError:
        seconds = float("nan")
    if not isfinite(seconds):
        raise LiveBandError(f"line {number}: start and end are seconds, such as 61.5; got {field[:40]!r}")
    return seconds


def _decoded(data: bytes) -> str:
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if (
        encoding is None and data[:2].count(0) == 1
    ):  # without a mark, but each second byte of its ASCII is zero
        encoding = "utf-16-le" if data[1] == 0 else "utf-16-be"
    if encoding is not None:
        return data.decode(encoding)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252")
