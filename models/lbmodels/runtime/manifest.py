# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies beside a graph: the accompanist's spec and the tensors of its state, as JSON. Knows no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lbmodels.config import build
from lbmodels.contract.spec import Control, Spec
from lbmodels.documents import read_json
from lbmodels.errors import LiveBandModelError

Kind = Literal["next", "kept", "ring"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One tensor of the state, without its batch axis.

    `kind`: "next" comes out of the graph anew, "kept" never changes, "ring" takes one entry a frame at
    `position % shape[axis - 1]`, `axis` counted with the batch. `initial` fills a fresh row, item by item, or
    with one number for all; the field `seed` takes the session's seed.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Kind
    initial: tuple[float, ...]
    axis: int = 0
    position: str = ""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """`conditions` with their widths; `seed` names the field of the state that takes a session's seed."""

    spec: Spec
    fields: tuple[Field, ...]
    conditions: tuple[tuple[str, int], ...]
    seed: str

    def to_json(self) -> str:
        return json.dumps(asdict(self))


def from_json(text: str) -> Manifest:
    """Read `Manifest.to_json`.

    Raises:
        LiveBandModelError: not such a text.
    """
    try:
        table: dict[str, Any] = read_json(text)
        spec = dict(table["spec"])
        spec["controls"] = tuple(build(Control, control) for control in spec["controls"])
        fields = tuple(
            Field(**{**f, "shape": tuple(f["shape"]), "initial": tuple(f["initial"])})
            for f in table["fields"]
        )
        return Manifest(
            spec=build(Spec, spec, "manifest"),
            fields=fields,
            conditions=tuple((str(name), int(width)) for name, width in table["conditions"]),
            seed=str(table["seed"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LiveBandModelError(
            f"a graph's manifest is damaged: {' '.join(str(error).split())[:200]}"
        ) from None
