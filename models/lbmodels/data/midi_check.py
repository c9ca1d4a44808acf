# SPDX-License-Identifier: GPL-3.0-or-later
"""MIDI files of data sets, walked through before mido parses them: sizes, tracks, events, hours.

Measured on mido 1.3.3: 2 MB of 0xFF keep it busy for more than 90 s, 9 MB took 43 s and 2.3 GB, a file of 37 bytes
claims 77 h, and a short meta event raises IndexError (https://github.com/mido/mido/issues/653).
Format: Standard MIDI Files 1.0, MIDI Manufacturers Association 1996.
"""

from __future__ import annotations

from pathlib import Path

from lbmodels.data.errors import DataError

MOST_FILE_BYTES = 4 * 2**20
MOST_TRACKS = 64
MOST_EVENTS = 200_000
MOST_SECONDS = 2 * 3600.0
_SET_TEMPO, _KEY = 0x51, 0x59
# Meta events that mido takes apart, with the length that each must have.
_META_BYTES = {0x00: 2, 0x20: 1, 0x21: 1, 0x2F: 0, _SET_TEMPO: 3, 0x54: 5, 0x58: 4, _KEY: 2}
_SHARPS_OR_FLATS = {*range(8), *range(249, 256)}


def read_checked(path: Path) -> bytes:
    """The bytes of a MIDI file that is safe to parse.

    Raises:
        DataError: naming the file and what is wrong: unreadable, above 4 MiB, 64 tracks, 200,000 events or 2 hours,
            truncated, or not MIDI.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({(error.strerror or str(error)).lower()})") from None
    try:
        check(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return data


def check(data: bytes) -> None:
    """Raises DataError with the reason for which these bytes are not to be parsed."""
    if len(data) > MOST_FILE_BYTES:
        raise DataError(f"larger than {MOST_FILE_BYTES >> 20} MiB")
    if data[:4] != b"MThd" or len(data) < 14:
        raise DataError("not a MIDI file")
    head_bytes = int.from_bytes(data[4:8], "big")
    kind, tracks, division = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    if head_bytes != 6 or kind > 1 or not 1 <= division < 0x8000:
        raise DataError(
            f"a MIDI header of type {kind} that is not played: accepted are types 0 and 1 with ticks per beat"
        )
    if not 1 <= tracks <= MOST_TRACKS:
        raise DataError(f"{tracks} tracks; accepted are 1 to {MOST_TRACKS}")
    at, events, last_tick = 14, 0, 0
    tempi: list[tuple[int, int]] = []
    for _ in range(tracks):
        if data[at : at + 4] != b"MTrk" or at + 8 > len(data):
            raise DataError("truncated, or a chunk that is no track")
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        if end > len(data):
            raise DataError(f"truncated: a track ends at byte {end} of {len(data)}")
        events, tick = _walk(data, at + 8, end, events, tempi)
        last_tick = max(last_tick, tick)
        at = end
    if at != len(data):
        raise DataError(f"{len(data) - at} bytes behind the last track")
    seconds = _seconds(sorted(tempi), last_tick, division)
    if seconds > MOST_SECONDS:
        raise DataError(f"{seconds / 3600:.1f} hours long; accepted are up to {MOST_SECONDS / 3600:g}")


def _walk(data: bytes, at: int, end: int, events: int, tempi: list[tuple[int, int]]) -> tuple[int, int]:
    """Events so far and the last tick of one track; notes its tempi as (tick, microseconds per beat)."""
    tick, running = 0, 0
    while at < end:
        delta, at = _number(data, at, end)
        tick += delta
        events += 1
        if events > MOST_EVENTS:
            raise DataError(f"more than {MOST_EVENTS} events")
        if at >= end:
            raise DataError("a track ends within an event")
        status = data[at]
        if status >= 0x80:
            at += 1
        elif running:
            status = running
        else:
            raise DataError("an event without a status")
        if status < 0xF0:
            running = status
            length = 1 if 0xC0 <= status < 0xE0 else 2
            if max(data[at : at + length], default=0) >= 0x80:
                raise DataError("a status byte within an event")
        elif status == 0xFF:
            running = 0
            kind = data[at] if at < end else 0
            length, at = _number(data, at + 1, end)
            if at + length > end:
                raise DataError("a track ends within an event")
            if length != _META_BYTES.get(kind, length):
                raise DataError(f"a meta event 0x{kind:02x} of {length} bytes")
            if kind == _KEY and not (data[at] in _SHARPS_OR_FLATS and data[at + 1] < 2):
                raise DataError("a key signature that does not exist")
            if kind == _SET_TEMPO:
                tempi.append((tick, int.from_bytes(data[at : at + 3], "big")))
        elif status in (0xF0, 0xF7):
            running = 0
            length, at = _number(data, at, end)
        else:
            raise DataError(f"an event 0x{status:02x} that no file has")
        at += length
        if at > end:
            raise DataError("a track ends within an event")
    return events, tick


def _number(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable-length number of at most four bytes, and where it ends."""
    value = 0
    for place in range(at, min(at + 4, end)):
        value = value << 7 | data[place] & 0x7F
        if data[place] < 0x80:
            return value, place + 1
    raise DataError("a number that does not end")


def _seconds(tempi: list[tuple[int, int]], last_tick: int, division: int) -> float:
    tick, per_beat, microseconds = 0, 500_000, 0
    for at, new in [*tempi, (last_tick, 0)]:
        microseconds += (min(at, last_tick) - tick) * per_beat
        tick, per_beat = min(at, last_tick), new
    return microseconds / division / 1e6
