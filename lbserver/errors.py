# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors a user can act on."""

import errno


class LiveBandError(ValueError):
    """Something the user gave or the machine refused; the message is one line: what was wrong, what is accepted.

    The command line prints it as `liveband: error: <message>` and exits with code 2. `code` is what front ends are told
    it is, a key of the protocol's error table.
    """

    code = "bad_message"


class MachineError(LiveBandError):
    """The machine refused: no permission, a broken disk."""

    code = "internal"


class ShortageError(MachineError):
    """The machine has no room for it now: no memory, descriptor, process or disk is left. Later it may have."""

    code = "busy"


_SHORT = frozenset(
    {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EFBIG}
)


def refused(what: str, error: OSError) -> MachineError:
    """An error that says what the machine refused and why: a ShortageError where it has run out of something."""
    kind = ShortageError if error.errno in _SHORT else MachineError
    return kind(f"{what}: {error.strerror or error}")
