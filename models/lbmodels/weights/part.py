# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a model: a network whose weights have a file of their own. Knows no torch until one is built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from torch import nn

M = TypeVar("M", bound="nn.Module")


@dataclass(frozen=True, kw_only=True)
class Part(Generic[M]):
    """Weights of their own file. `name` is what manifests, folders and flags call it, `kind` what its file's header says.

    `network`: the configuration's class, and what builds a module with a `config` of it.
    """

    name: str
    kind: str
    network: Callable[[], tuple[type, Callable[[Any], M]]]
    help: str
    required: bool = True
