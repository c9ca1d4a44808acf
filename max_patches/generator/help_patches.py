# SPDX-License-Identifier: GPL-3.0-or-later
"""Help patches and the example: one that sounds, with its steps in words."""

from max_patches.generator.board import INK, Board

_STEPS = {
    "liveband~": ("1  run: liveband serve", "2  run: liveband plugin install, then restart Max", "3  turn audio on: the button below",
                  "4  double-click liveband~, press play, and play"),
    "liveband.osc": ("1  run: liveband serve", "2  let something play: liveband jam, or a plug-in",
                     "3  double-click liveband.osc and move a dial"),
    "liveband.remote": ("1  run: liveband serve, here or on another machine", "2  double-click liveband.remote, type the host",
                        "3  turn audio on: the button below", "4  press start, and play"),
}  # fmt: skip


def _sounding(title: str, steps: tuple[str, ...], text: str, inlets: int, outlets: str) -> Board:
    board = Board(title, (520.0, 120.0 + 26.0 * len(steps) + 120.0), f"How {text} is played")
    board.label(text, (20.0, 12.0, 480.0, 30.0), size=20.0, colour=INK)
    for index, step in enumerate(steps):
        board.label(step, (20.0, 52.0 + 26.0 * index, 480.0, 22.0), size=13.0)
    y = 70.0 + 26.0 * len(steps)
    patch = board.show("newobj", (20.0, y + 60.0, 160.0, 24.0), inlets, outlets, text=text, fontsize=13.0)
    if "~" in outlets:
        microphone = board.box("adc~")
        speaker = board.show("ezdac~", (20.0, y, 45.0, 45.0), 2, "")
        for side in range(2):
            board.wire(microphone, patch, outlet=side, inlet=side)
            board.wire(patch, speaker, outlet=side, inlet=side)
    else:
        board.wire(board.box("loadbang"), patch)
    return board


def _help(name: str) -> Board:
    inlets, outlets = {"liveband~": (3, "~~-"), "liveband.remote": (2, "~~"), "liveband.osc": (1, "")}[name]
    return _sounding(f"{name} help", _STEPS[name], name, inlets, outlets)


HELP = {name: lambda name=name: _help(name) for name in _STEPS}
"""Help patches by the patch they are for."""


def play_along() -> Board:
    """The example: microphone, band, loudspeaker."""
    return _sounding(
        "play along",
        (*_STEPS["liveband~"], "use headphones: the band hears your microphone"),
        "liveband~",
        3,
        "~~-",
    )
