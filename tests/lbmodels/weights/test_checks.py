# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights and snapshots that somebody damaged or made up: refused before torch or the library sees them."""

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from lbmodels.codec.autoencoder import Codec, CodecConfig
from lbmodels.errors import LiveBandModelError
from lbmodels.families.parts import CODEC
from lbmodels.weights import checks, manifest, modules

SMALL = CodecConfig(hop=480, window=480, step=120, low_bins=48, high_bands=16, latent=4, features=4, depth=1)


def packed(table: Any, data: bytes = b"", length: int | None = None) -> bytes:
    header = table if isinstance(table, bytes) else json.dumps(table).encode()
    return (len(header) if length is None else length).to_bytes(8, "little") + header + data


def tensor(first: int, end: int, shape: list[Any] | None = None, kind: str = "U8") -> dict[str, Any]:
    return {"dtype": kind, "shape": [end - first] if shape is None else shape, "data_offsets": [first, end]}


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(LiveBandModelError) as refused:
        act()
    line = str(refused.value)
    assert "\n" not in line
    assert len(line) < 400
    return line


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Whole weights of a few kilobytes."""
    return modules.save_weights(tmp_path / "small.safetensors", Codec(SMALL), kind="codec", config=SMALL)


def test_what_the_library_writes_is_accepted() -> None:
    data = safetensors.torch.save(
        {
            "a": torch.zeros(2, 3),
            "none": torch.zeros(0, 5),
            "one": torch.tensor(7),
            "f": torch.ones(3).half(),
        },
        {"who": "us"},
    )
    header = checks.check(data, "x")
    assert header.metadata == {"who": "us"}
    assert header.tensors["a"][:2] == ("F32", (2, 3))
    assert set(header.tensors) == {"a", "none", "one", "f"}


@pytest.mark.parametrize("pinned", [True, False])
def test_weights_cut_at_each_percent_are_refused_by_name(small: Path, pinned: bool) -> None:
    data = small.read_bytes()
    digest = manifest.sha256(small) if pinned else None
    for percent in range(100):
        small.write_bytes(data[: len(data) * percent // 100])
        line = refusal(lambda: modules.load_part(CODEC, small, digest))
        assert "small.safetensors" in line
        assert "truncated" in line


def test_a_flipped_byte_of_header_and_data_is_refused_by_name(small: Path) -> None:
    """A flip inside a configured size or a tensor's name may leave a valid file: the digest in it tells. Every third byte
    of the header, with LIVEBAND_GRIDS=whole each."""
    data = small.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    step = 1 if os.environ.get("LIVEBAND_GRIDS") == "whole" else 3
    places = [*range(0, end, step), *range(end, len(data), 97)]
    assert modules.load_part(CODEC, small).config == SMALL
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        small.write_bytes(damaged)
        assert "small.safetensors" in refusal(lambda: modules.load_part(CODEC, small))


def test_each_flipped_byte_of_pinned_weights_without_a_digest_is_refused(tmp_path: Path) -> None:
    """As the files that shipped first: no digest inside, the manifest's alone."""
    path = tmp_path / "first.safetensors"
    safetensors.torch.save_file(
        {"a": torch.arange(8.0)}, path, {"format": modules.FORMAT, "kind": "codec", "config": "{}"}
    )
    data, digest = path.read_bytes(), manifest.sha256(path)
    assert modules.read_weights(path, "codec", digest)[1]["a"].sum() == 28
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        line = refusal(lambda: modules.read_weights(path, "codec", digest))
        assert "first.safetensors differ from the manifest" in line


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"1234567", "7 bytes"),
        (b"\xff" * 64, "not safetensors"),
        (b"these are not weights at all", "not safetensors"),
        (packed({}, length=2**20 + 1), "above 1 MiB"),
        (packed({}, length=50), "truncated"),
        (packed(b"{"), "not JSON"),
        (packed(b"[" * 100_000), "not JSON"),
        (packed(b'{"a":\xff}'), "not JSON"),
        (packed(b'{"a": 1, "a": 1}'), "occurs twice"),
        (packed(b'{"a": ' + b"9" * 5000 + b"}"), "not JSON"),
        (packed([1]), "no table"),
        (packed({"__metadata__": {"a": 1}}), "table of texts"),
        (packed({"__metadata__": []}), "table of texts"),
        (packed({f"t{i}": tensor(0, 0) for i in range(4097)}), "4097 tensors"),
        (packed({"n" * 257: tensor(0, 0)}), "257 characters"),
        (packed({"a": tensor(0, 4)}, b"12345"), "5 bytes of data, only 4"),
        (packed({"a": tensor(0, 4)}, b"123"), "3 bytes of data, 4 are declared"),
        (packed({"a": tensor(1, 4)}, b"1234"), "starts at byte 1"),
        (packed({"a": tensor(0, 4), "b": tensor(3, 6)}, b"123456"), "starts at byte 3"),
        (packed({"a": tensor(0, 2), "b": tensor(3, 6)}, b"123456"), "starts at byte 3"),
        (packed({"a": tensor(0, 4, [5])}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(0, 4, [-2, -2])}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(0, 4, [2**33, 2**31 + 1])}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(0, 4, [4.0])}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(0, 1, [True])}, b"1"), "'a' makes no sense"),
        (packed({"a": tensor(0, 1, [1] * 9)}, b"1"), "'a' makes no sense"),
        (packed({"a": tensor(0, 4, [4], "F8")}, b"1234"), "'a' makes no sense"),
        (packed({"a": {"dtype": ["U8"], "shape": [4], "data_offsets": [0, 4]}}, b"1234"), "makes no sense"),
        (packed({"a": tensor(0, 4) | {"more": 1}}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(2**63, 2**63 + 4, [4])}, b"1234"), "'a' makes no sense"),
        (packed({"a": tensor(2**70, 2**70 + 4, [4])}, b"1234"), "is no number"),
        (packed({"a": 7}), "'a' makes no sense"),
    ],
)
def test_headers_that_lie(data: bytes, reason: str) -> None:
    line = refusal(lambda: checks.check(data, "stranger.safetensors"))
    assert line.startswith("stranger.safetensors: ")
    assert reason in line


def test_a_header_of_60_megabytes_costs_nothing() -> None:
    """Measured without the check: 900,000 names took 3.6 s and 739 MB."""
    data = packed(b"{" + b" " * 60_000_000 + b"}")
    tracemalloc.start()
    assert "header above 1 MiB" in refusal(lambda: checks.check(data, "x"))
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "sizes",
    [
        {"features": 10**9},
        {"features": 16384, "depth": 64},
        {"depth": 10**9},
        {"window": 10**9, "hop": 10**9},
        {"latent": 16384, "features": 16384},
        {"kernel": -3},
        {"hop": 0},
        {"step": 0},
        {"low_bins": 8192, "high_bands": 1024},
    ],
)
def test_a_small_file_cannot_ask_for_a_large_model(tmp_path: Path, sizes: dict[str, int]) -> None:
    """The sizes are read before a tensor is compared: without a budget 1 kB of header took all memory."""
    path = tmp_path / "greedy.safetensors"
    header = {"format": modules.FORMAT, "kind": "codec", "config": json.dumps(sizes)}
    safetensors.torch.save_file({"a": torch.zeros(3)}, path, header)
    assert "greedy.safetensors" in refusal(lambda: modules.load_part(CODEC, path))


def test_metadata_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    header = {"format": modules.FORMAT, "kind": "codec", "config": "{}", "run": "me"}
    safetensors.torch.save_file({"a": torch.zeros(3)}, path, header)
    assert "'run'" in refusal(lambda: modules.load_part(CODEC, path))
    safetensors.torch.save_file({"a": torch.zeros(3)}, path, header | {"config": "[" * 100_000})
    assert "w.safetensors" in refusal(lambda: modules.load_part(CODEC, path))
