# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts `liveband serve` when no server runs, and waits until it can be talked to."""

import subprocess
import tempfile
import time
from pathlib import Path

from lbserver.client.errors import ClientError
from lbserver.engine import backends
from lbserver.host import isolation
from lbserver.host.rundir import ServerInfo, find_server

_LOOK_S = 0.05
_TOLD_BYTES = 2000


def ensure_server(
    *,
    model: str | None = None,
    run: Path | None = None,
    timeout_s: float = 180.0,
    idle_exit_s: float = 600.0,
) -> ServerInfo:
    """The server of this user; started in the background if there is none, to end when nobody has played for
    `idle_exit_s`. The first start measures the machine, which takes some seconds.

    Raises ClientError with the server's own words when it cannot start, or when it is not ready in time.
    """
    if (found := find_server(run)) is not None:
        return found
    arguments = isolation.python("lbserver", "serve", "--idle-exit", f"{idle_exit_s:g}")
    arguments += ["--model", backends.whole_name(model)] if model else []
    with tempfile.TemporaryFile() as told:
        try:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=told,
                start_new_session=True,  # Ctrl-C here is not meant for it
                cwd=isolation.SAFE_FOLDER,
                env=isolation.environment(None if run is None else {"LIVEBAND_RUN": str(run)}),
            )
        except OSError as error:
            raise ClientError("crashed", f"the server could not be started: {error.strerror}") from None
        deadline = time.monotonic() + timeout_s
        while (found := find_server(run)) is None:
            if process.poll() is not None and find_server(run) is None:
                told.seek(max(0, told.seek(0, 2) - _TOLD_BYTES))
                lines = told.read().decode("utf-8", "replace").strip().splitlines()
                reason = lines[-1] if lines else f"exit code {process.returncode}"
                raise ClientError("crashed", f"the server could not be started: {reason}")
            if time.monotonic() > deadline:
                process.terminate()
                raise ClientError("crashed", f"the server was not ready within {timeout_s:g} s")
            time.sleep(_LOOK_S)
    return found
