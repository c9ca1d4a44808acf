# SPDX-License-Identifier: GPL-3.0-or-later
"""A state as bytes, the same for every runtime: who wrote it, then the named tensors as safetensors.

All runtimes hold the same tensors, so that what one saved another continues; to the bit only the same one does.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from lbmodels import weights_file
from lbmodels.errors import LiveBandModelError

_MAGIC = b"LBSTATE1"
_MOST_HEAD_BYTES = 4096
_MOST_ROWS = 1024


class Sealed(NamedTuple):
    """What `opened` found: the runtime that saved it, rows, and checked safetensors bytes."""

    runtime: str
    rows: int
    body: bytes


def sealed(body: bytes, *, weights_id: str, runtime: str, rows: int) -> bytes:
    """`body` with its label before it."""
    head = json.dumps({"weights": weights_id, "runtime": runtime, "rows": rows}).encode()
    return _MAGIC + len(head).to_bytes(4, "little") + head + body


def opened(data: bytes, *, weights_id: str) -> Sealed:
    """Read `sealed`.

    Raises:
        LiveBandModelError: these are not such bytes, they are cut, or the state is of other weights.
    """
    length = int.from_bytes(data[8:12], "little")
    if data[:8] != _MAGIC or not 0 < length <= min(_MOST_HEAD_BYTES, len(data) - 12):
        raise LiveBandModelError("these bytes are not a state of a LiveBand model, or damaged")
    try:
        head: Any = json.loads(data[12 : 12 + length])
        weights, runtime, rows = str(head["weights"]), str(head["runtime"]), head["rows"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise LiveBandModelError("a state's label is damaged") from None
    if weights != weights_id:
        raise LiveBandModelError(
            f"the state was saved with other weights ({weights[:40]!r}); this model has {weights_id!r}"
        )
    if type(rows) is not int or not 1 <= rows <= _MOST_ROWS:
        raise LiveBandModelError(f"a state has 1 to {_MOST_ROWS} rows: the label is damaged")
    body = data[12 + length :]
    weights_file.check(body, "snapshot is not readable")
    return Sealed(runtime, rows, body)
