# SPDX-License-Identifier: GPL-3.0-or-later
"""Address patterns of OSC 1.0: `?`, `*`, `[abc]`, `[a-c]`, `[!abc]` and `{one,other}` within a part of an address.

A pattern is matched place by place: the places of a name that its beginning can reach. Time grows with the length of
both alone, whatever the pattern: those that are searched with going back hang on a handful of stars.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from lbserver.transports.osc.packet import OscError

_SPECIAL = frozenset("?*[]{}")


@dataclass(frozen=True)
class _Token:
    """One of `texts`; or, where there are none, any character of `letters` (not of them if `other`)."""

    texts: tuple[str, ...] = ()
    letters: str = ""
    other: bool = False
    many: bool = False


def is_pattern(address: str) -> bool:
    """Whether it has any of a pattern's signs. No name has."""
    return not _SPECIAL.isdisjoint(address)


def matching(pattern: str, names: Iterable[str]) -> list[str]:
    """The names that a part of a pattern matches. Raises OscError for brackets that are not closed or not opened."""
    tokens = _tokens(pattern)
    return [name for name in names if _matches(tokens, name)]


def _matches(tokens: list[_Token], name: str) -> bool:
    places = {0}
    for token in tokens:
        if token.many:
            places = set(range(min(places, default=len(name) + 1), len(name) + 1))
        elif token.texts:
            places = {at + len(text) for at in places for text in token.texts if name.startswith(text, at)}
        else:
            places = {
                at + 1 for at in places if at < len(name) and (name[at] in token.letters) != token.other
            }
    return len(name) in places


def _tokens(pattern: str) -> list[_Token]:
    tokens, at = [], 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign in "[{":
            close = pattern.find({"[": "]", "{": "}"}[sign], at)
            inside = pattern[at:close]
            if close < 0 or "[" in inside or "{" in inside:
                raise OscError(f"the pattern {pattern!r} opens {sign} and does not close it")
            tokens.append(_letters(inside) if sign == "[" else _Token(texts=tuple(inside.split(","))))
            at = close + 1
        elif sign in "]}":
            raise OscError(f"the pattern {pattern!r} closes {sign} and does not open it")
        elif sign == "*":
            tokens.append(_Token(many=True))
        else:
            tokens.append(_Token(other=True) if sign == "?" else _Token(texts=(sign,)))
    return tokens


def _letters(inside: str) -> _Token:
    """A list of characters; `-` between two of them is a range, elsewhere itself."""
    other = inside.startswith("!")
    inside, letters, at = inside[other:], "", 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            letters += "".join(map(chr, range(ord(inside[at]), ord(inside[at + 2]) + 1)))
            at += 3
        else:
            letters += inside[at]
            at += 1
    return _Token(letters=letters, other=other)
