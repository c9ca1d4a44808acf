# SPDX-License-Identifier: GPL-3.0-or-later
"""A moment of a session as bytes: its musical memory, controls and what it was told; no audio, no path.

What is read back may be damaged or anybody's: nothing of it is out of range afterwards.
"""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.files import saved_state
from lbserver.files.saved_state import MOST_BYTES as MOST_BYTES
from lbserver.protocol import wire
from lbserver.protocol.messages import MessageError, check, control_value


@dataclass(frozen=True, kw_only=True)
class Moment:
    """`memory` is the accompanist's snapshot, `model` which one's; `controls` by name; `known` a merged `know`.

    `light` is the memory in fewer bytes, if that was asked for: a front end that has no room for the whole moment,
    as a project file has not, takes it out and puts it in the memory's place.
    """

    model: str
    memory: bytes
    controls: dict[str, float]
    known: dict[str, Any]
    light: bytes = b""


def pack(moment: Moment) -> bytes:
    """The moment as a checked chunk."""
    about = {"model": moment.model, "controls": moment.controls, "known": moment.known}
    sections = {"about": wire.pack(about), "memory": moment.memory}
    return saved_state.pack(sections | {"light": moment.light} if moment.light else sections)


def unpack(data: bytes, model: str) -> Moment:
    """The moment in a chunk; controls that are out of range are left out.

    Raises LiveBandError: damaged, or of another model.
    """
    sections = saved_state.unpack(data)
    about = wire.unpack(sections.get("about", b""))
    if not isinstance(about, dict) or "memory" not in sections:
        raise LiveBandError("the saved moment is incomplete")
    if about.get("model") != model:
        raise LiveBandError(
            f"the moment was saved with model {str(about.get('model'))[:64]!r}, this is {model!r}"
        )
    controls, known = about.get("controls"), about.get("known")
    if not isinstance(controls, dict) or not isinstance(known, dict):
        raise LiveBandError("the saved moment is incomplete")
    numbers = {}
    for name, value in controls.items():
        if isinstance(value, int | float):
            with contextlib.suppress(MessageError, OverflowError):
                numbers[str(name)] = control_value(str(name), value)
    try:
        told, _unknown = check({**known, "type": "know", "session": "it", "id": 0}, "in")
    except MessageError as error:
        raise LiveBandError(f"the saved moment says what cannot be: {error}") from None
    known = {name: value for name, value in told.items() if name not in ("type", "session", "id")}
    return Moment(model=model, memory=sections["memory"], controls=numbers, known=known)


def read(path: Path, model: str) -> Moment:
    """The moment in a file. Raises LiveBandError: not there, no plain file, too large, or as `unpack`."""
    try:
        return unpack(read_bytes(path), model)
    except OSError as error:
        raise LiveBandError(f"the moment cannot be read: {error.strerror}") from None


def read_bytes(path: Path) -> bytes:
    """What a plain file of a moment's size holds. Never waits. Raises LiveBandError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_BYTES:
            raise LiveBandError("this file is no moment")
        return file.read(MOST_BYTES)


def write(path: Path, data: bytes) -> None:
    """Write it whole or not at all, for this user only; not synced: it is to outlive a crash, not a power cut.

    Raises OSError.
    """
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(part, flags, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
