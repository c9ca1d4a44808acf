# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind the root of a lead sheet's chord, read part by part from left to right.

Quality, extension, suspension, alterations, additions, omissions, bass. An altered degree replaces the natural one of its
number; a degree that is added, or stands in parentheses without a sign, joins. 9 names the seventh too, 11 both, and 13
seventh and ninth, for nobody plays the natural eleventh in it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)

_SIGNS: Mapping[str, int] = {
    "": 0, "bb": -2, "b": -1, "-": -1, "flat": -1, "dim": -1, "#": 1, "+": 1, "sharp": 1, "aug": 1, "##": 2,
}  # fmt: skip
_SIGN = r"bb|b|##|#|\+|-|(?i:flat|sharp)"
_ALTERATION = re.compile(rf"({_SIGN}|(?i:aug|dim)(?=5))(10|11|13|[2-79])(?!\d)")
_NUMBER = re.compile(r"(6/9|6,9|69|13|11|10|[12345679])(?:th)?")
_BELOW = re.compile(r"[A-H](#*|b*)|[a-g](#*|b*)|[#b]+[1-7]|[1-5]|")
_SIX_NINE = ("6/9", "6,9", "69")
_EXTENDED: Mapping[str, tuple[int, ...]] = {"9": (7, 9), "11": (7, 9, 11), "13": (7, 9, 13)}

# In the order in which they are tried. Case tells M from m; whole words have any case.
_WORDS: Mapping[str, re.Pattern[str]] = {
    kind: re.compile(pattern)
    for kind, pattern in {
        "omission": r"(?i:omit|no)\.?(1|2|3|4|5|6|7|9|11|13)(?!\d)(?i:rd|th|st|nd)?",
        "addition": rf"(?i:add)\.?(?:((?i:maj?)|M|Δ|\^)7|({_SIGN}|)(10|11|13|[2-79]))",
        "suspension": r"(?i:sus)\.?(2/?4|4/?2|\(2\)|\(4\)|2|4|)",
        "altered scale": r"(?i:altered|alt)\.?",
        "half-diminished": r"(?i:half-?diminished|half-?dim|hdim)\.?|ø|h",
        "diminished": r"(?i:diminished|dim)\.?|°|o",
        "augmented": r"(?i:augmented|aug)\.?",
        "dominant": r"(?i:dominant|dom)\.?",
        "triangle": r"Δ|\^|j|t(?=7|9|11|13)",
        "major": r"(?i:major|maj)\.?|[Mm]a(?![a-z])|MA(?![A-Za-z])|M(?!i|I)",
        "minor": r"(?i:minor|min)\.?|[Mm]i|MI|m",
    }.items()
}


class UnreadError(Exception):
    """Why a label cannot be read; `write` says what to write instead, where that is known."""

    def __init__(self, why: str, write: str = "") -> None:
        super().__init__(why)
        self.write = write


@dataclass(kw_only=True)
class Parts:
    """A chord while it is read: semitones above the root for each degree, and what a natural seventh is in it."""

    degrees: dict[int, set[int]] = field(default_factory=lambda: {1: {0}, 3: {4}, 5: {7}})
    seventh: int = 10
    altered: set[int] = field(default_factory=set)

    @property
    def intervals(self) -> frozenset[int]:
        """Semitones above the root, 0..11."""
        return frozenset(semitones % 12 for degree in self.degrees.values() for semitones in degree)

    def add(self, number: int, sign: str = "") -> None:
        self.degrees.setdefault(number, set()).add(self._semitones(number, sign))

    def alter(self, number: int, sign: str) -> None:
        """The first alteration of a degree replaces what stood there, a second (b9 #9) joins it."""
        if number not in self.altered:
            self.degrees.pop(number, None)
        self.altered.add(number)
        self.add(number, sign)

    def make(self, kind: str) -> None:
        """A triad of another quality, or the altered scale's tones."""
        if kind in ("minor", "diminished", "half-diminished"):
            self.degrees[3] = {3}
        if kind in ("diminished", "half-diminished"):
            self.degrees[5] = {6}
        if kind == "augmented":
            self.alter(5, "#")
        if kind == "diminished":
            self.seventh = 9
        if kind in ("major", "triangle"):
            self.seventh = 11
        if kind == "altered scale":
            self.degrees |= {5: {6, 8}, 7: {10}, 9: {1, 3}}
            self.altered |= {5, 9}

    def _semitones(self, number: int, sign: str) -> int:
        if number == 7 and _SIGNS[sign] >= 0:  # m(#7), m(+7): the seventh of the major scale
            return 11 if sign else self.seventh
        return MAJOR_SCALE[(number - 1) % 7] + _SIGNS[sign]


def read_parts(name: str, text: str) -> tuple[Parts, str | None]:
    """The parts in `text` behind the root `name`, and the bass as it is written, None without a slash for one.

    Raises UnreadError.
    """
    reader = _Reader(name=name, text=text)
    while reader.bass is None and reader.at < len(text):
        if not any(read(text[reader.at :]) for read in reader.readers):
            raise UnreadError(f"nothing is known as {shown(text[reader.at :])}")
    if reader.enclosed:
        raise UnreadError("a parenthesis is left open")
    return reader.parts, reader.bass


def shown(text: str) -> str:
    """Text in quotes, shortened where it is long."""
    return repr(text if len(text) <= 24 else text[:21] + "...")


@dataclass(kw_only=True)
class _Reader:
    """Where reading stands. Each reader takes what it knows from the start of the rest, or answers False."""

    name: str
    text: str
    parts: Parts = field(default_factory=Parts)
    at: int = 0
    enclosed: bool = False
    before: str = "root"
    """What was read last: a kind of word, `number`, `alteration`, `(`, `,`, `)` or `/`."""
    bass: str | None = None

    @property
    def readers(self) -> tuple[Callable[[str], bool], ...]:
        return self._slash, self._bracket, self._sign, self._alteration, self._word, self._number

    def _took(self, length: int, what: str) -> bool:
        self.at += length
        self.before = what
        return True

    def _bracket(self, rest: str) -> bool:
        if rest[0] == "(" and not self.enclosed:
            self.enclosed = True
            return self._took(1, "(")
        if rest[0] == ")" and self.enclosed:
            self.enclosed = False
            return self._took(1, ")")
        return rest[0] in ",;" and self.enclosed and self._comma()

    def _comma(self) -> bool:
        return self._took(1, "omission," if self.before in ("omission", "omission,") else ",")

    def _slash(self, rest: str) -> bool:
        """Among alterations it is a comma; before a word or a number from 6 on a plus; else the bass follows."""
        if rest[0] != "/":
            return False
        below = rest[1:]
        altered = _ALTERATION.match(below)
        if self.enclosed or (
            altered and self.before == "alteration" and altered[2] in ("5", "9", "11", "13")
        ):
            return self._comma()
        if _BELOW.fullmatch(below):
            self.bass = below
            return True
        if altered and altered.end() == len(below):
            spelt = self.name + self.text[: self.at]
            raise UnreadError(
                f"{below} behind the slash may be a tone or the bass",
                f"{spelt}{below} for the tone, or the bass as a note such as {spelt}/F#",
            )
        number = re.match(r"(6/9|69|13|11|10|[679])(?!\d)", below)
        if number:
            self._add(number[1])
            return self._took(1 + number.end(), "addition")
        if any(pattern.match(below) for pattern in _WORDS.values()):
            return self._took(1, "/")
        raise UnreadError(f"{shown(below)} is no bass: one note stands behind the slash")

    def _sign(self, rest: str) -> bool:
        """`+` and `-` as qualities: C+7, C-7, and a + at the end."""
        if self.before == "root" and rest.startswith("-5"):
            raise UnreadError("-5 may be a minor chord or a flat fifth", f"{self.name}m or {self.name}(b5)")
        if self.before == "root" and re.match(r"\+1[13]", rest):
            raise UnreadError(f"{shown(rest)} is read in two ways", f"{self.name}7#11 or {self.name}11#5")
        if self.before == "root" and rest[0] in "+-" and not rest.startswith("+5"):
            return self._quality("augmented" if rest[0] == "+" else "minor", 1)
        if rest[0] != "+" or self.before not in ("minor", "major", "number") or rest[1:2].isdigit():
            return False
        if self.before == "number" and self.parts.seventh == 10:
            raise UnreadError(
                "a + behind the number is a raised fifth to some and a major seventh to others",
                f"{self.name}{self.text[: self.at]}#5, or maj before the number",
            )
        return self._quality("augmented", 1)

    def _alteration(self, rest: str) -> bool:
        match = _ALTERATION.match(rest)
        if match is None or (self.before == "root" and match[1].isalpha() and len(match[1]) == 3):
            return False
        if self.before == "number" and match[1] in "+-" and match[2] == "9" and 7 not in self.parts.degrees:
            raise UnreadError(f"{match[0]} may be an altered or an added ninth", f"{self.name}6/9")
        self.parts.alter(int(match[2]), match[1].lower())
        return self._took(match.end(), "alteration")

    def _word(self, rest: str) -> bool:
        found = next(((kind, m) for kind, p in _WORDS.items() if (m := p.match(rest))), None)
        if found is None:
            return False
        kind, match = found
        if kind == "omission":
            self.parts.degrees.pop(int(match[1]), None)
        elif kind == "addition":
            sign, number = ("#", 7) if match[1] else (match[2].lower(), int(match[3]))
            self.parts.add(number, sign)
        elif kind == "suspension":
            self.parts.degrees.pop(3, None)
            for digit in match[1].strip("()").replace("/", "") or "4":
                self.parts.add(int(digit))
        else:
            return self._quality(kind, match.end())
        return self._took(match.end(), kind)

    def _quality(self, kind: str, length: int) -> bool:
        """A quality stands first; a major seventh may come later (mM7, 7M, o(maj7)), and so may aug and alt."""
        number = _NUMBER.match(self.text, self.at + length)
        extends = number is not None and number[1] in ("7", "9", "11", "13")
        if self.text[: self.at].strip("/(") and kind not in ("augmented", "altered scale"):
            sevenths = self.parts.degrees.get(7, set())
            # m9(maj7): the ninth's own seventh gives way; 7(maj7) names two.
            named = 10 in sevenths and not {9, 11, 13} & self.parts.degrees.keys()
            again = self.before in ("major", "triangle")
            if kind not in ("major", "triangle") or again:
                return False
            if extends and named:
                raise UnreadError("it names two sevenths", f"{self.name}mM7 or {self.name}maj7")
            if 10 in sevenths and extends:
                self.parts.degrees[7] = set()
            if self.before == "number" and sevenths and not extends:  # C7M
                self.parts.degrees[7] = {11}
            elif kind == "major" and not extends:
                raise UnreadError(
                    "a major seventh is written with its 7", f"{self.name}mM7 or {self.name}maj7"
                )
        self.parts.make(kind)
        if kind == "half-diminished" or (kind in ("triangle", "dominant") and number is None):
            self.parts.add(7)
        return self._took(length, kind)

    def _number(self, rest: str) -> bool:
        match = _NUMBER.match(rest)
        if rest[0] == "0":
            raise UnreadError("a 0 may be ° or ø", f"{self.name}o7 or {self.name}ø7")
        if match is None or rest[match.end() : match.end() + 1].isdigit():
            return False
        number = match[1]
        if self.before == "omission,":
            self.parts.degrees.pop(int(number), None)
            return self._took(match.end(), "omission")
        if self.before in ("(", ","):
            self._add(number)
            return self._took(match.end(), "addition")
        if number in ("5", "1"):
            if self.before != "root":
                return False
            self.parts.degrees = {1: {0}, 5: {7}} if number == "5" else {1: {0}}
        elif number == "4" and self.before in ("root", "minor", "major"):
            raise UnreadError(
                "a 4 alone may stand for the third or beside it", f"{self.name}sus4 or {self.name}add4"
            )
        elif self.before in ("root", "suspension", "altered scale") or self.before in _QUALITIES:
            if number in ("3", "4", "10"):
                return False
            for degree in _EXTENDED.get(number, ()):
                self.parts.add(degree)
            if number not in _EXTENDED:
                self._add(number)
        else:
            return False
        return self._took(match.end(), "number")

    def _add(self, number: str) -> None:
        for degree in (6, 9) if number in _SIX_NINE else (int(number),):
            self.parts.add(degree)


_QUALITIES = ("minor", "major", "triangle", "dominant", "augmented", "diminished", "half-diminished")
