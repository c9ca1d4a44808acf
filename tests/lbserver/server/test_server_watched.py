# SPDX-License-Identifier: GPL-3.0-or-later
"""`top`, `doctor` and /metrics look at a real server while it plays."""

import argparse
import json
import urllib.request
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lbserver.client.connection import connect, connected
from lbserver.client.errors import ServerGoneError
from lbserver.commands import doctor, top
from lbserver.protocol.status import STATUS


def test_what_is_seen_of_a_playing_session(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = serve("--model", "test:copy", "--workers", "1", "--http-port", "0")
    monkeypatch.setenv("LIVEBAND_RUN", str(server.run))
    front_end = server.connect()
    front_end.open("guitar", stem="drums", mode="aligned")
    front_end.play("guitar", np.zeros((2, 24000), np.float32))

    with connected("test") as line:
        snapshot = top.look(line)
    status = snapshot.sessions["guitar"]
    assert {figure.name for figure in STATUS} <= status.keys()
    assert (status["stem"], status["mode"]) == ("drums", "aligned")
    assert status["frames"] >= 5

    parser = argparse.ArgumentParser()
    top.add_parser(parser.add_subparsers())
    parsed = parser.parse_args(["top", "--json"])
    assert parsed.run(parsed) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["server"]["pid"] == server.process.pid
    assert printed["sessions"]["guitar"]["latency_samples"] == status["latency_samples"]

    url = f"http://127.0.0.1:{server.info['http_port']}"
    with urllib.request.urlopen(f"{url}/metrics", timeout=60) as page:
        metrics = {family.name: family for family in text_string_to_metric_families(page.read().decode())}
    (sample,) = [s for s in metrics["liveband_frames"].samples if s.labels == {"session": "guitar"}]
    assert sample.value >= status["frames"]
    (state,) = metrics["liveband_session_state"].samples
    assert state.labels["session"] == "guitar"
    with urllib.request.urlopen(f"{url}/healthz", timeout=60) as page:
        assert json.load(page)["sessions"] == 1

    found = [finding for finding in doctor.examine(quick=True) if finding.topic == "server"]
    (runs,) = [finding for finding in found if f"pid {server.process.pid}" in finding.text]
    assert "answers; 1 session" in runs.text


def test_server_that_is_killed_is_gone(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve("--model", "test:copy", "--workers", "1")
    monkeypatch.setenv("LIVEBAND_RUN", str(server.run))
    with connected("test") as line:
        top.look(line)
        server.kill()
        with pytest.raises(ServerGoneError):
            top.look(line)
    with pytest.raises(ServerGoneError, match="liveband serve"):
        connect("test")
