# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of weights and of model snapshots: refused in one line, or read by the library exactly as checked."""

import json

import numpy as np
import safetensors
import safetensors.numpy

from lbmodels.errors import LiveBandModelError
from lbmodels.weights import checks


def _packed(table: object, data: bytes = b"") -> bytes:
    header = json.dumps(table).encode()
    return len(header).to_bytes(8, "little") + header + data


def _written(metadata: dict[str, str]) -> bytes:
    tensors = {
        "encoder.embed.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "encoder.count": np.array(7, np.int64),
        "empty": np.zeros((0, 4), np.float16),
    }
    return safetensors.numpy.save(tensors, metadata)


_METADATA = {"format": "liveband-weights-1", "kind": "codec", "config": '{"hop": 480}'}
SEEDS: list[bytes] = [
    _written(_METADATA),
    _written(_METADATA | {checks.DIGEST: checks.digest_of(_written(_METADATA))}),
    _written({}),
    _packed({}),
    _packed({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}, b"1234"),
    _packed({"a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}}, b"1234"),
    _packed({"a": {"dtype": "F64", "shape": [2**33, 2**31], "data_offsets": [0, 8]}}, b"12345678"),
    _packed({f"t{index}": {"dtype": "BOOL", "shape": [0], "data_offsets": [0, 0]} for index in range(40)}),
    (2**63).to_bytes(8, "little") + b"{}",
]


def TARGET(data: bytes) -> None:  # noqa: N802 (the name every fuzz target has)
    try:
        header = checks.check(data, "weights")
    except LiveBandModelError as error:
        if "\n" in str(error) or len(str(error)) > 400:
            raise AssertionError("a refusal is one short line") from error
        return
    # Whatever the check lets through is whole, and the library behind it sees the same tensors.
    ends = [end for _kind, _shape, _first, end in header.tensors.values()]
    assert header.data_start + max(ends, default=0) == len(data)
    try:
        found = dict(safetensors.deserialize(data))
    except safetensors.SafetensorError:
        return
    assert found.keys() == header.tensors.keys()
    for name, (kind, shape, first, end) in header.tensors.items():
        assert (found[name]["dtype"], tuple(found[name]["shape"])) == (kind, shape)
        assert bytes(found[name]["data"]) == data[header.data_start + first : header.data_start + end]
