# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors a user can act on."""


class LiveBandError(ValueError):
    """Something the user gave or the machine refused; the message is one line: what was wrong, what is accepted.

    The command line prints it as `liveband: error: <message>` and exits with code 2.
    """
