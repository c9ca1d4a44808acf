# SPDX-License-Identifier: GPL-3.0-or-later
"""How many machines so many players need, from what was measured: `measured.json`, which `python -m benchmarks.capacity` writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path
from typing import Any

from lbserver.errors import LiveBandError
from lbserver.files.documents import read_json

MEASURED = Path(__file__).with_name("measured.json")

_SAMPLE_BYTES = {"f32": 4, "i16": 2}


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a core (or another device) plays of a model: `sessions` at most, with `worker_mib` of memory for a worker.

    `step_ms`: median time of a step by how many sessions it is for; `frame_ms`: how often one comes. `message_bytes`: what a block and
    a stem bear beside their samples, as they are sent.
    """

    model: str
    processor: str
    instructions: str
    sessions: int
    frame_ms: float
    step_ms: Mapping[int, float]
    worker_mib: float
    message_bytes: float
    time: str
    commit: str

    @property
    def core_share(self) -> float:
        """Of a core that one session takes, among the most that it plays."""
        largest = max((batch for batch in self.step_ms if batch <= self.sessions), default=min(self.step_ms))
        return self.step_ms[largest] / largest / self.frame_ms

    @property
    def device(self) -> str:
        return f"{self.processor}, {self.instructions}, one core"


@dataclass(frozen=True, kw_only=True)
class Network:
    """Of one session, in kbit/s of what ZeroMQ is given, by the format of samples."""

    up_kbit_s: Mapping[str, float]
    down_kbit_s: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Machines for so many players, and what each bears."""

    players: int
    sessions_per_core: int
    sessions_per_machine: int
    machines: int
    memory_mib: float
    machine_mbit_s: Mapping[str, float]


def read_measured(path: Path = MEASURED) -> list[Measured]:
    """What was measured, the newest last. Raises LiveBandError: not there, or not as written."""
    try:
        entries = read_json(path.read_text(encoding="utf-8"))["measured"]
        return [_measured(entry) for entry in entries]
    except OSError as error:
        raise LiveBandError(f"cannot read {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LiveBandError(f"{path} is not what `python -m benchmarks.capacity` writes: {error}") from None


def find(measured: Sequence[Measured], model: str, processor: str = "") -> Measured:
    """The newest of a model whose device has these words in its name; of several devices the one that plays fewest.

    Raises LiveBandError, which says what was measured.
    """
    newest = {(entry.model, entry.device): entry for entry in measured}
    fitting = [
        entry
        for entry in newest.values()
        if entry.model == model and processor.lower() in entry.device.lower()
    ]
    if not fitting:
        known = "; ".join(f"{entry.model} on {entry.device}" for entry in newest.values())
        raise LiveBandError(
            f"{model} was not measured on {processor or 'anything'}: there is {known or 'nothing'}; "
            "`python -m benchmarks.capacity` measures what it runs on"
        )
    return min(fitting, key=lambda entry: entry.sessions)


def network(
    measured: Measured, *, rate_hz: int = 48000, channels: int = 2, block_samples: int = 480
) -> Network:
    """Blocks go there as the host hands them over, a stem comes back for every frame."""
    rates = {"up": rate_hz / block_samples, "down": 1000.0 / measured.frame_ms}
    kbit_s = {
        way: {
            name: (rate_hz * channels * size + messages * measured.message_bytes) * 8 / 1000
            for name, size in _SAMPLE_BYTES.items()
        }
        for way, messages in rates.items()
    }
    return Network(up_kbit_s=kbit_s["up"], down_kbit_s=kbit_s["down"])


def plan(
    measured: Measured,
    traffic: Network,
    players: int,
    *,
    cores: int = 8,
    target: float = 0.7,
    spare: int = 1,
) -> Plan:
    """Machines of so many cores, loaded to `target` of what was measured, and `spare` ones that may fail.

    A core of each machine is left to the server itself and the network.
    """
    if cores < 2:
        raise LiveBandError(
            "a machine of one core plays nobody: the server and the network need one, give 2 or more"
        )
    each = floor(measured.sessions * (cores - 1) * target)
    if each < 1:
        raise LiveBandError(f"{measured.model} does not play in time on {measured.device}")
    total = {name: traffic.up_kbit_s[name] + traffic.down_kbit_s[name] for name in traffic.up_kbit_s}
    return Plan(
        players=players,
        sessions_per_core=measured.sessions,
        sessions_per_machine=each,
        machines=ceil(players / each) + spare,
        memory_mib=measured.worker_mib * (cores - 1),
        machine_mbit_s={name: kbit_s * each / 1000 for name, kbit_s in total.items()},
    )


def _measured(entry: Mapping[str, Any]) -> Measured:
    found = Measured(
        model=str(entry["model"]),
        processor=str(entry["device"]["processor"]),
        instructions=str(entry["device"]["instructions"]),
        sessions=int(entry["sessions"]),
        frame_ms=float(entry["frame_ms"]),
        step_ms={int(batch): float(ms) for batch, ms in entry["step_cpu_ms"].items()},
        worker_mib=float(entry["worker_mib"]),
        message_bytes=float(entry["message_bytes"]),
        time=str(entry["time"]),
        commit=str(entry["commit"]),
    )
    if found.sessions < 0 or not found.step_ms or min(found.frame_ms, *found.step_ms.values()) <= 0:
        raise ValueError("a figure that cannot be")
    return found
