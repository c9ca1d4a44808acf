# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page shows of the whole server: its sessions, how it is, and the end of its log."""

import os
from pathlib import Path
from typing import Any

from lbserver.client.asynchronous import AsyncClient
from lbserver.client.errors import ClientError
from lbserver.host.logs import shown
from lbserver.host.rundir import LOG, find_server, run_path
from lbserver.transports.http import health

_LAST_BYTES = 16384
_MOST_LINES = 100
_LONGEST_LINE = 400


async def seen(client: AsyncClient) -> dict[str, Any]:
    """Never raises: a server that is gone is a `fault`."""
    info = find_server()
    try:
        sessions, fault = await client.sessions(), ""
    except ClientError as error:
        sessions, fault = {}, str(error)
    return {
        "sessions": sessions,
        "health": health(sessions, fault)[1],
        "server": {
            "name": client.welcome.get("server", ""),
            "model": client.welcome.get("model", ""),
            "pid": None if info is None else info.pid,
        },
        "log": last_lines(run_path() / LOG),
    }


def last_lines(path: Path) -> list[str]:
    """The last lines of a log, without what would steer a terminal; empty if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return []
    with open(descriptor, "rb") as file:  # noqa: PTH123 (of a descriptor)
        length = file.seek(0, os.SEEK_END)
        file.seek(max(0, length - _LAST_BYTES))
        data = file.read(_LAST_BYTES)
    lines = data.decode("utf-8", "replace").splitlines()
    if length > _LAST_BYTES:
        lines = lines[1:]
    return [shown(line, _LONGEST_LINE) for line in lines[-_MOST_LINES:]]
