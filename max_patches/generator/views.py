# SPDX-License-Identifier: GPL-3.0-or-later
"""The patches: through `vst~`, by OSC, through the sidecar, and the device for Live. Each a function that gives a board."""

from collections.abc import Callable

from lbserver.protocol import osc
from lbserver.protocol.controls import CONTROLS, ControlInfo
from lbserver.protocol.status import BY_NAME as STATUS
from max_patches.generator import widgets
from max_patches.generator.board import DIM, INK, LIT, Board, Node

HOST_ROWS = 13
"""Controls that stand before the plug-in's own parameters; the others stand behind them. As plugin_shim/juce/Controls.cpp."""
OWN_PARAMETERS = ("bypass", "bpm", "position", "beats_per_bar", "when_lost")

SHOWN = ("state", "reason", "tempo", "beat", "heard_tempo", "heard_chord", "headroom_ms", "late_frames")
"""Status figures on stage; the others are in the sidecar's outlet all the same."""

_LEFT, _TOP = 20.0, 78.0
_COLUMNS = 6


def plugin_number(control: ControlInfo) -> int:
    """The parameter's number in `vst~`, from 1."""
    row = CONTROLS.index(control)
    return row + 1 + (len(OWN_PARAMETERS) if row >= HOST_ROWS else 0)


def _heading(board: Board, title: str, line: str) -> None:
    board.label(title, (_LEFT, 12.0, 420.0, 30.0), size=20.0, colour=INK)
    board.label(line, (_LEFT, 44.0, board.size[0] - 2 * _LEFT, 22.0), size=12.0)


def _cell(index: int, top: float) -> tuple[float, float]:
    width, height = widgets.CELL
    return _LEFT + (index % _COLUMNS) * width, top + (index // _COLUMNS) * height


def _rows(count: int) -> float:
    return -(-count // _COLUMNS) * widgets.CELL[1]


def _session(board: Board, x: float, y: float, name: str = "*") -> Node:
    """Which session is meant; `*` is every one. Its value goes to all that ask for it."""
    board.label("session (* is all)", (x, y, 140.0, 20.0), size=11.0)
    typed = widgets.entry(board, "session", (x, y + 22.0, 140.0, 24.0), name)
    board.wire(typed, board.box(f"s {board.own}session"))
    return typed


def _server(board: Board) -> Node:
    """Where messages go out to the server. What the widgets say while the patch loads stays inside: it would set every
    session on this machine to the patch's first values.
    """
    gate = board.box("gate 1 0")
    board.chain(board.box("loadbang"), board.box("delay 1000"), board.message("1"), gate)
    board.wire(gate, board.box(f"udpsend 127.0.0.1 {osc.PORT}"))
    return gate


def _addressed(board: Board, source: Node, what: str, target: Node, *, outlet: int = 0) -> None:
    """`source` goes to `/lb/<session>/what`, at first of every session."""
    prefix = board.box(f"prepend /lb/*/{what}")
    board.wire(source, prefix, outlet=outlet)
    board.chain(board.box(f"r {board.own}session"), board.box(f"sprintf set /lb/%s/{what}"), prefix)
    board.wire(prefix, target, inlet=1)


Tell = Callable[[Node, str], None]
"""`tell(source, what)`: what a box gives goes to the session as `what`."""


def _music(board: Board, tell: Tell, top: float) -> None:
    """What a performer tells: chart, chord, key, tempo, beat one, a moment to keep and to recall."""
    width = board.size[0] - 2 * _LEFT
    board.label("chart, such as | C | Am / F / | G7 |", (_LEFT, top, 300.0, 20.0), size=11.0)
    half = (width - 10.0) / 2
    tell(widgets.entry(board, "chart", (_LEFT, top + 22.0, half, 26.0)), "chart")
    board.label("style, such as upright bass", (_LEFT + half + 10.0, top, 300.0, 20.0), size=11.0)
    tell(widgets.entry(board, "style", (_LEFT + half + 10.0, top + 22.0, half, 26.0)), "style")
    x, y = _LEFT, top + 56.0
    for name, wide in (("chord", 120.0), ("key", 100.0)):
        board.label(f"{name} now", (x, y, wide, 20.0), size=11.0)
        tell(widgets.entry(board, name, (x, y + 22.0, wide, 24.0)), name)
        x += wide + 10.0
    board.label("tempo (0 forgets)", (x, y, 110.0, 20.0), size=11.0)
    tell(widgets.number(board, "tempo", (x, y + 22.0, 110.0, 24.0), (0.0, 400.0, 0.0)), "tempo")
    x += 120.0
    one = widgets.button(board, "one", (x, y + 22.0, 70.0, 24.0))
    board.label("beat one", (x, y, 70.0, 20.0), size=11.0)
    downbeat = board.message("1")
    board.wire(one, downbeat)
    tell(downbeat, "beat")
    x += 80.0
    for name in ("keep", "recall"):
        board.label(f"{name} a moment", (x, y, 94.0, 20.0), size=11.0)
        tell(widgets.entry(board, name, (x, y + 22.0, 90.0, 24.0), name), name)
        x += 96.0


def _status(board: Board, source: Node, top: float, *, outlet: int = 0, columns: int = 4) -> None:
    """Figures that the sidecar gives as `status <name> <value>`; and what was wrong, in words."""
    kinds = board.box("route status link error")
    board.wire(source, kinds, outlet=outlet)
    names = board.box("route " + " ".join(SHOWN))
    board.wire(kinds, names)
    width = (board.size[0] - 2 * _LEFT) / columns
    for index, name in enumerate(SHOWN):
        x, y = _LEFT + (index % columns) * width, top + (index // columns) * 44.0
        unit = STATUS[name].unit
        board.label(widgets.title(name.removesuffix("_ms")) + (f" ({unit})" if unit else ""),
                    (x, y, width - 8.0, 18.0), size=11.0)  # fmt: skip
        figure = board.label("-", (x, y + 18.0, width - 8.0, 24.0), size=15.0, colour=LIT)
        put = board.box("prepend set")
        board.wire(names, put, outlet=index)
        board.wire(put, figure)
    below = top + -(-len(SHOWN) // columns) * 44.0
    for index, (word, colour) in enumerate((("link", DIM), ("error", (0.95, 0.55, 0.40, 1.0)))):
        line = board.label(f"{word}: -", (_LEFT, below + 22.0 * index, board.size[0] - 2 * _LEFT, 20.0),
                           size=12.0, colour=colour)  # fmt: skip
        put = board.box("prepend set")
        board.wire(kinds, put, outlet=1 + index)
        board.wire(put, line)


_STATUS_HEIGHT = 2 * 44.0 + 2 * 22.0


def through_plugin() -> Board:
    """`liveband~`: the plug-in in `vst~`, Max's transport, the chord line by OSC, cues at the last outlet."""
    top = _TOP + _rows(len(CONTROLS)) + 10.0
    board = Board(
        "liveband~",
        (664.0, top + 192.0),
        "The LiveBand plug-in in vst~, with Max's transport and a chord line",
    )
    _heading(board, "LiveBand", "audio through the plug-in; Max's transport is the band's")
    sound = board.box("vst~ 2 2 LiveBand")
    for side, name in enumerate(("left", "right")):
        board.wire(board.box("inlet~", comment=f"{name} of what the band hears"), sound, inlet=side)
        board.wire(sound, board.box("outlet~", comment=f"{name} of the band"), outlet=side)
    told = board.box("inlet", comment="a control and its value, or open")
    board.chain(board.box("loadbang"), board.message("plug_vst3 LiveBand"), sound)
    names = board.box("route " + " ".join(control.name for control in CONTROLS) + " open")
    board.wire(told, names)
    opener = board.message("open")
    board.wire(widgets.button(board, "window", (524.0, 16.0, 120.0, 26.0)), opener)
    board.wire(names, opener, outlet=len(CONTROLS))
    board.wire(opener, sound)
    for index, control in enumerate(CONTROLS):
        if index % 6 == 0:
            board.column()
        widget = widgets.control(board, control, *_cell(index, _TOP))
        board.wire(names, widget, outlet=index)
        number = board.box(f"prepend {plugin_number(control)}")
        if control.kind in ("bool", "trigger"):
            fraction = board.message("1.") if control.kind == "trigger" else board.box("expr float($f1)")
        else:
            fraction = board.box(f"scale {control.minimum:g} {widgets.largest(control):.8g} 0. 1.")
        board.chain(widget, fraction, number, sound)
    board.column()
    _plugin_transport(board, top)
    board.column()
    send = _server(board)
    board.label("chart, such as | C | Am / F / | G7 |", (_LEFT, top + 56.0, 300.0, 20.0), size=11.0)
    _addressed(board, widgets.entry(board, "chart", (_LEFT, top + 78.0, 307.0, 26.0)), "chart", send)
    board.label("style, such as upright bass", (_LEFT + 317.0, top + 56.0, 300.0, 20.0), size=11.0)
    _addressed(board, widgets.entry(board, "style", (_LEFT + 317.0, top + 78.0, 307.0, 26.0)), "style", send)
    x = _LEFT
    for name, wide in (("chord", 120.0), ("key", 100.0), ("keep", 100.0), ("recall", 100.0)):
        board.label(
            name + (" now" if name in ("chord", "key") else " a moment"),
            (x, top + 112.0, wide, 20.0),
            size=11.0,
        )
        _addressed(board, widgets.entry(board, name, (x, top + 134.0, wide, 24.0)), name, send)
        x += wide + 10.0
    _session(board, x, top + 112.0)
    return board


def _plugin_transport(board: Board, top: float) -> None:
    """Play, tempo and beats of Max's own transport, which `vst~` passes on; bar and beat as cues."""
    transport = board.box("transport")
    board.wire(
        widgets.toggle(board, "transport", (_LEFT, top + 20.0, 90.0, 30.0), ("play", "stop")), transport
    )
    board.label("tempo (bpm)", (_LEFT + 100.0, top, 100.0, 20.0), size=11.0)
    tempo = widgets.number(board, "tempo", (_LEFT + 100.0, top + 22.0, 100.0, 26.0), (20.0, 400.0, 120.0))
    board.chain(tempo, board.box("prepend tempo"), transport)
    board.label("beats per bar", (_LEFT + 210.0, top, 90.0, 20.0), size=11.0)
    beats = widgets.number(board, "beats_per_bar", (_LEFT + 210.0, top + 22.0, 90.0, 26.0), (1, 16, 4))
    metre = board.message("timesig $1 4")
    board.chain(beats, metre, transport)
    clock = board.box("metro 4n @active 1 @quantize 4n")
    board.wire(clock, transport)
    cues = board.box("outlet", comment="cues: bar n, beat n")
    for outlet, (name, x) in enumerate((("bar", 330.0), ("beat", 450.0))):
        board.label(name, (x, top, 100.0, 20.0), size=11.0)
        figure = board.label("-", (x, top + 20.0, 110.0, 34.0), size=26.0, colour=LIT)
        fresh, put, cue = board.box("change"), board.box("prepend set"), board.box(f"prepend {name}")
        board.wire(transport, fresh, outlet=outlet)
        board.chain(fresh, put, figure)
        board.chain(fresh, cue, cues)


def by_osc() -> Board:
    """`liveband.osc`: every control and all that can be told from Max's own port, answers at the sidecar's port."""
    steered = [control for control in CONTROLS if control.acts != "epoch"]
    session = _TOP + _rows(len(steered))
    music = session + 56.0
    status = music + 112.0
    board = Board(
        "liveband.osc", (664.0, status + _STATUS_HEIGHT + 12.0), "A session steered and watched by OSC"
    )
    _heading(
        board, "LiveBand by OSC", "steers what plays on this machine: a plug-in's session, jam's, a script's"
    )
    send = _server(board)
    for index, control in enumerate(steered):
        if index % 5 == 0:
            board.column()
        _addressed(board, widgets.control(board, control, *_cell(index, _TOP)), f"set/{control.name}", send)
    panic = board.message("/lb/panic")
    board.wire(widgets.button(board, "panic", (554.0, 16.0, 90.0, 26.0)), panic)
    board.wire(panic, send, inlet=1)
    board.column()
    listener = board.box("node.script liveband.listen.js @autostart 1 @watch 0")
    board.chain(_session(board, _LEFT, session), board.box("prepend session"), listener)
    _music(board, lambda source, what: _addressed(board, source, what, send), music)
    board.column()
    _status(board, listener, status)
    return board


def remote() -> Board:
    """`liveband.remote`: the sidecar sends the mix and writes the stem into a `buffer~` ahead of the playhead."""
    steered = [control for control in CONTROLS if control.acts != "epoch"]
    window = _TOP + 56.0
    controls = window + 80.0
    counts = controls + _rows(len(steered)) + 4.0
    music = counts + 48.0
    status = music + 112.0
    board = Board("liveband.remote", (664.0, status + _STATUS_HEIGHT + 12.0),
                  "A band on another machine, written into a buffer~ ahead of the playhead")  # fmt: skip
    _heading(board, "LiveBand, remote", "the band plays elsewhere and writes ahead of the playhead")
    side = board.box("node.script liveband.remote.js @autostart 1 @watch 0")

    def tell(source: Node, what: str, outlet: int = 0) -> None:
        prefix = board.box(f"prepend {what}")
        board.wire(source, prefix, outlet=outlet)
        board.wire(prefix, side)

    tell(widgets.button(board, "panic", (456.0, 16.0, 90.0, 26.0)), "panic")
    tell(widgets.toggle(board, "run", (554.0, 16.0, 90.0, 26.0), ("start", "stop")), "run")
    x = _LEFT
    for name, first, wide in (
        ("host", "127.0.0.1", 150.0),
        ("port", str(osc.PORT), 70.0),
        ("session", "max", 110.0),
    ):
        board.label(name, (x, _TOP, wide, 20.0), size=11.0)
        tell(widgets.entry(board, name, (x, _TOP + 22.0, wide, 24.0), first), name)
        x += wide + 8.0
    board.label("protocol", (x, _TOP, 100.0, 20.0), size=11.0)
    tell(widgets.menu(board, "protocol", (x, _TOP + 22.0, 100.0, 24.0), PROTOCOLS), "protocol", 1)
    for index, (name, meaning, span) in enumerate(WINDOW):
        left = _LEFT + index * 156.0
        board.label(f"{name}: {meaning}", (left, window, 148.0, 20.0), size=11.0)
        tell(widgets.number(board, f"window_{name}", (left, window + 22.0, 148.0, 26.0), span), name)
    board.label("a step is r x T long and is written w steps ahead; a change acts at the next step",
                (_LEFT, window + 52.0, 624.0, 20.0), size=11.0)  # fmt: skip
    board.column()
    for index, control in enumerate(steered):
        if index % 8 == 7:
            board.column()
        tell(widgets.control(board, control, *_cell(index, controls)), f"set {control.name}")
    board.column()
    replies = board.box("route write counts")
    board.wire(side, replies)
    _buffers(board, side, replies)
    _counts(board, replies, counts)
    board.column()
    _music(board, tell, music)
    board.column()
    _status(board, replies, status, outlet=2)
    return board


PROTOCOLS = ("liveband", "rtap")
"""What the sidecar speaks: LiveBand's own OSC, or that of the published Max patch."""
WINDOW = (
    ("w", "look-ahead (steps)", (-1, 1, 1)),
    ("r", "step (of T)", (0.015625, 0.5, 0.125)),
    ("T", "context (s)", (0.5, 12.0, 2.0)),
    ("fade", "cross-fade (ms)", (0.0, 100.0, 20.0)),
)
"""The window of the remote mode: name, meaning, and least, greatest, first value."""
COUNTS = ("batch", "on_time", "partial", "late", "dropped", "lost_packets", "late_packets", "refused")
"""What the sidecar counts, in the order in which `counts` gives it."""
RING_SECONDS = 20
"""Length of both buffers: a playhead in samples stays exact in 32 bits at 192 kHz."""


def _buffers(board: Board, side: Node, replies: Node) -> None:
    """Two rings under one playhead: the mix is written where it stands, the stem is read there, and written ahead."""
    length_ms = 1000 * RING_SECONDS
    for name in ("mix", "stem"):
        board.box(f"buffer~ {board.own}{name} {length_ms} 2")
    rate, ring = board.box("dspstate~"), board.box(f"expr int($f1 * {RING_SECONDS})")
    playhead, limits = board.box("count~ 0 0 1 1"), board.message("0 $1 1 1")
    board.chain(board.box("loadbang"), rate)
    board.wire(rate, ring, outlet=1)
    board.chain(ring, limits, playhead)
    scribe = board.box(f"js liveband.buffer.js {board.own}mix {board.own}stem")
    tell_rate = board.box("prepend rate")
    board.wire(rate, tell_rate, outlet=1)
    board.wire(tell_rate, scribe)
    board.wire(tell_rate, side)
    place, clock = board.box("snapshot~ 10"), board.box("prepend playhead")
    board.chain(playhead, place, clock, scribe, side)
    write = board.box("prepend write")
    board.chain(replies, write, scribe)
    for channel, name in enumerate(("left", "right"), 1):
        heard = board.box("inlet~", comment=f"{name} of what the band hears")
        tape, reel = (
            board.box(f"poke~ {board.own}mix {channel}"),
            board.box(f"index~ {board.own}stem {channel}"),
        )
        board.wire(heard, tape)
        board.wire(playhead, tape, inlet=1)
        board.wire(playhead, reel)
        board.wire(reel, board.box("outlet~", comment=f"{name} of the band"))


def _counts(board: Board, replies: Node, top: float) -> None:
    """How the batches fared."""
    figures = board.box("unpack" + " i" * len(COUNTS))
    board.wire(replies, figures, outlet=1)
    width = (board.size[0] - 2 * _LEFT) / len(COUNTS)
    for index, name in enumerate(COUNTS):
        x = _LEFT + index * width
        board.label(widgets.title(name), (x, top, width - 6.0, 18.0), size=11.0)
        figure = board.label("-", (x, top + 18.0, width - 6.0, 24.0), size=15.0, colour=LIT)
        put = board.box("prepend set")
        board.wire(figures, put, outlet=index)
        board.wire(put, figure)


def device() -> Board:
    """`LiveBand Control`: a device for Live whose automation steers the sessions on this machine; audio passes."""
    steered = [control for control in CONTROLS if control.acts != "epoch"]
    columns = -(-len(steered) // 2)
    board = Board("LiveBand Control", (20.0 + columns * widgets.CELL[0] + 270.0, 169.0),
                  "Live's automation for the band", own="---")  # fmt: skip
    through, out = board.box("plugin~"), board.box("plugout~")
    for side in range(2):
        board.wire(through, out, outlet=side, inlet=side)
    send = _server(board)
    for index, control in enumerate(steered):
        if index % 5 == 0:
            board.column()
        x, y = 10.0 + (index % columns) * widgets.CELL[0], 4.0 + (index // columns) * 82.0
        _addressed(board, widgets.control(board, control, x, y), f"set/{control.name}", send)
    board.column()
    x = 16.0 + columns * widgets.CELL[0]
    board.label("LiveBand", (x, 4.0, 110.0, 26.0), size=16.0, colour=INK)
    _session(board, x + 110.0, 4.0)
    board.label("chart", (x, 56.0, 100.0, 20.0), size=11.0)
    _addressed(board, widgets.entry(board, "chart", (x, 76.0, 250.0, 24.0)), "chart", send)
    for index, name in enumerate(("chord", "key", "style")):
        left = x + index * 84.0
        board.label(f"{name} now", (left, 106.0, 80.0, 20.0), size=11.0)
        _addressed(board, widgets.entry(board, name, (left, 126.0, 80.0, 24.0)), name, send)
    return board


VIEWS = {"liveband~": through_plugin, "liveband.osc": by_osc, "liveband.remote": remote}
"""Patches of the package by name."""
