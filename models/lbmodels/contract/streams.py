# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream of a whole band is asked for in words: which classes sound, and how a player gets into its past."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite, nan

from lbmodels.contract.stems import STEMS_AND_REST

INJECTION_MODES = ("off", "free", "looper")
LONGEST_LOOP_S = 8.0
LONGEST_LATENCY_S = 0.5
LOUDEST_DB = 12.0
USUAL_LOOP_BEATS = 8.0
_USUAL_BPM = 120.0
_CLASSES = "accepted are + or - before " + ", ".join(STEMS_AND_REST) + ", as '-drums +bass'"
_INJECTION = "accepted are off, free, looper N beats, looper N s, then gain N dB, latency N ms, gap N ms, as 'looper 8 beats, gain -6 dB'"
_SETTING = re.compile(r"(gain|latency|gap) (-?[0-9.]+) ?(db|ms)")
_LOOP = re.compile(r"looper(?: ([0-9.]+) ?(beats?|s))?")


@dataclass(frozen=True, kw_only=True)
class Injection:
    """`gain` is a factor; `loop` is in beats where `by_beats`, else in seconds, as the rest."""

    mode: str = "free"
    gain: float = 1.0
    loop: float = USUAL_LOOP_BEATS
    by_beats: bool = True
    latency_s: float = 0.0
    gap_s: float = 0.0

    def numbers(self, bpm: float) -> tuple[float, ...]:
        """As the condition `injection`; of a tempo that is not known, NaN, beats are those of 120 BPM."""
        beat_s = 60.0 / (bpm if isfinite(bpm) and bpm > 0 else _USUAL_BPM)
        loop_s = self.loop * beat_s if self.by_beats else self.loop
        # A loop that is too long is halved until it fits, so that it stays on the beat.
        while loop_s > LONGEST_LOOP_S:
            loop_s /= 2
        return (float(INJECTION_MODES.index(self.mode)), self.gain, loop_s, self.latency_s, self.gap_s)


def parse_classes(text: str) -> tuple[float, ...]:
    """1 for a class that is to sound, -1 for one that is not, NaN for the model's choice; an empty text leaves it all to it.

    Raises ValueError: a word that is no class, or one without a sign.
    """
    found = dict.fromkeys(STEMS_AND_REST, nan)
    for word in text.replace(",", " ").split():
        sign, name = word[0], word[1:].lower()
        if sign not in "+-" or name not in found:
            raise ValueError(f"classes {text[:60]!r}: {_CLASSES}")
        found[name] = 1.0 if sign == "+" else -1.0
    return tuple(found.values())


def parse_injection(text: str) -> Injection:
    """An empty text is the usual: free, as loud as it comes.

    Raises ValueError: what cannot be read, or lies out of range.
    """
    refused = ValueError(f"injection {text[:80]!r}: {_INJECTION}")
    out_of_range = ValueError(
        f"injection {text[:80]!r}: accepted are gains up to {LOUDEST_DB:g} dB, loops up to 64 beats or {LONGEST_LOOP_S:g} s, "
        f"latency and gap of 0 to {LONGEST_LATENCY_S * 1000:g} ms"
    )
    first, *rest = [part.strip().lower() for part in (text.strip() or "free").split(",")]
    told: dict[str, float | str | bool] = {"mode": first}
    loop = _LOOP.fullmatch(first)
    if loop is not None:
        told = {"mode": "looper"}
        if loop[1]:
            told |= {"loop": _number(loop[1], refused), "by_beats": loop[2] != "s"}
    elif first not in INJECTION_MODES:
        raise refused
    for part in rest:
        setting = _SETTING.fullmatch(part)
        if setting is None or (setting[3] == "db") != (setting[1] == "gain"):
            raise refused
        value = _number(setting[2], refused)
        if setting[1] == "gain":
            if value > LOUDEST_DB:  # and what no float holds as a factor
                raise out_of_range
            told["gain"] = 0.0 if value <= -60 else 10 ** (value / 20)
        else:
            told[f"{setting[1]}_s"] = value / 1000
    found = Injection(**told)  # type: ignore[arg-type]
    times = (found.latency_s, found.gap_s)
    if not (0 < found.loop <= 64 and all(0 <= s <= LONGEST_LATENCY_S for s in times)):
        raise out_of_range
    if not found.by_beats and found.loop > LONGEST_LOOP_S:
        raise ValueError(f"injection {text[:80]!r}: a loop of {LONGEST_LOOP_S:g} s is the longest")
    return found


def _number(text: str, refused: ValueError) -> float:
    try:
        return float(text)
    except ValueError:
        raise refused from None
