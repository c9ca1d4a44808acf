# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks of live sessions run, and their records say what the tables say."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import faults, latency, sessions, soak


def last_record(results: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    lines = results.read_text().splitlines()
    assert lines[-1] == capsys.readouterr().out.rstrip("\n").split("\n")[-1]
    assert results.with_suffix(".png").stat().st_size > 1000
    return json.loads(lines[-1])


def test_latency_compares_what_is_reported_with_what_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "latency.jsonl"
    assert latency.main(["--only", "virtual", "--rates", "8000", "--results", str(results)]) == 0
    record = last_record(results, capsys)
    assert record["rows"] == record["rows_with_error_0"] == 90
    assert record["wrong"] == []


def test_latency_by_a_real_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Offline, so that a busy machine changes nothing."""
    results = tmp_path / "latency.jsonl"
    words = ["--only", "local offline", "--rates", "48000", "--results", str(results)]
    assert latency.main(words) == 0
    (row,) = last_record(results, capsys)["real"]
    assert row["error_samples"] == 0
    assert row["impulses"] >= 4


def test_sessions_tells_a_late_rate_for_each_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "sessions.jsonl"
    words = ["--model", "test:copy", "--sessions", "1", "3", "--frames", "10", "--seconds", "1"]
    assert sessions.main([*words, "--results", str(results)]) == 0
    record = last_record(results, capsys)
    assert [(row["workers"], row["sessions"]) for row in record["rows"]] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert all(row["frames"] >= row["sessions"] for row in record["rows"])


def test_soak_counts_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "soak.jsonl"
    assert soak.main(["--blocks", "2000", "--results", str(results)]) == 0
    figures = last_record(results, capsys)["virtual"]
    assert (figures["wrong_blocks"], figures["late_frames"]) == (0, 0)
    assert len(figures["cpu_us_a_block"]) == 10


@pytest.mark.slow
def test_the_fault_matrix_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "faults.jsonl"
    words = ["--seconds", "5", "--packets", "1000", "--drift-seconds", "120", "--results", str(results)]
    assert faults.main(words) == 0
    record = last_record(results, capsys)
    assert {row["fault"] for row in record["rows"]} == {
        "F4",
        "F6",
        "F7",
        "F8",
        "F9",
        "F10",
        "F11",
        "F12",
        "F13",
    }


def test_every_fault_of_a_real_process_has_a_test() -> None:
    """A fault without a test would silently leave the matrix."""
    found = faults.tests_by_fault()
    assert {
        f"F{n}" for n in (2, 4, 5, 6, 7, 14, 15, 16, 17, 18, 19, 20, 21, 22, 25, 26, 27, 30, 32, 33)
    } <= set(found)
