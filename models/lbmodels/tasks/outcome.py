# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes of a task that another process does: its result, or an error that can be handed over."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from lbmodels.errors import LiveBandModelError


class TaskLostError(LiveBandModelError):
    """The process that did a task, or its machine, has gone, as often as a task is tried."""


class TaskFailedError(RuntimeError):
    """A fault in the program: the message is the other process's traceback."""


def outcome(work: Callable[[Any], Any], task: object) -> tuple[Any, Exception | None]:
    """The result and None, or None and the error that `work` raised."""
    try:
        return work(task), None
    except LiveBandModelError as error:
        return None, error
    except Exception as error:  # noqa: BLE001 (raised again by the process that waits)
        return None, TaskFailedError("".join(traceback.format_exception(error)))
