# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server in a process of its own, with a run directory of its own, as long as a test or a measurement lasts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lbserver.files.documents import read_json
from lbserver.host.isolation import environment, python
from lbserver.testing.processes import running

PLAYING = ("playing", "late")  # states of a session that plays, also on a machine too busy for every frame
_PATIENCE_S = 60.0  # for a server to end by itself


@contextmanager
def serving(*options: str, more: Mapping[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """What the server printed when it was ready, and `run`, its run directory; `more` is added to its environment.

    Raises RuntimeError with its own words when it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="liveband-serving-") as folder:
        run = Path(folder) / "run"
        quiet = [p for name in ("--osc-port", "--http-port") if name not in options for p in (name, "off")]
        own = {"LIVEBAND_RUN": str(run), "XDG_DATA_HOME": str(Path(folder) / "data")}
        with running(
            python("lbserver", "serve", "--json", *quiet, *options),
            env=environment(own | dict(more or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(process.communicate()[1].strip())
            try:
                yield {**read_json(line), "run": str(run), "process": process.pid}
            finally:
                process.terminate()
                process.communicate(timeout=_PATIENCE_S)
