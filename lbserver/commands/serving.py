# SPDX-License-Identifier: GPL-3.0-or-later
"""What `serve`, `fleet` and `jam` share: options of whatever plays for others, and how it is ended."""

import argparse
import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

from lbserver.host.signals import heard


def add_workers(parser: "argparse._ActionsContainer", default: int, what: str) -> None:
    parser.add_argument(
        "--workers", type=int, default=default, metavar="N", help=f"{what} (default: %(default)s)"
    )


def add_keys(parser: "argparse._ActionsContainer", *, key: str, clients: str = "") -> None:
    """`key` says whose; `clients`, what more there is to say of who may connect."""
    parser.add_argument("--key", type=Path, metavar="FILE", help=key)
    parser.add_argument(
        "--clients", type=Path, metavar="DIR", help=f"public keys of those who may connect{clients}"
    )


def add_log_level(parser: "argparse._ActionsContainer") -> None:
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))


def port(text: str) -> int:
    """An argument that is a port's number."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
    return int(text)


def port_or_off(text: str) -> int | None:
    """A port's number, or None for `off`."""
    try:
        return None if text == "off" else port(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error}, or off") from None


def on_signals(loop: asyncio.AbstractEventLoop, end: Callable[[], object]) -> None:
    """Call `end` when the program is told to end. Who started it may have said that a closed terminal is no such word."""
    for number in heard():
        try:
            loop.add_signal_handler(number, end)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(end))
