# SPDX-License-Identifier: GPL-3.0-or-later
"""The program's parts, and the machine: what is installed, what it may take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbserver.commands.checks.finding import Finding, bad, ok, warning


@dataclass(frozen=True, kw_only=True)
class Package:
    """A Python package that liveband uses. `needed` ones are bad to miss; others bring what `gives` says."""

    name: str
    needed: bool
    gives: str
    extra: str = ""


PACKAGES = (
    Package(name="numpy", needed=True, gives="arithmetic"),
    Package(name="numba", needed=True, gives="the shared ring"),
    Package(name="onnxruntime", needed=True, gives="the way to run the model on a CPU"),
    Package(name="python-osc", needed=True, gives="OSC"),
    Package(name="pyzmq", needed=True, gives="servers on other machines"),
    Package(name="torch", needed=False, gives="training, GPUs, imported models and models of your own", extra="torch"),
    Package(name="sounddevice", needed=False, gives="`liveband jam`", extra="jam"),
    Package(name="aalink", needed=False, gives="tempo and beat from Ableton Link", extra="link"),
)  # fmt: skip


def check_python(version: tuple[int, int, int]) -> Finding:
    text = f"Python {'.'.join(map(str, version))}"
    if version < (3, 11):
        return bad(
            "program",
            text,
            advice="liveband needs Python 3.11 or later: install it there",
        )
    return ok("program", text, data={"version": list(version)})


def check_packages(versions: Mapping[str, str | None], liveband: str) -> list[Finding]:
    """`versions` by package name, None for one that is not installed."""
    there = {package.name: version for package in PACKAGES if (version := versions.get(package.name))}
    found = [
        ok(
            "program",
            f"liveband {liveband}; " + ", ".join(f"{name} {version}" for name, version in there.items()),
            data={"liveband": liveband, **there},
        )
    ]
    for package in PACKAGES:
        if package.name in there:
            continue
        command = (
            f"pip install 'liveband[{package.extra}]'" if package.extra else f"pip install {package.name}"
        )
        if package.needed:
            found.append(
                bad(
                    "program",
                    f"{package.name} is missing: it is needed for {package.gives}",
                    advice=command,
                    data={"missing": package.name},
                )
            )
        else:
            found.append(
                ok(
                    "program",
                    f"{package.name} is not installed: it brings {package.gives}",
                    advice=f"if you want that: {command}",
                    data={"missing": package.name},
                )
            )
    return found


def check_cpu(cores: int, governors: Sequence[str], load: float) -> list[Finding]:
    """`governors` of the cores as Linux names them, empty if unknown; `load` is the one-minute average."""
    found = [
        Finding(
            topic="machine",
            level="ok" if cores >= 2 else "warning",
            text=f"{cores} CPU core{'s' if cores != 1 else ''}",
            advice="" if cores >= 2 else "the DAW and the band share one core: expect late frames",
            data={"cores": cores},
        )
    ]
    slow = sorted({governor for governor in governors if governor in ("powersave", "conservative")})
    if slow:
        found.append(
            warning(
                "machine",
                f"the CPU saves power (governor {', '.join(slow)}): steps take longer after every pause",
                advice="while you play: sudo cpupower frequency-set -g performance",
                data={"governors": slow},
            )
        )
    if load > cores:
        found.append(
            warning(
                "machine",
                f"the machine is busy: load {load:.1f} on {cores} core{'s' if cores != 1 else ''}",
                advice="close other programs; times measured below are those of a busy machine",
                data={"load": load},
            )
        )
    return found


def check_limits(*, memlock_bytes: float, descriptors: float, memory_free_bytes: float) -> list[Finding]:
    """Limits of this user; infinity for none."""
    found = []
    if memlock_bytes < 8 * 2**20:
        found.append(
            warning(
                "machine",
                f"only {memlock_bytes / 1024:.0f} kB may be locked in memory: under memory pressure audio can drop out",
                advice="add `@audio - memlock unlimited` to /etc/security/limits.d/audio.conf, join the group audio, log in again",
                data={"memlock_bytes": memlock_bytes},
            )
        )
    if descriptors < 1024:
        found.append(
            warning(
                "machine",
                f"only {descriptors:.0f} files may be open at once: every session needs three",
                advice="raise it where you start the server: ulimit -n 4096",
                data={"descriptors": descriptors},
            )
        )
    if memory_free_bytes < 2**30:
        found.append(
            warning(
                "machine",
                f"{memory_free_bytes / 2**20:.0f} MB of memory are free",
                advice="a model worker takes about 0.5 GB: close other programs",
                data={"memory_free_bytes": memory_free_bytes},
            )
        )
    if not found:
        found.append(
            ok(
                "machine",
                f"limits: {_amount(memlock_bytes)} may be locked in memory, {descriptors:g} files open; "
                f"{_amount(memory_free_bytes)} of memory free",
            )
        )
    return found


def _amount(count: float) -> str:
    return "any amount" if count == float("inf") else f"{count / 2**20:.0f} MB"


def check_memory_sharing(error: str) -> Finding:
    """Whether a session's memory could be made and mapped; `error` is empty if so."""
    if error:
        return bad(
            "machine",
            f"sessions cannot share memory: {error}",
            advice="liveband needs shared memory (on Linux memfd_create), and free memory and file descriptors",
        )
    return ok("machine", "sessions can share memory (a sealed segment was made and mapped)")


def check_cache(folder: str, fault: str, advice: str) -> Finding:
    """Whether what is measured and prepared for this machine can be kept; `fault` is empty if so."""
    data = {"folder": folder}
    if fault:
        return warning("machine", fault, advice=advice, data=data)
    return ok("machine", f"cache folder {folder}", data=data)
