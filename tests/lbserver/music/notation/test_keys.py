# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from lbserver.errors import LiveBandError
from lbserver.music.notation.keys import parse_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("C", 0), ("Am", 21), ("F# minor", 18), ("Bb:maj", 10), ("e", 16), ("Eb major", 3), ("b", 23), ("C:min", 12),
        ("B♭ Major", 10), ("C# Minor", 13), ("f#m", 18), ("Bbm", 22), ("CM", 0), ("C MAJOR", 0), ("Key: Em", 16),
        ("F sharp minor", 18), ("E-flat major", 3), ("A harmonic minor", 21), ("A aeolian", 21), ("F ionian", 5),
        ("H", 11), ("h-Moll", 23), ("B-Dur", 10), ("Fis-Dur", 6), ("es-moll", 15), ("As dur", 8), ("Ｇ♯ｍ", 20),
    ],
)  # fmt: skip
def test_keys(text: str, key: int) -> None:
    """`B♭ Major` and `C# Minor` were refused, and B-Dur was read as B major, which it is not in German."""
    assert parse_key(text) == key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("C dorian", "the notes of this mode are those of Bb major"),
        ("D mixolydian", "those of G major"),
        ("C7", "write C, Am"),
        ("", "write C, Am"),
        ("X", "write C, Am"),
        ("EBM", "write C, Am"),
    ],
)
def test_what_is_no_key_is_refused_with_what_is(text: str, says: str) -> None:
    with pytest.raises(LiveBandError, match=says):
        parse_key(text)
