# SPDX-License-Identifier: GPL-3.0-or-later
"""Child processes of tests and benchmarks that never outlive them."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# A display that nobody has. Where none is named JUCE takes :0, which may be that of a test beside it, and its program
# ends when that display does.
NO_DISPLAY = ":9999"


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed on the way out, be it stopped, stuck or in the middle of its work.

    `with subprocess.Popen(...)` waits for the process instead, so a check that fails inside hangs. `options` are
    Popen's.
    """
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
