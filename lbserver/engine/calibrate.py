# SPDX-License-Identifier: GPL-3.0-or-later
"""How long this machine needs: S and J measured on the accompanist that will play, kept until something changes."""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lbmodels.contract.accompanist import Accompanist
from lbmodels.contract.conditions import table
from lbmodels.contract.spec import Spec
from lbserver.engine.budget import Budget
from lbserver.engine.shell import Shell, shell_conditions
from lbserver.files.documents import MOST_CHARACTERS, read_json
from lbserver.files.folders import cache_folder

POLL_S = 0.001
"""How often a worker looks at its rings."""
ROWS = (1, 4)
"""Batch sizes that are measured; the budget is that of the last, so that a few more sessions break no promise."""
_FRAMES, _LEAST_FRAMES = 60, 3
_PACED_S = 0.5  # longer chunks follow one another at once: nothing of the last is in a cache anyway
_WAKES = 200
_FORMAT = 4


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Measured on this machine, in seconds. Steps are paced at the frame rate, as live ones are: caches grow cold.

    `step_p50_s`, `step_high_s`: by batch size, of `frames` steps. `wake_high_s`: how much later than asked the
    machine woke. High is the second longest: one hiccup of the machine must not become everybody's latency, and
    what it costs is counted as late frames.
    """

    accompanist: str
    frames: int
    step_p50_s: dict[int, float]
    step_high_s: dict[int, float]
    wake_high_s: float

    @property
    def budget(self) -> Budget:
        """S: a look at the ring, a step. J: twice a late wake-up, at least 2 ms."""
        return Budget(
            compute_s=POLL_S + self.step_high_s[max(self.step_high_s)],
            margin_s=max(0.002, 2.0 * self.wake_high_s),
        )


def measure(accompanist: Accompanist, progress: Callable[[float], None] = lambda _share: None) -> Calibration:
    """Play silence for a few seconds, as a live session would, in its shell. `progress` is called with the share done."""
    spec, played = accompanist.spec, Shell(accompanist)
    chunk_s = spec.hop * spec.chunk_frames / spec.sample_rate
    frames = max(_LEAST_FRAMES, round(_FRAMES * min(1.0, 0.04 / chunk_s)))
    cold = 3 if chunk_s <= _PACED_S else 1
    p50, high = {}, {}
    for turn, rows in enumerate(ROWS):
        state = played.init_state(range(rows))
        mix = np.zeros((rows, spec.channels, spec.hop * spec.chunk_frames), np.float32)
        conditions = _conditions(spec, rows)
        active = np.ones(rows, np.bool_)
        times = []
        due = time.perf_counter()
        for frame in range(frames + cold):
            begun = time.perf_counter()
            _, state = played.step(mix, conditions, state, active)
            times.append(time.perf_counter() - begun)
            due += chunk_s
            if chunk_s <= _PACED_S:
                time.sleep(max(0.0, due - time.perf_counter()))
            progress((turn + frame / (frames + cold)) / len(ROWS))
        p50[rows], high[rows] = float(np.median(times[cold:])), _high(times[cold:])
    late = []
    for _ in range(_WAKES):
        begun = time.perf_counter()
        time.sleep(POLL_S)
        late.append(time.perf_counter() - begun - POLL_S)
    return Calibration(
        accompanist=identity(accompanist),
        frames=frames,
        step_p50_s=p50,
        step_high_s=high,
        wake_high_s=max(0.0, _high(late)),
    )


def warm(accompanist: Accompanist) -> None:
    """Step silence a few times, so that no session pays for what happens only the first time."""
    spec, played = accompanist.spec, Shell(accompanist)
    for rows in ROWS:
        state = played.init_state(range(rows))
        mix = np.zeros((rows, spec.channels, spec.hop * spec.chunk_frames), np.float32)
        for _ in range(2):
            _, state = played.step(mix, _conditions(spec, rows), state, np.ones(rows, np.bool_))


def load_or_measure(
    accompanist: Accompanist,
    *,
    folder: Path | None = None,
    again: bool = False,
    progress: Callable[[float], None] = lambda _share: None,
) -> Calibration:
    """The kept calibration of this accompanist on this machine, or a new one, which is kept.

    A folder that cannot be written to costs only the keeping.
    """
    folder = cache_folder() if folder is None else folder
    if not again and (kept := _read(folder, identity(accompanist))) is not None:
        return kept
    made = measure(accompanist, progress)
    keep(made, folder)
    return made


def keep(made: Calibration, folder: Path) -> None:
    """For the next start on this machine; nothing is kept in a folder that cannot be written to."""
    path = _path(folder, made.accompanist)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps({"format": _FORMAT, **asdict(made)}) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError:
        pass


def _path(folder: Path, identity: str) -> Path:
    return folder / f"calibration-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.json"


def _conditions(spec: Spec, rows: int) -> dict[str, NDArray[np.float32]]:
    known = {"stem": 0.0, "anticipation": float(spec.anticipation_frames[0]), "variation": 1.0}
    return table(known | shell_conditions({}, live=True), [{}] * spec.chunk_frames, rows)


def _high(values: list[float]) -> float:
    return sorted(values)[-2]


def identity(accompanist: Accompanist) -> str:
    """What the figures hold for: this accompanist, played this way, on this machine."""
    spec = accompanist.spec
    runtime = getattr(accompanist, "runtime", type(accompanist).__name__)
    return f"{spec.name}|{spec.weights_id}|{runtime}|{platform.node()}|{platform.machine()}|{os.cpu_count()}"


def _read(folder: Path, identity: str) -> Calibration | None:
    try:
        with _path(folder, identity).open("rb") as file:
            values = read_json(file.read(MOST_CHARACTERS))
        if values.pop("format") != _FORMAT:
            return None
        for name in ("step_p50_s", "step_high_s"):
            values[name] = {int(rows): float(value) for rows, value in values[name].items()}
        made = Calibration(**values)
        # Nonsense that parses must not become a promise.
        sound = made.accompanist == identity and all(
            0 <= value < 60
            for value in (*made.step_high_s.values(), *made.step_p50_s.values(), made.wake_high_s)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return made if sound and made.step_high_s else None
