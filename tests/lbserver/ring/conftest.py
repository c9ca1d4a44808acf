# SPDX-License-Identifier: GPL-3.0-or-later
"""The ring's tests run on each form of shared memory that this system has."""

import pytest


@pytest.fixture(params=["sealed", "unlinked"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Linux's way to share memory, and macOS's, which runs here as well."""
    monkeypatch.setenv("LIVEBAND_SHARED_MEMORY", request.param)
    return str(request.param)
