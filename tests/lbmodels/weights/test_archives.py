# SPDX-License-Identifier: GPL-3.0-or-later
"""Zip archives that would grow: refused before anything is unpacked."""

import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import archives
from lbmodels.weights.archives import check_stored


def test_what_torch_and_numpy_write_is_accepted(tmp_path: Path) -> None:
    torch.save({"a": torch.randn(100), "b": [torch.zeros(3), 7]}, tmp_path / "a.pt")
    np.savez(tmp_path / "b.npz", x=np.zeros(1000), y=np.arange(3))
    check_stored(tmp_path / "a.pt")
    check_stored(tmp_path / "b.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_entries_are_refused(tmp_path: Path, method: int) -> None:
    """0.5 MB of .npz became 512 MB."""
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x.npy", bytes(1_000_000))
    with pytest.raises(LiveBandModelError, match=r"bomb.npz: entry 'x.npy' is compressed"):
        check_stored(path)


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    """Many directory entries that point at one stored block: each is honest, their sum is not."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x", bytes(10_000))
        for number in range(50):
            twin = zipfile.ZipInfo(f"x{number}")
            twin.file_size = twin.compress_size = 10_000
            twin.header_offset = 0
            twin.CRC = archive.getinfo("x").CRC
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
        archive._didModify = True
    path = tmp_path / "overlap.pt"
    path.write_bytes(inner.getvalue())
    with pytest.raises(LiveBandModelError, match="claims to hold 510000"):
        check_stored(path)


@pytest.mark.parametrize("count", [50, 70_000])
def test_entries_are_counted_before_they_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """An archive of 100 MB with 2 million entries took 1 GB before it was refused. From 65,536 on its end has 64 bits."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("x", b"")
    data = inner.getvalue()
    place = data.index(b"PK\x01\x02")
    entry = data[place : data.index(b"PK\x05\x06")]
    size = count * len(entry)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    long_end = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, place)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, place + size, 1)
    path = tmp_path / "many.pt"
    path.write_bytes(data[:place] + entry * count + long_end + locator + end)
    made = []
    monkeypatch.setattr(archives.zipfile, "ZipFile", lambda path: (made.append(path), zipfile_class(path))[1])
    if count < 100:
        check_stored(path)
        assert made
        return
    with pytest.raises(LiveBandModelError, match="has 70000 entries"):
        check_stored(path)
    assert not made


zipfile_class = zipfile.ZipFile


@pytest.mark.parametrize("data", [b"", b"PK", b"not an archive"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.pt"
    path.write_bytes(data)
    with pytest.raises(LiveBandModelError, match="damaged or no archive"):
        check_stored(path)


def test_every_cut_and_flip_is_answered(tmp_path: Path) -> None:
    """Never another exception than ours."""
    whole = tmp_path / "whole.pt"
    torch.save({"a": torch.zeros(10)}, whole)
    data, path = whole.read_bytes(), tmp_path / "x.pt"
    refused = 0
    rng = np.random.default_rng(5)
    for place in rng.choice(len(data), 300, replace=False):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        for damaged in (bytes(flipped), data[:place]):
            path.write_bytes(damaged)
            try:
                check_stored(path)
            except LiveBandModelError:
                refused += 1
    assert refused >= 300
