# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that nobody can guess, and none but such are opened; as plugin_shim/core/system/windows/names.h has them."""

import re
import secrets

MAPPINGS = "Local\\liveband-"
PIPES = "\\\\.\\pipe\\liveband-"


def random_name(prefix: str) -> str:
    """`prefix` and 32 hexadecimal digits."""
    return prefix + secrets.token_hex(16)


def is_name(name: str, prefix: str) -> bool:
    """Whether it is such a name: one of another machine, or of another program's, is not."""
    return (
        name.startswith(prefix) and re.fullmatch(r"[0-9a-f]{32}", name[len(prefix) :], re.ASCII) is not None
    )
