# SPDX-License-Identifier: GPL-3.0-or-later
"""Safetensors bytes checked before the library or torch sees them: small header, known types, no gap, no overlap.

The library refuses truncated files, but a 60 MB header of 900,000 names costs it 3.6 s and 739 MB. Format:
https://github.com/huggingface/safetensors#format: 8 bytes of header length, little-endian, a JSON header, the data.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError

MOST_HEADER_BYTES = 2**20
MOST_TENSORS = 4096
MOST_DIMENSIONS = 8
MOST_NAME_CHARACTERS = 256
MOST_FILE_BYTES = 4 * 2**30
ELEMENT_BYTES: Mapping[str, int] = {
    "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
DIGEST = "digest"
"""The metadata's entry that holds `digest_of` the file."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a checked header says: metadata, and each tensor's (type, shape, first byte, end) within the data."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, tuple[str, tuple[int, ...], int, int]]
    data_start: int


def read_bytes(path: Path) -> bytes:
    """The whole file, once: what is checked is what is loaded, whatever happens to the file meanwhile.

    Raises:
        LiveBandModelError: not there, not a file, unreadable or above 4 GiB.
    """
    if not path.is_file():
        raise LiveBandModelError(f"weights not found: {path}")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LiveBandModelError(f"weights {path.name} cannot be read: {reason}") from None
    if len(data) > MOST_FILE_BYTES:
        raise LiveBandModelError(f"weights {path.name} are larger than {MOST_FILE_BYTES >> 30} GiB")
    return data


def check(data: bytes, name: str) -> Header:
    """The header of safetensors bytes that may be loaded; `name` stands for them in messages.

    Raises:
        LiveBandModelError: naming what is wrong: truncated, header too long, too many tensors, unknown types,
            sizes that do not add up to the file, or a digest that is not that of the content.
    """
    header = _read_header(data, name)
    stated = header.metadata.get(DIGEST)
    if stated is not None and stated != digest_of(data, header):
        raise LiveBandModelError(f"{name}: damaged: the content is not what was written (digest differs)")
    return header


def loaded_bytes(path: Path) -> int:
    """What a file's tensors take in memory, those of half precision as float32; 0 of a file that is not there or damaged."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _read_header(data, path.name)
    except (OSError, ValueError, LiveBandModelError):
        return 0
    return sum(
        math.prod(shape) * (4 if kind in ("F16", "BF16") else ELEMENT_BYTES[kind])
        for kind, shape, _first, _end in header.tensors.values()
    )


def digest_of(data: bytes, header: Header | None = None) -> str:
    """Hex SHA-256 of everything safetensors bytes say: metadata but for the digest itself, tensors, data."""
    header = header or _read_header(data, "weights")
    told = {key: value for key, value in header.metadata.items() if key != DIGEST}
    text = json.dumps([told, header.tensors], sort_keys=True).encode()
    found = hashlib.sha256(len(text).to_bytes(8, "little") + text)
    found.update(memoryview(data)[header.data_start :])
    return found.hexdigest()


def _read_header(data: bytes | mmap.mmap, name: str) -> Header:
    def refuse(reason: str) -> NoReturn:
        raise LiveBandModelError(f"{name}: {reason}")

    if len(data) < 8:
        refuse(f"truncated or not safetensors: {len(data)} bytes")
    length = int.from_bytes(data[:8], "little")
    # Length first: a text file or another program's weights read as an absurd length.
    if length > MOST_HEADER_BYTES:
        refuse(f"not safetensors, or a header above {MOST_HEADER_BYTES >> 20} MiB ({length} bytes)")
    if length > len(data) - 8:
        refuse(f"truncated: {len(data)} bytes, and the header alone has {length}")
    try:
        table = read_json(data[8 : 8 + length].decode("utf-8"), pairs=_unique)
    except ValueError as error:
        refuse(f"not safetensors, or damaged: the header is not JSON ({' '.join(str(error).split())[:100]})")
    if not isinstance(table, dict):
        refuse("not safetensors, or damaged: the header is no table")
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        refuse("damaged: the metadata are not a table of texts")
    if len(table) > MOST_TENSORS:
        refuse(f"{len(table)} tensors; accepted are up to {MOST_TENSORS}")
    tensors: dict[str, tuple[str, tuple[int, ...], int, int]] = {}
    for key, entry in table.items():
        if len(key) > MOST_NAME_CHARACTERS:
            refuse(f"a tensor's name has {len(key)} characters; accepted are up to {MOST_NAME_CHARACTERS}")
        tensors[key] = _entry(entry) or refuse(f"damaged: the entry of tensor {key[:80]!r} makes no sense")
    data_bytes = len(data) - 8 - length
    end = 0
    for key, (_kind, _shape, first, last) in sorted(tensors.items(), key=lambda item: item[1][2:]):
        if first != end:
            refuse(f"damaged: tensor {key[:80]!r} starts at byte {first}, not at {end}")
        end = last
    if end > data_bytes:
        refuse(f"truncated: {data_bytes} bytes of data, {end} are declared")
    if end < data_bytes:
        refuse(f"damaged: {data_bytes} bytes of data, only {end} are declared")
    return Header(metadata=metadata, tensors=tensors, data_start=8 + length)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):  # readers differ in which of the two they take
        raise ValueError("a name occurs twice")
    return table


def _entry(entry: object) -> tuple[str, tuple[int, ...], int, int] | None:
    """(type, shape, first byte, end) of one tensor; None unless they agree with each other."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        return None
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in ELEMENT_BYTES:
        return None
    if not _sizes(shape) or not _sizes(offsets) or len(shape) > MOST_DIMENSIONS or len(offsets) != 2:
        return None
    first, end = offsets
    if end - first != math.prod(shape) * ELEMENT_BYTES[kind]:
        return None
    return kind, tuple(shape), first, end


def _sizes(values: object) -> bool:
    """Whole numbers that a file of at most 2^62 bytes can have; a bool is none."""
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**62 for value in values)
