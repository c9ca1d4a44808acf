# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lbmodels.errors import LiveBandModelError
from lbmodels.evaluate.files import _read


def test_a_file_that_claims_hours_or_many_channels_is_not_read_whole(tmp_path: Path) -> None:
    """soundfile.read reserves what the header claims: 5 GB for a FLAC file of a few kilobytes."""
    path = tmp_path / "hours.flac"
    soundfile.write(path, np.zeros((1000, 2)), 44100)
    data = bytearray(path.read_bytes())
    field = int.from_bytes(data[18:26], "big")  # STREAMINFO: the last 36 bits are the number of samples
    data[18:26] = (field >> 36 << 36 | 4 * 3600 * 44100).to_bytes(8, "big")
    path.write_bytes(data)
    many = tmp_path / "many.wav"
    soundfile.write(many, np.zeros((10, 17)), 44100)
    tracemalloc.start()
    with pytest.raises(LiveBandModelError, match=r"hours.flac has 240 minutes and 2 channels"):
        _read(path)
    with pytest.raises(LiveBandModelError, match="up to 30 minutes and 16 channels"):
        _read(many)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
