# SPDX-License-Identifier: GPL-3.0-or-later
"""MIDI bombs are refused before mido sees them; music is not."""

import io
import random
from pathlib import Path

import mido
import pytest

from lbmodels.data.errors import DataError
from lbmodels.data.midi_check import check, read_checked


def midi(*tracks: bytes, kind: int = 1, division: int = 96, count: int | None = None) -> bytes:
    head = b"".join(n.to_bytes(2, "big") for n in (kind, len(tracks) if count is None else count, division))
    return b"MThd\0\0\0\6" + head + b"".join(b"MTrk" + len(t).to_bytes(4, "big") + t for t in tracks)


NOTE, END = b"\x00\x90\x40\x40", b"\x00\xff\x2f\x00"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xff" * 2_000_000, "not a MIDI file"),
        (b"MThd" + b"\xff" * 2_000_000, "MIDI header"),
        (midi(b"\xff" * 2_000_000), "does not end"),
        (midi(b"\x00\xff" * 1_000_000), "does not end|ends within|meta event"),
        (midi(b"\x00\x90" + b"\x40\x40\x00" * 400_000), "more than 200000 events"),
        (midi(*[b"\x00\x90" + b"\x40\x40\x00" * 40_000 + b"\x40\x40"] * 6), "more than 200000 events"),
        (bytes(2**22 + 1), "larger than 4 MiB"),
        (midi(b"\xff\xff\xff\x7f" + END[1:], division=480), "77.7 hours"),
        (midi(b"\x00\xff\x51\x03\xff\xff\xff\xff\xff\xff\x7f" + END[1:]), "hours long"),
        (midi(*[END] * 65), "65 tracks"),
        (midi(count=0), "0 tracks"),
        (midi(END, count=2), "truncated"),
        (midi(NOTE + END)[:-1], "truncated"),
        (midi(NOTE + END) + b"x", "1 bytes behind"),
        (midi(b"\x00\xff\x58\x01\x04" + END), "meta event 0x58 of 1 bytes"),
        (midi(b"\x00\xff\x51\x00" + END), "meta event 0x51 of 0 bytes"),
        (midi(b"\x00\xff\x59\x02\x0c\x00" + END), "key signature"),
        (midi(b"\x00\x40\x40" + END), "without a status"),
        (midi(b"\x00\x90\x40\x90" + END), "status byte within"),
        (midi(b"\x00\xf4" + END), "event 0xf4"),
        (midi(b"\x00\xf0\x81\xff\xff\x7f" + END), "within an event"),
        (midi(b"\x80\x80\x80\x80\x00" + NOTE), "does not end"),
        (midi(END, division=0x8000), "ticks per beat"),
        (midi(END, division=0), "ticks per beat"),
        (midi(END, kind=2), "type 2"),
        (b"", "not a MIDI file"),
    ],
)
def test_bombs_and_damage_are_refused_by_name(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "bomb.mid"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"bomb.mid: .*({reason})") as refused:
        read_checked(path)
    assert "\n" not in str(refused.value)


def test_a_device_is_not_read_for_ever() -> None:
    with pytest.raises(DataError, match="larger than"):
        read_checked(Path("/dev/zero"))
    with pytest.raises(DataError, match="cannot be read"):
        read_checked(Path("/nowhere.mid"))


def test_music_is_let_through_as_it_is(repository: Path) -> None:
    files = sorted((repository / "tests" / "fixtures").rglob("*.mid"))
    assert files
    for path in files:
        assert read_checked(path) == path.read_bytes()


def test_what_is_let_through_is_parsed_without_an_error(repository: Path) -> None:
    """The check must be at least as strict as the parser behind it: mido raises IndexError on short meta events."""
    rng = random.Random(1)
    seeds = [path.read_bytes() for path in sorted((repository / "tests" / "fixtures").rglob("*.mid"))]
    passed = 0
    for _ in range(1500):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 3)):
            data[rng.randrange(len(data))] = rng.choice([0, 0x51, 0x59, 0x7F, 0x80, 0xFF, rng.randrange(256)])
        try:
            check(bytes(data))
        except DataError:
            continue
        passed += 1
        mido.MidiFile(file=io.BytesIO(data))
    assert passed > 100
