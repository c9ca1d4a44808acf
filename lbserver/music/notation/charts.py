# SPDX-License-Identifier: GPL-3.0-or-later
"""Bar charts, as people type them: bars between |, and the signs that save writing them out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from lbserver.errors import LiveBandError
from lbserver.music.notation.files import lines_of, refuse_two_kinds_of_b
from lbserver.music.notation.labels import Chord, parse_label, reads_as_chord

# What no song needs and a file of % and | could ask for: its bars multiply.
_MOST_BARS, _MOST_CHORDS_A_BAR = 4096, 64
_LONGEST_NAME = 64
_TOO_MUCH = f"too much: a chart has up to {_MOST_BARS} bars of {_MOST_CHORDS_A_BAR} chords"

_BAR_LINE = re.compile(r"(:)?(?:\[\|+|\|+\]|\|\.(?=\s*$)|\|+)(:)?|(::)")
_SECTION = re.compile(r"\[(?!\d)([^\[\]|]*)\]")
_WORDS_FOR_SECTIONS = re.compile(
    r"\s*(intro|verse|chorus|refrain|bridge|pre-?chorus|post-?chorus|solo|interlude|instrumental|outro|ending|coda|tag|hook"
    r"|vamp|head|turnaround|part|section|break)\b\s*[\w.]{0,3}\s*(?=[|:]|$)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\s*[^|:\s][^|:]*:(?=\s|$)")
_HEADER_METRE = re.compile(
    r"\s*\{?\s*(?:time|time signature|metre|meter|m)\s*[:=]\s*(\d+)/(\d+)\b", re.IGNORECASE
)
_METRE = re.compile(r"\s*\(?(\d{1,2})/(\d{1,2})\)?(?=\s|$)")
_TIMES = re.compile(r"\s*\(?\s*(?:x\s*(\d{1,4})|(\d{1,4})\s*(?:x|times))\s*\)?\s*", re.IGNORECASE)
_ENDING = re.compile(r"\s*\[?(\d(?:\.?\s?[,-]\s?\d)*)\.?\]?(?=\s|$)")
_TOKEN = re.compile(r"[^\s(]*\([^)|]{0,64}\)\S*|\S+")
_HOLDS = re.compile(r"[./]+|-+|_+")
_ELSEWHERE = re.compile(r"(?i:d\.?\s?[cs]\.?|d\.[cs]\.?.*|fine|coda|segno|to coda|al)$")


@dataclass(frozen=True, kw_only=True)
class ChartSlot:
    """One chord of a bar chart: `start_bars` and `end_bars` count bars from the start of the form."""

    start_bars: float
    end_bars: float
    chord: Chord


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The slots of a form, as it is played, its time signature if one is written, and its sections: the bar that each begins
    with, from 0, and its name.
    """

    slots: tuple[ChartSlot, ...]
    metre: tuple[int, int] | None = None
    sections: tuple[tuple[int, str], ...] = ()

    @property
    def beats_per_bar(self) -> tuple[int, ...]:
        """What a host may count in a bar of this metre, the usual first; empty if no metre is written."""
        if self.metre is None:
            return ()
        above, below = self.metre
        if below >= 8 and above > 3 and above % 3 == 0:
            return above // 3, above
        return (above, 2 * above) if below == 2 else (above,)


@dataclass(frozen=True, kw_only=True)
class _Bar:
    """A bar as it is written: its chords, and the signs at it."""

    chords: tuple[Chord, ...]
    opens: bool = False
    times: int = 1
    """How often what ends with this bar is played."""
    endings: frozenset[int] = frozenset()
    section: str = ""
    """The name of the section that begins with it."""


@dataclass(kw_only=True)
class _Page:
    """A chart while it is read."""

    bars: list[_Bar] = field(default_factory=list)
    metre: tuple[int, int] | None = None
    opens: bool = False
    endings: frozenset[int] = frozenset()
    section: str = ""
    second: tuple[Chord, ...] | None = None
    """The second of two bars that %% repeats, until it is written."""

    def add(self, chords: tuple[Chord, ...]) -> None:
        if len(self.bars) >= _MOST_BARS:
            raise LiveBandError(_TOO_MUCH)
        self.bars.append(_Bar(chords=chords, opens=self.opens, endings=self.endings, section=self.section))
        self.opens, self.endings, self.section = False, frozenset(), ""

    def name_section(self, name: str) -> None:
        """The section that begins with the next bar; no name leaves it as it is. Raises LiveBandError: no name for a display."""
        name = name.strip()
        if len(name) > _LONGEST_NAME:
            raise LiveBandError(
                f"a section's name has up to {_LONGEST_NAME} characters, and {name[:20]}... has {len(name)}"
            )
        if not name.isprintable():
            raise LiveBandError(f"a section's name has no control characters, and {name!a} has")
        self.section = name or self.section

    def tell_metre(self, above: str, below: str) -> None:
        metre = int(above), int(below)
        if not (1 <= metre[0] <= 16 and metre[1] in (1, 2, 4, 8, 16)):
            raise LiveBandError(f"{above}/{below} is no time signature such as 4/4, 3/4 or 6/8")
        if self.metre not in (None, metre):
            raise LiveBandError(
                f"the time signature changes to {above}/{below}: all bars of a chart last alike"
            )
        self.metre = metre


def parse_chart(text: str) -> Chart:
    """Bars between `|`: the chords of a bar share it equally; `.`, `/` or `-` holds the chord before.

    `%` repeats the bar before, `%%` the two before, `x2` behind a line the line, `|: :|` (`x3`) what stands between, with
    endings `|1 :|2`. `[A]`, words for sections, a title, `4/4`, `Key: C` and comments behind # may stand where they do on
    paper. Raises LiveBandError naming line and bar, and what to write instead.
    """
    page = _Page()
    for number, line in lines_of(text):
        try:
            _read_line(page, line)
        except LiveBandError as error:
            bar = f", bar {len(page.bars) + 1}" if "|" in line else ""
            raise LiveBandError(f"line {number}{bar}: {error}") from None
    _second_of_two(page)
    slots: list[ChartSlot] = []
    played = _as_played(page.bars)
    for index, chords in enumerate(bar.chords for bar in played):
        for slot, chord in enumerate(chords):
            start, end = index + slot / len(chords), index + (slot + 1) / len(chords)
            if slots and slots[-1].chord == chord:
                slots[-1] = replace(slots[-1], end_bars=end)
            else:
                slots.append(ChartSlot(start_bars=start, end_bars=end, chord=chord))
    if not slots:
        raise LiveBandError("no bars in it: write bars as `| C . Am . | F | G7 |`")
    refuse_two_kinds_of_b(slot.chord for slot in slots)
    sections = tuple((index, bar.section) for index, bar in enumerate(played) if bar.section)
    return Chart(slots=tuple(slots), metre=page.metre, sections=sections)


def _read_line(page: _Page, line: str) -> None:
    if "|" not in line:
        _read_words(page, line)
        return
    named = _NAMED.match(line) or _WORDS_FOR_SECTIONS.match(line)
    at = named.end() if named else 0
    if named:
        page.name_section(named[0].strip().rstrip(":"))
    first = len(page.bars)
    before: re.Match[str] | None = None  # the bar line before the segment
    closed = False
    while at < len(line):
        found = _BAR_LINE.search(line, at)
        segment = line[at : found.start() if found else len(line)]
        times = None if found else _TIMES.fullmatch(segment)
        if times:
            _repeat(page, int(times[1] or times[2]), first, closed)
            return
        plain_lines = (
            found is not None and before is not None and not any((before[1], before[3], *found.groups()))
        )
        closed = _read_segment(page, segment, a_bar=plain_lines) and closed
        if found is None:
            return
        if found[1] or found[3]:
            if not page.bars:
                raise LiveBandError(":| repeats what stands before it, and there is nothing")
            _second_of_two(page)
            page.bars[-1] = replace(page.bars[-1], times=2)
            closed = True
        page.opens = page.opens or bool(found[2] or found[3])
        at, before = found.end(), found


def _read_words(page: _Page, line: str) -> None:
    """A line without bars: a section, a header, a time signature, `x2`, or a title above the first bar."""
    metre = _HEADER_METRE.match(line) or _METRE.fullmatch(line.rstrip())
    times = _TIMES.fullmatch(line)
    words = _SECTION.sub(" ", line).split()
    named = next(iter(_SECTION.findall(line)), "") or (line if _WORDS_FOR_SECTIONS.fullmatch(line) else "")
    page.name_section(named.strip().rstrip(":"))
    if metre:
        page.tell_metre(metre[1], metre[2])
    elif times:
        raise LiveBandError("x2 stands behind the bars that it repeats, on their line")
    elif words and not (
        line.lstrip().startswith("{") or _NAMED.match(line) or _WORDS_FOR_SECTIONS.fullmatch(line)
    ):
        chords = sum(reads_as_chord(word) or bool(_HOLDS.fullmatch(word)) for word in words)
        if page.bars or 2 * chords >= len(words):
            raise LiveBandError(
                f"a bar chart has bars between |, got {line.strip()[:60]!r}; write | around bars, [ ] around the name of a "
                "section, # before other words"
            )


def _read_segment(page: _Page, segment: str, *, a_bar: bool) -> bool:
    """Reads what stands before a bar line; answers whether that was no bar. Between plain bar lines it must be one."""
    marks = _SECTION.findall(segment)
    content = _SECTION.sub(" ", segment)
    chords = [mark for mark in marks if reads_as_chord(mark)]
    page.name_section(next((mark for mark in marks if mark.strip()), ""))
    if (
        len(chords) > 1
        or any(len(mark) > 1 and not mark[1:].isdigit() for mark in chords)
        or (a_bar and chords and not content.strip())
    ):
        raise LiveBandError("chords stand without brackets: [A] before a bar is the name of a section")
    if a_bar and not marks and segment and not content.strip():
        raise LiveBandError("an empty bar; write . to hold the chord or N for no chord")
    metre = _METRE.match(content)
    if metre:
        page.tell_metre(*metre.groups())
        content = content[metre.end() :]
    ending = _ENDING.match(content)
    if ending:
        page.endings = frozenset(_numbers(ending[1]))
        content = content[ending.end() :]
    tokens = _tokens(content)
    if tokens:
        _read_bar(page, tokens)
    elif ending:
        raise LiveBandError(
            f"{ending[0].strip()} is no chord; as the number of an ending it stands before chords: |1 G7 :|2 C |"
        )
    return not tokens


def _tokens(content: str) -> list[str]:
    """Words of a bar; what belongs to the chord before, such as ` (b9)` or ` /E`, is joined to it."""
    tokens: list[str] = []
    for token in _TOKEN.findall(content):
        if tokens and re.match(r"\(|/[A-H]", token) and reads_as_chord(tokens[-1] + token):
            tokens[-1] += token
        elif len(token) > 1 and _HOLDS.fullmatch(token) and token != "./.":
            tokens.extend(token)
        else:
            tokens.append("%" if token == "./." else token)
    return tokens


def _read_bar(page: _Page, tokens: Sequence[str]) -> None:
    holding = all(_HOLDS.fullmatch(token) for token in tokens)
    if page.second is not None and holding:
        page.add(page.second)
        page.second = None
        return
    _second_of_two(page)
    if len(tokens) > _MOST_CHORDS_A_BAR:
        raise LiveBandError(_TOO_MUCH)
    if tokens[0] == "%%" and all(_HOLDS.fullmatch(token) for token in tokens[1:]):
        if len(page.bars) < 2:
            raise LiveBandError("%% repeats the two bars before, and there are none")
        page.second = page.bars[-1].chords
        page.add(page.bars[-2].chords)
    elif tokens[0] == "%" and all(token == "%" or _HOLDS.fullmatch(token) for token in tokens[1:]):
        if not page.bars:
            raise LiveBandError("% repeats the bar before, and there is none")
        page.add(page.bars[-1].chords)
    else:
        page.add(_chords_of(page, tokens))


def _chords_of(page: _Page, tokens: Sequence[str]) -> tuple[Chord, ...]:
    chords: list[Chord] = []
    for token in tokens:
        held = chords[-1] if chords else page.bars[-1].chords[-1] if page.bars else None
        if token != "%" and not _HOLDS.fullmatch(token):
            chords.append(_chord(token))
        elif held is None:
            raise LiveBandError(f"{token} holds the chord before, and there is none")
        else:
            chords.append(held)
    return tuple(chords)


def _chord(token: str) -> Chord:
    if _TIMES.fullmatch(token):
        raise LiveBandError(f"{token} stands behind the last bar line of the line that it repeats")
    if _METRE.fullmatch(token):
        raise LiveBandError(f"the time signature {token} stands at the start of a bar")
    if token == "x":
        raise LiveBandError("x is not read; write % to repeat the bar before")
    if _ELSEWHERE.fullmatch(token):
        raise LiveBandError(f"{token[:20]!r}: jumps are not read; write the bars out as they are played")
    return parse_label(token)


def _second_of_two(page: _Page) -> None:
    if page.second is not None:
        chords, page.second = page.second, None
        page.add(chords)


def _repeat(page: _Page, times: int, first: int, closed: bool) -> None:
    """`x3` behind a line: the line three times, or, behind :|, what the sign repeats."""
    _second_of_two(page)
    if times < 1:
        raise LiveBandError("x0 repeats nothing: write x2 or more")
    if closed:
        page.bars[-1] = replace(page.bars[-1], times=times)
        return
    line = page.bars[first:]
    if not line:
        raise LiveBandError("x2 stands behind the bars that it repeats, on their line")
    if any(bar.opens or bar.times > 1 or bar.endings for bar in line):
        raise LiveBandError("x2 behind a line with repeat signs may mean either: write the bars out")
    if len(page.bars) + (times - 1) * len(line) > _MOST_BARS:
        raise LiveBandError(_TOO_MUCH)
    page.bars += line * (times - 1)


def _as_played(bars: Sequence[_Bar]) -> list[_Bar]:
    """Bars in the order in which they sound, repeats and endings followed.

    Raises LiveBandError if that is too long, or leaves a bar out.
    """
    played: list[int] = []
    start, turn, turns, at = 0, 1, _turns(bars, 0), 0
    last = False  # in the last ending, where a sign ends the section and repeats nothing
    while at < len(bars):
        bar = bars[at]
        if bar.opens and at != start:
            start, turn, turns, last = at, 1, _turns(bars, at), False
        if bar.endings and not last:
            if turn not in bar.endings:
                at = _after_ending(bars, at)
                continue
            last = turn >= turns
        played.append(at)
        if len(played) > _MOST_BARS:
            raise LiveBandError(_TOO_MUCH)
        if bar.times > 1 and not last and turn < max(bar.times, turns):
            turn, at = turn + 1, start
            continue
        at += 1
        if bar.times > 1:
            start, turn, turns, last = at, 1, _turns(bars, at), False
    missing = set(range(len(bars))) - set(played)
    if missing:
        raise LiveBandError(
            f"bar {min(missing) + 1} is never played: an ending has |: before it and :| behind it, as |: C |1 G :|2 F |"
        )
    return [bars[at] for at in played]


def _turns(bars: Sequence[_Bar], start: int) -> int:
    """The highest ending of the section that begins at a bar; 1 without endings."""
    turns = 1
    for at in range(start, len(bars)):
        if at > start and (bars[at].opens or (bars[at - 1].times > 1 and not bars[at].endings)):
            break
        turns = max((turns, *bars[at].endings))
    return turns


def _after_ending(bars: Sequence[_Bar], at: int) -> int:
    """The bar behind the ending that begins at a bar."""
    for end in range(at, len(bars)):
        if end > at and (bars[end].endings or bars[end].opens):
            return end
        if bars[end].times > 1:
            return end + 1
    return len(bars)


def _numbers(text: str) -> list[int]:
    """1,2 or 1-3 as numbers."""
    numbers = [int(digit) for digit in re.findall(r"\d", text)]
    return list(range(numbers[0], numbers[-1] + 1)) if "-" in text else numbers
