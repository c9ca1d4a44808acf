# SPDX-License-Identifier: GPL-3.0-or-later
"""A stranger's pickle costs no more than its size, whatever it says; what it says is answered in one line."""

import struct
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import checkpoints
from lbmodels.weights.checkpoints import Checkpoint, Stored, open_checkpoint

SHARED_TUPLES = b")" + b"".join(b"q\x00h\x00\x86" for _ in range(60))
"""Sixty lines of it double sixty times whatever hashes or prints them."""
TABLE = b"ccollections\nOrderedDict\n"


def archive(path: Path, pickle: bytes, data: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a/data.pkl", b"\x80\x02" + pickle + b".")
        file.writestr("a/data/0", data)
    return path


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nested tuple as key": (b"})" + b"\x85" * 1_000_000 + b"Ns", "nested deeper"),
    "shared tuples as key": (b"}" + SHARED_TUPLES + b"Ns", "key is no text"),
    "tuple in a key's tuple": (b"})\x85\x85Ns", "key is no text"),
    "long tuple as key": (b"}((" + b"N" * 9 + b"tNu", "key is no text"),
    "huge whole number as key": (b"}\x8b" + struct.pack("<i", 1000) + b"\x01" * 1000 + b"Ns", "key is no text"),
    "nested tuple as module": (b")" + b"\x85" * 1_000_000 + b"\x8c\x01a\x93", "nested deeper"),
    "shared tuples as symbol": (b"\x8c\x05torch" + SHARED_TUPLES + b"\x93", "a name that is no text"),
    "torch's lazy imports": (b"ctorch\n_inductor\n", "which is code"),
    "nested tuple as value": (b"}\x8c\x01a)" + b"\x85" * 70 + b"s", "nested deeper"),
    "one list in many tables": (
        b"](" + b"".join(b"M" + struct.pack("<H", i) + b"N\x86" for i in range(2000)) + b"eq\x01\x85q\x02"
        + TABLE + b"q\x03" + b"h\x03h\x02R" * 1000,
        "entries",
    ),
    "long pairs": (b"](" + b"N" * 1000 + b"eq\x01](" + b"h\x01" * 1000 + b"e\x85q\x02" + TABLE + b"h\x02R", "no pairs"),
    "long shapes": (
        b"ctorch._utils\n_rebuild_tensor_v2\n(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x01tQK\x00("
        + b"K\x01" * 1000 + b"tq\x01h\x01tR",
        "damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("opaque", [False, True])
def test_hostile_pickles_are_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, opaque: bool
) -> None:
    """Keys that are nested tuples ended the process or kept it busy for ever; `_inductor` imported half of torch."""
    pickle, words = HOSTILE[what]
    monkeypatch.setattr(checkpoints, "MOST_ENTRIES_FILLED", 1 << 14)
    path = archive(tmp_path / "x.ckpt", pickle, bytes(4))
    if what == "torch's lazy imports" and opaque:
        before = "torch._inductor" in sys.modules
        open_checkpoint(path, opaque=True)
        assert ("torch._inductor" in sys.modules) == before
        return
    with pytest.raises(LiveBandModelError, match=words) as refused:
        open_checkpoint(path, opaque=opaque)
    assert len(str(refused.value)) < 1000


@pytest.mark.parametrize("pickle", [b"(" + b"}" * 100_000 + b"l", b"(" * 5_000_000])
def test_a_small_pickle_does_not_swell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pickle: bytes
) -> None:
    """2 MB of empty tables took 285 MiB, 32 MiB of them 4.7 GB."""
    monkeypatch.setattr(checkpoints, "MOST_OPCODES", 1 << 16)
    with pytest.raises(LiveBandModelError, match=r"steps|bytes"):
        open_checkpoint(archive(tmp_path / "x.ckpt", pickle))


def test_keys_of_real_checkpoints_are_taken(tmp_path: Path) -> None:
    table = {"a": torch.zeros(2), 3: 1, 0.5: 2, None: 3, True: 4, ("a", 1): 5, "dtype": torch.float16}
    torch.save(table, tmp_path / "x.pt")
    root = open_checkpoint(tmp_path / "x.pt").root
    assert root[("a", 1)] == 5
    assert root["dtype"] == checkpoints.Name("torch", "float16")


def all_tensors(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    stored = {name: one for name, one in checkpoint.root.items() if isinstance(one, Stored)}
    return dict(checkpoint.tensors(stored))


def test_a_shared_storage_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """4000 tensors on one storage of 1 GB read 4 TB."""
    whole, other = torch.randn(1000), torch.randn(5)
    table = {"a": whole[:500], "z": other, "b": whole[500:], "c": whole[::2], "tied": whole}
    torch.save(table, tmp_path / "x.pt")
    checkpoint, read = open_checkpoint(tmp_path / "x.pt"), []
    inner = zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name: (read.append(name), inner(self, name))[1])
    found = all_tensors(checkpoint)
    assert sorted(read) == ["x/data/0", "x/data/1"]
    assert all(torch.equal(found[name], value) for name, value in table.items())


def test_views_that_are_many_times_their_storage_are_refused(tmp_path: Path) -> None:
    whole = torch.zeros(1 << 18)
    torch.save({str(i): whole.as_strided((1 << 18,), (1,)) for i in range(40)}, tmp_path / "x.pt")
    with pytest.raises(LiveBandModelError, match="more than 8 times over"):
        all_tensors(open_checkpoint(tmp_path / "x.pt"))


@pytest.mark.parametrize("flag", [0x20, 0x40])
def test_patched_and_strongly_encrypted_entries_are_damage(tmp_path: Path, flag: int) -> None:
    """zipfile answers these flags with NotImplementedError, which is no OSError."""
    path = tmp_path / "x.pt"
    torch.save({"a": torch.zeros(3)}, path)
    checkpoint = open_checkpoint(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    while place >= 0:
        data[place + 8] |= flag
        place = data.find(b"PK\x01\x02", place + 1)
    path.write_bytes(data)
    with pytest.raises(LiveBandModelError, match="damaged"):
        all_tensors(checkpoint)
