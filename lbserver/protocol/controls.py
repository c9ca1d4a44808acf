# SPDX-License-Identifier: GPL-3.0-or-later
"""The controls of a session: one table for the plug-in, OSC, ZeroMQ, the command line and the monitor."""

from dataclasses import dataclass

from lbmodels.contract.quality import QUALITIES, USUAL
from lbmodels.contract.stems import STEMS

MODES = ("live", "aligned", "bounce", "manual")
SILENCES = ("auto", "rest", "play_on")
FEELS = ("half", "as_heard", "double")
MOMENTS = ("at_once", "next_beat", "next_bar")


@dataclass(frozen=True, kw_only=True)
class ControlInfo:
    """One control.

    kind: float, int, bool, choice (an index into `choices`, or its word) or trigger (any value acts once).
    acts: where it takes effect: model (a condition of the next frame), shell (around whatever model plays, live and
    in a bounce), session (the engine), port (where the stem is read: smoothed over `smoothing_ms`, because a click
    would be heard), epoch (starts a new epoch).
    """

    name: str
    kind: str
    unit: str
    minimum: float
    maximum: float
    default: float
    acts: str
    meaning: str
    choices: tuple[str, ...] = ()
    smoothing_ms: float = 0.0


def _control(name: str, kind: str, unit: str, span: tuple[float, float, float], acts: str, meaning: str,
             choices: tuple[str, ...] = (), smoothing_ms: float = 0.0) -> ControlInfo:  # fmt: skip
    minimum, maximum, default = span
    return ControlInfo(
        name=name,
        kind=kind,
        unit=unit,
        minimum=minimum,
        maximum=maximum,
        default=default,
        acts=acts,
        meaning=meaning,
        choices=choices,
        smoothing_ms=smoothing_ms,
    )


CONTROLS = (
    _control("stem", "choice", "", (0, len(STEMS) - 1, 1), "model", "what is played", STEMS),
    _control(
        "mix",
        "float",
        "",
        (0, 1, 1),
        "port",
        "0 only what you play, 1 only the band; for front ends that mix: plug-in, jam",
        (),
        20.0,
    ),
    _control("gain", "float", "dB", (-60, 24, 0), "port", "level of the stem", (), 20.0),
    _control("variation", "float", "", (0, 2, 1), "model", "temperature: 0 the expected part, above 1 risks"),
    _control("adherence", "float", "", (0, 4, 1), "model", "guidance: how strictly it follows what it hears"),
    _control("density", "float", "", (0, 1, 0.5), "model", "few notes to many"),
    _control("brightness", "float", "", (0, 1, 0.5), "model", "dark to bright"),
    _control("seed", "int", "", (0, 2**31 - 1, 0), "session", "another number, another take; begins anew"),
    _control("reset", "trigger", "", (0, 1, 0), "session", "forget what was heard and played"),
    _control("freeze", "bool", "", (0, 1, 0), "session", "play on from what was heard, listen no more"),
    _control("listen", "bool", "", (0, 1, 1), "session", "off: it hears silence"),
    _control("mode", "choice", "", (0, len(MODES) - 1, 0), "epoch", "how latency is chosen", MODES),
    _control(
        "anticipation",
        "float",
        "ms",
        (0, 1000, 40),
        "epoch",
        "how far ahead it writes, for modes manual and bounce",
    ),
    _control(
        "when_silent",
        "choice",
        "",
        (0, len(SILENCES) - 1, 0),
        "shell",
        "when you stop playing: rest until you are back, or play on at the level it had; auto rests in mode live",
        SILENCES,
    ),
    _control(
        "time_feel",
        "choice",
        "",
        (0, len(FEELS) - 1, 1),
        "shell",
        "from the next bar on: half the tempo that is heard or told, the tempo itself, or twice it",
        FEELS,
    ),
    _control(
        "tempo_low",
        "float",
        "BPM",
        (20, 400, 20),
        "model",
        "where no host tells the tempo: the slowest to be believed",
    ),
    _control("tempo_high", "float", "BPM", (20, 400, 400), "model", "likewise the fastest"),
    _control(
        "tacet",
        "bool",
        "",
        (0, 1, 0),
        "shell",
        "on: it stops playing, off: it comes in, within `fade`; it listens on",
    ),
    _control("fade", "float", "beats", (0, 32, 2), "shell", "how long stopping and coming in take"),
    _control("mute", "bool", "", (0, 1, 0), "port", "it plays on unheard", (), 20.0),
    _control(
        "intensity",
        "float",
        "",
        (0, 1, 0.5),
        "shell",
        "one knob for softer, darker, fewer notes, or for louder, brighter, more: it moves density, brightness and level",
    ),
    _control(
        "quantise",
        "choice",
        "",
        (0, len(MOMENTS) - 1, 0),
        "session",
        "when changes of what is played act: at once, or when the next beat or bar begins, told or heard",
        MOMENTS,
    ),
    _control("count_in", "trigger", "", (0, 1, 0), "shell", "a bar of clicks, then it comes in on the one"),
    _control(
        "next_section",
        "trigger",
        "",
        (0, 1, 0),
        "session",
        "at the next bar the chart goes on with its next [section]",
    ),
    _control(
        "tap",
        "trigger",
        "",
        (0, 1, 0),
        "session",
        "the beat, from a one: two taps or more tell tempo and beat",
    ),
    _control(
        "quality",
        "choice",
        "",
        (0, len(QUALITIES) - 1, USUAL),
        "model",
        "how much work a step gets, of models that can do with less; a live step that is late twice does with less by itself",
        QUALITIES,
    ),
)
"""The index in this table is the control's number in events; new ones are added at the end."""

BY_NAME = {control.name: control for control in CONTROLS}
INDEX = {control.name: index for index, control in enumerate(CONTROLS)}
TRIGGERS = frozenset(control.name for control in CONTROLS if control.kind == "trigger")
"""They act once: nobody remembers them as set."""


def linear_gain(gain_db: float, mute: float) -> float:
    """What a stem is multiplied by where it is read: the lowest gain is silence, as `mute` (1 or 0) is."""
    return 0.0 if mute or gain_db <= BY_NAME["gain"].minimum else float(10.0 ** (gain_db / 20.0))
