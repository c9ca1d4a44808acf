# SPDX-License-Identifier: GPL-3.0-or-later
"""What asks a program to end: Ctrl-C, `kill`, a closed terminal; on Windows Ctrl-C and Ctrl-Break."""

import signal

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


def heard() -> tuple[signal.Signals, ...]:
    """Those that reach this process: nohup takes some away."""
    return tuple(number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN)
