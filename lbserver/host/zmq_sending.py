# SPDX-License-Identifier: GPL-3.0-or-later
"""What pyzmq leaves to be asked after a send that does not wait."""

import asyncio

import zmq


def outcome(sent: object) -> zmq.ZMQError | None:
    """What became of a send with NOBLOCK, which is over when it returns: None if it was sent."""
    assert isinstance(sent, asyncio.Future)
    if not sent.done():
        return None
    error = sent.exception()
    if error is not None and not isinstance(error, zmq.ZMQError):
        raise error
    return error
