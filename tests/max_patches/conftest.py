# SPDX-License-Identifier: GPL-3.0-or-later
"""A real server in its own process and folder, and the clients that speak to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def client() -> Callable[[str], str]:
    """`client("csound")`: its path, or a skip that names it."""

    def find(name: str) -> str:
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"{name} is not installed")
        return found

    return find


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What `liveband serve --json` says of itself, with `environment` for those who look for it."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {
        "LIVEBAND_RUN": str(home / "run"),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home),
    }
    command = "import sys; from lbserver.cli import main; sys.exit(main())"
    options = ["--model", "test:copy", "--osc-port", "0", "--http-port", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", command, "serve", *options],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        yield said | {"environment": environment, "home": Path(home)}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
