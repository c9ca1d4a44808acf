# SPDX-License-Identifier: GPL-3.0-or-later
"""`liveband jam`: play into an audio device, hear the band from another; with keys, levels, and a beat to tap."""

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from lbmodels.contract.stems import STEMS
from lbserver.client.errors import RefusedError, ServerGoneError
from lbserver.commands.style import add_style_options, style_line
from lbserver.errors import LiveBandError
from lbserver.files.plain_json import to_json
from lbserver.host import sound_card
from lbserver.host.logs import shown
from lbserver.host.rundir import find_server
from lbserver.hub.admission import check_name
from lbserver.jam.duplex import DuplexPeer, Figures
from lbserver.jam.jam_session import Seat, SeatConfig, own_server
from lbserver.jam.keys import pressed_keys
from lbserver.jam.page import PORT
from lbserver.jam.sound import Sound, by_device, by_jack
from lbserver.music.conditions import read_knowledge
from lbserver.music.passing import in_words
from lbserver.music.room_beat import tapped, with_tap
from lbserver.protocol.controls import BY_NAME, MOMENTS
from lbserver.protocol.messages import MessageError, control_value
from lbserver.server.serve import ServeConfig
from lbserver.session.knowledge import Told, after_know
from lbserver.transports.ableton_link import LinkClock, open_link

_TOLD = ("bpm", "key", "chart", "classes", "injection")
_LOOK_S = 0.1
_RETRY_S = 1.0
_SWITCH_S = 0.0005  # the interpreter's own 5 ms is as long as a block
_METER_CELLS = 24
_METER_FLOOR_DB = -60.0
_MOMENT = "jam"
_SWITCHES = {"f": "freeze", "l": "listen", "p": "tacet", "m": "mute"}
KEYS = (
    ("q", "quit"),
    ("s", "next stem"),
    ("< >", "mix"),
    ("- +", "gain"),
    ("v V", "variation"),
    ("t", "tap the beat, from a one"),
    ("T", "forget the beat"),
    ("p", "stop, or play"),
    ("m", "mute"),
    ("c", "count in"),
    ("[ ]", "intensity"),
    ("x", "next section"),
    ("a", "changes act at once, or at the next beat or bar"),
    ("n", "another take"),
    ("r", "reset"),
    ("f", "freeze"),
    ("l", "listen"),
    ("k", "keep this moment"),
    ("b", "back to it"),
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `jam` to the commands."""
    parser = commands.add_parser(
        "jam",
        help="play with the band through your audio interface",
        description="Hears an input device and plays the band to an output device. Uses the server that runs, or\n"
        "starts one. Wear headphones: a band that hears itself from the loudspeakers follows itself.",
        epilog="keys: " + "; ".join(f"{key} {what}" for key, what in KEYS) + "\n\n"
        "examples:\n  liveband jam --list\n  liveband jam --stem bass\n  liveband jam --browser\n"
        "  liveband jam --session stage --jack\n"
        "  liveband jam --input Scarlett --output Scarlett --block 128 --bpm 96 --key Am --mix 0.7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--session",
        metavar="NAME",
        help="what it is called, for OSC, scripts and `top` (default: jam-<number>)",
    )
    parser.add_argument(
        "--jack",
        action="store_true",
        help="be the client LiveBand of JACK or PipeWire, connected to nothing: patch it as you like",
    )
    parser.add_argument(
        "--connect", action="store_true", help="with --jack: to the machine's inputs and outputs"
    )
    parser.add_argument("--list", action="store_true", help="list the audio devices and exit")
    parser.add_argument("--input", metavar="DEV", help="number or part of the name (default: the system's)")
    parser.add_argument("--output", metavar="DEV", help="number or part of the name (default: the system's)")
    parser.add_argument("--rate", type=int, metavar="HZ", help="sample rate (default: the output device's)")
    parser.add_argument(
        "--block",
        type=int,
        default=256,
        metavar="N",
        help="samples a block; smaller is quicker (default: %(default)s)",
    )
    parser.add_argument("--stem", default="bass", choices=STEMS, help="what is played (default: %(default)s)")
    parser.add_argument("--mode", default="live", choices=("live", "aligned"), help="default: %(default)s")
    parser.add_argument(
        "--mix",
        type=float,
        default=1.0,
        metavar="X",
        help="0 only you, 1 only the band (default: %(default)s)",
    )
    parser.add_argument(
        "--gain", type=float, default=0.0, metavar="DB", help="of the band (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another number, another take")
    parser.add_argument("--bpm", type=float, metavar="BPM", help="tempo, if you know it; or tap it with t")
    parser.add_argument("--key", metavar="KEY", help="C, Am, F#m, 'Bb major' ...")
    parser.add_argument(
        "--chart", metavar="BARS", help="bar chart that repeats: '| C | Am F | G |' (with --bpm)"
    )
    add_style_options(parser)
    parser.add_argument(
        "--classes", metavar="LIST", help="of a model that plays a whole band: --classes='-drums +bass ...'"
    )
    parser.add_argument(
        "--injection",
        metavar="HOW",
        help="of a model that hears itself, how you get into its past: off, free, 'looper 8 beats, gain -6 dB'",
    )
    parser.add_argument("--link", action="store_true", help="follow tempo and beat of Ableton Link")
    parser.add_argument("--model", metavar="NAME", help="if a server must be started")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="end after so long (default: until q or Ctrl-C)"
    )
    parser.add_argument("--json", action="store_true", help="no screen; print a report, or the list, as JSON")
    parser.add_argument(
        "--browser",
        action="store_true",
        help="a page instead: microphone, file or another tab's sound; it shows the server too",
    )
    parser.add_argument(
        "--page-port",
        type=int,
        default=PORT,
        metavar="N",
        help="of the page, 0 for any (default: %(default)s)",
    )
    parser.set_defaults(
        run=run,
        needs={"page_port": ("browser",), "connect": ("jack",)},
        excludes={
            "browser": ("list", "input", "output", "rate", "block", "link", "jack", "session"),
            "jack": ("input", "output", "rate", "block", "list"),
        },
    )


def run(parsed: argparse.Namespace) -> int:
    """The command; returns the exit code: 1 when the device stopped by itself."""
    if parsed.browser:
        from lbserver.commands.jam_page import run_page

        return run_page(parsed)
    with ExitStack() as sound_stack:
        if parsed.jack:
            sound = by_jack(sound_stack)
        else:
            library = sound_card.load_sounddevice()
            found = sound_card.list_devices(library)
            if parsed.list:
                _print_devices(found, as_json=parsed.json)
                return 0
            sound = by_device(
                library, found, sound_card.plan(found, parsed.input, parsed.output, parsed.rate, parsed.block)
            )
        return _jam(parsed, sound)


def _jam(parsed: argparse.Namespace, sound: Sound) -> int:
    seat_config = _checked(parsed, sound)
    peer = DuplexPeer(rate_hz=sound.rate_hz, out_channels=sound.out_channels)
    seat = Seat(seat_config, peer)
    for name in ("mix", "gain"):
        seat.set(name, control_value(name, getattr(parsed, name)))
    with ExitStack() as stack:
        if find_server() is None:
            print("starting the band ...", file=sys.stderr)
            stack.enter_context(own_server(ServeConfig(model=parsed.model)))
        link = stack.enter_context(open_link()) if parsed.link else None
        seat.take()
        for text in seat.refused:
            print(f"liveband: {text}", file=sys.stderr)
        stack.callback(seat.leave)
        stack.enter_context(_quick_switching())
        stream = sound.open(stack, peer.callback)
        stream.start()
        if parsed.connect:
            stream.connect()
        screen = Screen(seat, peer, sound.names, quiet=parsed.json)
        ended_by_itself = False
        with suppress(KeyboardInterrupt):
            ended_by_itself = _play(stream, seat, peer, screen, link, parsed.seconds)
    figures = peer.figures()
    if parsed.json:
        print(to_json(report(seat, figures, screen.status)))
    else:
        print(_farewell(figures))
    return 1 if ended_by_itself else 0


def report(seat: Seat, figures: Figures, status: Mapping[str, Any]) -> dict[str, Any]:
    """What was played, for scripts; NaN becomes null."""
    known = {name: None if value != value else value for name, value in status.items()}
    return {
        "session": seat.config.session,
        "model": seat.model,
        "opened": {
            name: value for name, value in seat.opened.items() if name not in ("type", "id", "session")
        },
        "device": asdict(figures),
        "status": known,
    }


class Player:
    """The keys' meaning: turns a key into controls of a seat. `message` is what to show for it."""

    def __init__(self, seat: Seat, peer: DuplexPeer, values: Mapping[str, float | str]) -> None:
        self.message = ""
        self._seat, self._peer = seat, peer
        self._values: dict[str, float] = {
            name: control_value(name, values.get(name, BY_NAME[name].default))
            for name in (
                "stem",
                "mix",
                "gain",
                "variation",
                "seed",
                "freeze",
                "listen",
                "tacet",
                "mute",
                "intensity",
                "quantise",
            )
        }
        self._taps: tuple[float, ...] = ()

    def press(self, key: str, now_s: float) -> bool:
        """Do what the key means; False for quit. A refusal of the server becomes the message."""
        self.message = ""
        try:
            return self._press(key, now_s)
        except (RefusedError, MessageError) as error:
            self.message = str(error)
            return True

    def _press(self, key: str, now_s: float) -> bool:
        steps = {"<": ("mix", -0.1), ">": ("mix", 0.1), "-": ("gain", -1.0), "+": ("gain", 1.0), "=": ("gain", 1.0),
                 "v": ("variation", -0.1), "V": ("variation", 0.1),
                 "[": ("intensity", -0.1), "]": ("intensity", 0.1)}  # fmt: skip
        if key == "q":
            return False
        if key in steps:
            self._step(*steps[key])
        elif key == "s":
            self._next_stem()
        elif key == "n":
            self._set("seed", self._values["seed"] + 1, f"{self._values['seed'] + 1:.0f}")
        elif key in _SWITCHES:
            name = _SWITCHES[key]
            on = 1.0 - self._values[name]
            self._set(name, on, "on" if on else "off")
        elif key == "r":
            self._seat.set("reset", 1)
            self.message = "begun anew"
        elif key == "a":
            number = (int(self._values["quantise"]) + 1) % len(MOMENTS)
            self._set("quantise", number, MOMENTS[number].replace("_", " "))
        elif key == "c":
            self._seat.set("count_in", 1)
            self._values["tacet"] = 0.0
            self.message = "a bar of clicks, then it comes in"
        elif key == "x":
            self._seat.set("next_section", 1)
            self.message = "the next section, at the next bar"
        elif key == "k":
            self._seat.keep(_MOMENT)
            self.message = "this moment is kept: b brings it back"
        elif key == "b":
            self._seat.recall(_MOMENT)
            self.message = "back at the kept moment"
        elif key == "t":
            self._tap(now_s)
        elif key == "T":
            self._taps = ()
            self._peer.follow(None)
            self.message = "the beat is forgotten"
        return True

    def _next_stem(self) -> None:
        number = int(self._values["stem"] + 1) % len(STEMS)
        self._seat.set("stem", STEMS[number])
        self._values["stem"] = number
        self.message = STEMS[number]

    def _step(self, name: str, by: float) -> None:
        control = BY_NAME[name]
        value = round(min(max(self._values[name] + by, control.minimum), control.maximum), 6)
        self._set(name, value, f"{value:g} {control.unit}".strip())

    def _set(self, name: str, value: float, text: str) -> None:
        self._seat.set(name, value)
        self._values[name] = value
        self.message = f"{name} {text}"

    def _tap(self, now_s: float) -> None:
        self._taps = with_tap(self._taps, now_s)
        beat = tapped(self._taps)
        if beat is None:
            self.message = "tap on, this was the one"
        else:
            self._peer.follow(beat)
            self.message = f"{beat.bpm:.1f} bpm"


class Screen:
    """What a player sees. `status` is the session's last."""

    def __init__(self, seat: Seat, peer: DuplexPeer, devices: str, *, quiet: bool) -> None:
        self.status: Mapping[str, Any] = {}
        self.quiet = quiet
        self._seat, self._peer, self._devices = seat, peer, devices

    def render(self, figures: Figures, message: str) -> RenderableType:
        """All of it."""
        opened, status = self._seat.opened, self.status
        rate_hz = self._seat.config.rate_hz
        head = Text.assemble(
            (" LiveBand ", "bold reverse"),
            f"  {self._devices}   {rate_hz} Hz, blocks of {self._seat.config.block_samples}",
        )
        if self._seat.taken:
            state = str(status.get("state", "opening"))
            style = (
                "green" if state == "playing" else "cyan" if state in ("opening", "listening") else "yellow"
            )
            ahead_ms = 1000.0 * opened["anticipation_samples"] / rate_hz
            line = Text.assemble(
                ("  ● ", style), f"{state}   {self._seat.controls['stem']}, by {self._seat.model}   ",
                f"writes {ahead_ms:.0f} ms ahead, latency {1000 * opened['latency_samples'] / rate_hz:.1f} ms, ",
                f"your interface adds {figures.device_latency_ms:.1f} ms",
            )  # fmt: skip
        else:
            line = Text(
                f"  ● {self._seat.lost or 'no band yet'}: you hear yourself; trying again", style="red"
            )
        counts = Text.assemble(
            "  device dropouts ", _count(figures.xruns), "   slow callbacks ", _count(figures.slow_blocks),
            "   late frames ", _count(int(status.get("late_frames", 0))),
            f"   callback load {100 * figures.load:.0f} %",
        )  # fmt: skip
        parts: list[RenderableType] = [
            head, line, Text(f"  {in_words(status)}"), _meter("you", figures.peak_in_db), _meter("band", figures.peak_band_db), _meter("out", figures.peak_out_db),
            counts,
        ]  # fmt: skip
        for text in (status.get("reason", ""), figures.last_fault):
            if text:
                parts.append(Text(f"  {shown(text, 200)}", style="yellow"))
        keys = "   ".join(f"{key} {what}".replace(" ", "\N{NO-BREAK SPACE}") for key, what in KEYS)
        return Group(
            *parts, Text(f"  {message}", style="bold"), Padding(Text(keys, style="dim"), (0, 0, 0, 2))
        )


def _play(
    stream: Any, seat: Seat, peer: DuplexPeer, screen: Screen, link: LinkClock | None, seconds: float | None
) -> bool:
    """Until the player has had enough; True when the device stopped by itself."""
    begun_s, tried_s = time.monotonic(), float("-inf")
    console = Console(stderr=True)
    player = Player(seat, peer, {"stem": seat.config.stem, "seed": seat.config.seed, **seat.controls})
    note = "" if console.is_terminal else "not a terminal: Ctrl-C ends it"
    with pressed_keys() as keys, Live(console=console, auto_refresh=False, transient=True) as live:
        while seconds is None or time.monotonic() - begun_s < seconds:
            for key in keys(_LOOK_S):
                if not player.press(key, time.perf_counter()):
                    return False
                note = player.message or note
            if not stream.active:
                print("liveband: the audio device stopped", file=sys.stderr)
                return True
            if link is not None:
                peer.follow(link.beat())
                note = link.describe()
            if not seat.taken and time.monotonic() - tried_s > _RETRY_S:
                tried_s = time.monotonic()
                with _forgiving(seat):
                    seat.take()
                    note = "; ".join(seat.refused) or note
            screen.status = seat.status() or screen.status
            if not screen.quiet and console.is_terminal:
                live.update(screen.render(peer.figures(), note), refresh=True)
    return False


@contextmanager
def _forgiving(seat: Seat) -> Iterator[None]:
    """A server that is not back yet is no reason to stop playing."""
    try:
        yield
    except (ServerGoneError, RefusedError) as error:
        seat.lost = str(error)


def _checked(parsed: argparse.Namespace, sound: Sound) -> SeatConfig:
    """The session to open. Raises LiveBandError for values that cannot be."""
    if parsed.session is not None:
        check_name(parsed.session)
    if not 16 <= parsed.block <= 8192:
        raise LiveBandError(f"--block {parsed.block} is out of range: 16 to 8192 samples")
    if parsed.seconds is not None and parsed.seconds <= 0:
        raise LiveBandError(f"--seconds {parsed.seconds:g} must be positive")
    read_knowledge(bpm=parsed.bpm, key=parsed.key)
    knows = {name: value for name in _TOLD if (value := getattr(parsed, name)) is not None}
    after_know(Told(), {name: knows[name] for name in ("classes", "injection") if name in knows})
    if line := style_line(parsed):
        knows["style"] = line
    if parsed.chart is not None and parsed.bpm is None:
        raise LiveBandError("--chart counts bars, so it needs --bpm")
    return SeatConfig(
        session=parsed.session or f"jam-{os.getpid()}",
        rate_hz=sound.rate_hz,
        channels=sound.in_channels,
        block_samples=sound.block_samples,
        stem=parsed.stem,
        mode=parsed.mode,
        seed=parsed.seed,
        knows=knows,
    )


@contextmanager
def _quick_switching() -> Iterator[None]:
    """The audio thread must not wait long for the others to let go of the interpreter, nor for the collector."""
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        sys.setswitchinterval(before_s)


def _meter(name: str, peak_db: float) -> Text:
    share = min(1.0, max(0.0, 1.0 - peak_db / _METER_FLOOR_DB))
    cells = round(share * _METER_CELLS)
    style = "red" if peak_db > -0.5 else "yellow" if peak_db > -6 else "green"
    level = f"{peak_db:6.1f} dB" if peak_db > _METER_FLOOR_DB else "  silent"
    return Text.assemble(
        f"  {name:<5}", ("█" * cells + " " * (_METER_CELLS - cells), f"{style} on grey23"), f" {level}"
    )


def _count(value: int) -> Text:
    return Text(str(value), style="bold red" if value else "dim")


def _print_devices(found: sound_card.Devices, *, as_json: bool) -> None:
    if as_json:
        print(to_json(asdict(found)))
        return
    if not found.devices:
        print(
            "no audio devices are seen: connect one, or start the sound server (PipeWire, PulseAudio, JACK)"
        )
    for device in found.devices:
        marks = [
            *(["default input"] if device.index == found.default_input else []),
            *(["default output"] if device.index == found.default_output else []),
        ]
        print(
            f"{device.index:3}  {device.name}  ({device.api}; {device.inputs} in, {device.outputs} out, "
            f"{device.rate_hz:.0f} Hz{''.join(f'; {mark}' for mark in marks)})"
        )


def _farewell(figures: Figures) -> str:
    lost = f"{figures.xruns} dropouts of the device, {figures.slow_blocks} slow callbacks"
    advice = ""
    if figures.xruns or figures.slow_blocks:
        advice = "; a larger --block helps, and nothing else running"
    return f"{figures.samples} samples in {figures.blocks} blocks, {lost}{advice}"
