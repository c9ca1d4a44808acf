# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is at the other end of a local socket."""

import os
import socket
import struct

import pytest

from lbserver.host.callers import uid_of_xucred, user_of


def test_the_kernel_says_who_calls() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert user_of(one) == user_of(other) == os.geteuid()


def test_the_answer_of_macos_is_read_by_its_version() -> None:
    """Fields of another version may lie elsewhere: uid 0 out of a wrong place would be root."""
    told = struct.pack("=IIhxx16I", 0, 501, 1, 20, *[0] * 15)
    assert len(told) == 76
    assert uid_of_xucred(told) == 501
    for wrong in (b"", told[:7], struct.pack("=I", 1) + told[4:]):
        with pytest.raises(OSError, match="not told"):
            uid_of_xucred(wrong)
