# SPDX-License-Identifier: GPL-3.0-or-later
"""A compact song comes back as it was, and what is none is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from lbmodels.data.compact import FORMAT, CompactSong, read_compact, write_compact
from lbmodels.data.errors import DataError
from lbmodels.data.render import RenderOptions, compact, make_song, plan_stems
from lbmodels.data.truth import track_of, track_of_compact


def song(folder: Path) -> CompactSong:
    made, parts = make_song(RenderOptions(out=folder, split="train", seed=5, min_s=6.0, max_s=8.0), 4)
    return compact(made, plan_stems(made, parts, ["FluidR3_GM.sf2"], np.random.default_rng(0)), 4)


def test_it_comes_back_to_the_last_bit_and_tells_the_same_truth(tmp_path: Path) -> None:
    """A time rounded on the way moves notes by samples: other latents under the same number."""
    kept = song(tmp_path)
    write_compact(kept, tmp_path / "song.safetensors")
    assert read_compact(tmp_path / "song.safetensors") == kept
    assert (tmp_path / "song.safetensors").stat().st_size < 60_000
    made, _ = make_song(RenderOptions(out=tmp_path, split="train", seed=5, min_s=6.0, max_s=8.0), 4)
    told, true = track_of_compact(read_compact(tmp_path / "song.safetensors"), 48000), track_of(made, 48000)
    np.testing.assert_array_equal(told.beats_s, true.beats_s)
    assert [span.label for span in told.chords] == [span.label for span in true.chords]
    assert told.keys == true.keys


@pytest.mark.parametrize(
    "text", [None, "[]", "{", '{"format": "x"}', '{"plans": 3}', '{"plans": [{"part": "bass"}]}']
)
def test_what_is_no_song_is_refused_by_name(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "odd.safetensors"
    header = {} if text is None else {"song": text.replace('{"plans', f'{{"format": "{FORMAT}", "plans')}
    arrays = {"0.times_s": np.zeros((1, 2)), "0.keys": np.zeros((1, 2), np.uint8)}
    safetensors.numpy.save_file(arrays, path, header)
    with pytest.raises(DataError, match=r"odd\.safetensors: not a compact song"):
        read_compact(path)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"odd\.safetensors: not a compact song"):
        read_compact(path)
