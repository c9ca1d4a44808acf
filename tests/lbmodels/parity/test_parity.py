# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden files: read safely, judged strictly, excused only where they say so."""

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbmodels.errors import LiveBandModelError
from lbmodels.parity.__main__ import main
from lbmodels.parity.case import Case, load
from lbmodels.parity.compare import compare

FOLDER = Path(__file__).resolve().parents[2] / "fixtures" / "parity"
FILES = sorted(FOLDER.glob("*.npz"))
SMALL = [path for path in FILES if "full" not in path.name and "spectro" not in path.name]


def case_of(name: str) -> Case:
    return load(FOLDER / f"{name}.npz")


def rows_of(case: Case, **changed: np.ndarray) -> dict:
    return {row.output: row for row in compare(case, {**case.outputs, **changed})}


@pytest.mark.parametrize("path", SMALL, ids=lambda path: path.stem)
def test_the_stored_outputs_agree_with_themselves(path: Path) -> None:
    """A judge that trips over a family's layout would fail right implementations."""
    case = load(path)
    assert all(row.ok for row in compare(case, case.outputs))


def test_a_number_beyond_the_limit_fails_and_cells_outside_the_mask_do_not_count() -> None:
    """A judge that compared the cells that hold no prediction would fail everybody; one that skipped more, nobody."""
    case = case_of("smg_lm_small_fv0")
    logits = case.outputs["logits"].copy()
    logits[~case.outputs["mask"]] = 99
    assert rows_of(case, logits=logits)["logits"].ok
    logits[0, 1, 3, 7] += 4e-5
    assert not rows_of(case, logits=logits)["logits"].ok
    logits[0, 1, 3, 7] = np.nan
    assert not rows_of(case, logits=logits)["logits"].ok


def test_a_choice_is_excused_by_its_margin_alone_and_what_follows_is_not_compared() -> None:
    """Without the margins a tie breaks the parity of another processor; with a lax rule any token would pass."""
    case = case_of("smg_lm_small_fv0")
    steps = case.outputs["greedy_steps"].copy()
    steps[0, 2, 10] += 1
    steps[0, :, 11:] = 7
    frames = case.outputs["greedy_frames"].copy()
    frames[0, 2, 7] += 1  # step 10 of level 2 is frame 7
    logits = case.outputs["greedy_logits"].copy()
    logits[:, :, 10:] += 1
    assert not rows_of(case, greedy_steps=steps)["greedy_steps"].ok
    margin = case.outputs["greedy_margin"].copy()
    margin[0, 2, 9] = 1e-5
    close = replace(case, outputs={**case.outputs, "greedy_margin": margin})
    rows = rows_of(close, greedy_steps=steps, greedy_frames=frames, greedy_logits=logits)
    assert rows["greedy_steps"].ok
    assert rows["greedy_steps"].compared == 4 * 11 - 1
    assert rows["greedy_frames"].ok
    assert rows["greedy_logits"].ok
    assert rows["greedy_logits"].compared == 4 * 10 * 115
    logits[:, :, 9] += 1
    assert not rows_of(close, greedy_steps=steps, greedy_logits=logits)["greedy_logits"].ok


def test_an_excused_code_excuses_the_later_levels_of_its_frame_alone() -> None:
    """Codes of other frames do not follow from it, and have to be right."""
    case = case_of("dac_small_4458")
    codes, margin = case.outputs["codes"].copy(), case.outputs["code_margin"].copy()
    codes[0, 3:, 5] += 1
    margin[3, 5] = 1e-4
    close = replace(case, outputs={**case.outputs, "code_margin": margin})
    assert rows_of(close, codes=codes)["codes"].ok
    codes[0, 4, 6] += 1
    margin[4, 6] = 1
    assert not rows_of(close, codes=codes)["codes"].ok


def test_what_is_not_computed_or_of_another_shape_fails() -> None:
    """An output that a runner leaves out must not count as agreeing."""
    case = case_of("dac_small_4458")
    rows = {row.output: row for row in compare(case, {"latent": case.outputs["latent"][..., :-1]})}
    assert not rows["latent"].ok
    assert not rows["roundtrip"].ok
    assert "code_margin" not in rows


def test_files_that_are_no_golden_files_are_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Golden files come from strangers: objects in them would run code when they are loaded."""
    stored = dict(np.load(FOLDER / "dac_small_4458.npz", allow_pickle=False))
    bad = {
        "objects": stored | {"in.audio": np.array([{}], dtype=object)},
        "no_config": {key: value for key, value in stored.items() if key != "config"},
        "no_json": stored | {"keys": np.array("{")},
        "other_weights": stored | {"fingerprint": np.array('{"decoder.model.8.bias": [1, 2, 3]}')},
        "negative": stored | {"keys": np.array('{"a": [-1]}')},
    }
    for name, arrays in bad.items():
        np.savez(tmp_path / f"dac_{name}.npz", **arrays)
    np.savez_compressed(tmp_path / "dac_damaged.npz", **stored)
    damaged = bytearray((tmp_path / "dac_damaged.npz").read_bytes())
    damaged[200:400] = b"\xff" * 200
    (tmp_path / "dac_damaged.npz").write_bytes(damaged)
    header = b"{'descr': '<f4', 'shape': ((("  # numpy's second try reads it as tokens
    with zipfile.ZipFile(tmp_path / "dac_header.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    (tmp_path / "dac_text.npz").write_text("no zip")
    (tmp_path / "dac_empty.npz").write_bytes(b"")
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(LiveBandModelError, match=path.name):
            load(path)
    unknown = tmp_path / "other_model.npz"
    np.savez(unknown, **stored)
    assert main([str(tmp_path / "dac_text.npz"), str(unknown), str(tmp_path / "none.npz")]) == 2
    said = capsys.readouterr().err
    assert "no model is known by 'other'" in said
    assert "not found" in said
