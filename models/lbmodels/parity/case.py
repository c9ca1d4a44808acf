# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden files: inputs and outputs of a published model on weights by rule, read without unpickling anything."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError
from lbmodels.parity import rule
from lbmodels.weights.archives import check_directory

Arrays = Mapping[str, NDArray[Any]]

TEXTS = ("config", "keys", "tolerance", "fingerprint", "notes")
MOST_BYTES = 1 << 30
MOST_NUMBERS = 1 << 31
"""Of all weights of one case together: 8 GiB."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One golden file. `keys`: the checkpoint's tensor names and shapes; outputs whole or the slice told in `notes`."""

    name: str
    config: Mapping[str, Any]
    keys: Mapping[str, tuple[int, ...]]
    tolerance: Mapping[str, Any]
    fingerprint: Mapping[str, Any]
    notes: tuple[str, ...]
    inputs: Arrays
    outputs: Arrays

    def weights(self) -> rule.Weights:
        """The checkpoint that the outputs were computed with."""
        return rule.weights(self.keys)


def load(path: Path) -> Case:
    """The case of a file, its fingerprint compared with our reading of the weight rule.

    Raises:
        LiveBandModelError: no such file, damaged, not a golden file, or a fingerprint that differs.
    """
    arrays = _read_arrays(path)
    told = {name: _document(path, name, arrays) for name in TEXTS}
    case = Case(
        name=path.stem,
        config=_table(path, "config", told["config"]),
        keys={name: _shape(path, name, shape) for name, shape in _table(path, "keys", told["keys"]).items()},
        tolerance=_table(path, "tolerance", told["tolerance"]),
        fingerprint=_table(path, "fingerprint", told["fingerprint"]),
        notes=tuple(str(note) for note in told["notes"]) if isinstance(told["notes"], list) else (),
        inputs={name[3:]: array for name, array in arrays.items() if name.startswith("in.")},
        outputs={name[4:]: array for name, array in arrays.items() if name.startswith("out.")},
    )
    if not case.outputs:
        raise LiveBandModelError(f"{path} is no golden file: it has no outputs (out.*)")
    if sum(math.prod(shape) for shape in case.keys.values()) > MOST_NUMBERS:
        raise LiveBandModelError(f"{path}: weights of more than {MOST_NUMBERS} numbers")
    _check_fingerprint(path, case)
    return case


def _check_fingerprint(path: Path, case: Case) -> None:
    try:
        found = rule.fingerprint(case.keys)
    except (KeyError, IndexError, ValueError) as error:
        raise LiveBandModelError(f"{path}: no weights follow from its keys: {error}") from None
    for name, told in case.fingerprint.items():
        ours = found.get(name)
        if ours is None or np.shape(told) != (3,) or not np.allclose(ours, told, rtol=1e-4, atol=1e-5):
            raise LiveBandModelError(f"{path}: fingerprint of {name} is {told}, the weight rule gives {ours}")


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise LiveBandModelError(f"golden file not found: {path}")
    try:
        check_directory(path)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise LiveBandModelError(f"{path} unpacks to more than {MOST_BYTES} bytes")
            return {
                entry.filename.removesuffix(".npy"): _array(_unpacked(archive, entry)) for entry in entries
            }
    except LiveBandModelError:
        raise
    except _DAMAGE as error:
        raise LiveBandModelError(
            f"{path} is damaged or no golden file: {' '.join(str(error).split())[:160]}"
        ) from None


_DAMAGE = (
    zipfile.BadZipFile, zlib.error, OSError, ValueError, OverflowError, RuntimeError, EOFError,
    SyntaxError, TypeError, MemoryError, tokenize.TokenError,
)  # fmt: skip
"""Of archives, and in the second line of numpy, which reads an array's header as Python's literals."""


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """No more than the entry claims to hold. Raises ValueError: compressed by other means than numpy's."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"entry {entry.filename[:80]!r} is compressed by means that numpy does not use")
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def _array(data: bytes) -> NDArray[Any]:
    """An array of an .npy entry: no objects, and no more memory than the entry has bytes. Raises ValueError."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"array format {version}; accepted are 1.0 and 2.0")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.kind not in "biufU":
        raise ValueError(f"arrays of {dtype}; accepted are numbers, truths and texts")
    content = data[file.tell() :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"an array of shape {shape} in {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")


def _document(path: Path, name: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if name not in arrays:
        raise LiveBandModelError(f"{path} is no golden file: it has no {name!r}")
    try:
        return read_json(str(arrays[name]))
    except ValueError as error:
        raise LiveBandModelError(f"{path}: {name!r} cannot be read: {error}") from None


def _table(path: Path, name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise LiveBandModelError(f"{path}: {name!r} is not a table")
    return value


def _shape(path: Path, name: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(size) is int and size > 0 for size in value):
        raise LiveBandModelError(
            f"{path}: the shape of {name!r} is {value!r}; accepted are whole numbers above 0"
        )
    return tuple(value)
