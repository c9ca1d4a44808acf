# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan's figures are those of the file of measurements, worked out by hand here."""

import json
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from lbserver import cli
from lbserver.fleet.planning import MEASURED


def told(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert cli.main(["fleet", "plan", "--players", "1000", "--json", *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("factor", [1, 3])
def test_the_plan_follows_from_the_committed_measurements(
    factor: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan with constants of its own would go on promising machines after the model became slower."""
    document = json.loads(MEASURED.read_text(encoding="utf-8"))
    (entry,) = [one for one in document["measured"] if one["model"] == "tiny"][-1:]
    entry["sessions"] *= factor
    file = tmp_path / "measured.json"
    file.write_text(json.dumps({"measured": [entry]}), encoding="utf-8")
    found = told(capsys, "--measured", str(file), "--cores", "16", "--target", "0.5", "--spare", "2")
    each = int(entry["sessions"] * 15 * 0.5)
    assert found["sessions_per_machine"] == each
    assert found["machines"] == ceil(1000 / each) + 2
    assert found["memory_mib"] == 15 * entry["worker_mib"]
    samples = 48000 * 2 * 4
    assert found["up_kbit_s"]["f32"] == pytest.approx((samples + 100 * entry["message_bytes"]) * 8 / 1000)
    assert found["down_kbit_s"]["f32"] == pytest.approx((samples + 25 * entry["message_bytes"]) * 8 / 1000)
    assert found["down_kbit_s"]["i16"] == pytest.approx(
        (samples / 2 + 25 * entry["message_bytes"]) * 8 / 1000
    )
    both = found["up_kbit_s"]["f32"] + found["down_kbit_s"]["f32"]
    assert found["machine_mbit_s"]["f32"] == pytest.approx(each * both / 1000)


def test_what_was_not_measured_is_not_promised(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A plan for a model or device of which nothing is known would be invented."""
    for options in (
        ["--model", "paper"],
        ["--processor", "abacus"],
        ["--measured", str(tmp_path / "none.json")],
    ):
        assert cli.main(["fleet", "plan", "--players", "10", *options]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_simulated_day_is_told_and_drawn(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Figures that the command changed on the way from the simulation would mislead who plans by them."""
    picture = tmp_path / "day.png"
    words = ["fleet", "simulate", "--players", "300", "--hours", "0.05", "--json", "--plot", str(picture)]
    assert cli.main(words) == 0
    report = json.loads(capsys.readouterr().out)["report"]
    assert report["most_playing"] >= 290
    assert (report["lost"], report["over_limit"]) == (0, 0)
    assert picture.read_bytes().startswith(b"\x89PNG")
