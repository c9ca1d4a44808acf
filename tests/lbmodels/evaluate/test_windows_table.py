# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of look-ahead windows: what it refuses, and how it reads."""

import argparse
from pathlib import Path

import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate import windows_command
from lbmodels.evaluate.scores import METRICS
from lbmodels.evaluate.windows import WindowRow, draw_windows, open_windows, windows_table


def test_a_model_without_windows_is_refused_in_words() -> None:
    """A frame model at three look-aheads would give three rows that look like a window model's."""
    with pytest.raises(LiveBandModelError, match="no look-ahead model"):
        open_windows(None)


def test_impossible_ratios_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A ratio that w = 1 cannot have fails after an hour of playing at w = -1."""
    parser = argparse.ArgumentParser()
    windows_command.add_options(parser)
    assert parser.parse_args(["--windows", "0.125,0.25"]).windows == (0.125, 0.25)
    for odd in ("0.5", "0", "x"):
        with pytest.raises(SystemExit):
            parser.parse_args(["--windows", odd])
        assert "at most 0.25" in capsys.readouterr().err


def test_table_and_picture_tell_floor_and_windows_apart(tmp_path: Path) -> None:
    """A floor that is drawn as a window of w = 0 hides that a model lies on it."""
    scores = dict.fromkeys(METRICS, 0.5)
    rows = [WindowRow(stem="bass", who="floor", excerpts=3, scores=scores)]
    rows += [
        WindowRow(
            stem="bass", who="fast", excerpts=3, scores=scores, look_ahead=w, ratio=0.125, conditions="all"
        )
        for w in (-1, 0, 1)
    ]
    table = windows_table(rows)
    assert [list(column.cells) for column in table.columns][1] == [
        "",
        "retrospective",
        "immediate",
        "look-ahead",
    ]
    draw_windows(rows, tmp_path / "windows.png")
    assert (tmp_path / "windows.png").stat().st_size > 1000
