# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test stands on: one thread, no display, Hypothesis without a clock, and honest skips."""

import ctypes
import gc
import importlib.util
import operator
import os
import signal
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

# Before anything imports numpy or torch: bit-exact comparisons and a shared machine both want one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
from hypothesis import HealthCheck, settings

from lbserver.testing.processes import NO_DISPLAY

os.environ["DISPLAY"] = NO_DISPLAY

settings.register_profile(
    "liveband", deadline=None, max_examples=50, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("liveband")

FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")

# What may be missing where CI runs: hardware, and what only another kind of system has. Any other skip fails there, so that a
# package that went missing does not take its tests along in silence.
# TidalCycles comes with a compiler of 850 MB, Sonic Pi with 93 MB (44 to fetch) and half a minute to start: one recipe is not
# worth that much of every run.
# A system without multicast on its loopback cannot be asked by mDNS.
EXPECTED_SKIPS = (
    "no CUDA device here",
    "ghci is not installed",
    "sonic-pi-server is not installed",
    "no multicast on this loopback",
    "no Wine and mingw-w64 here",
)


def _gpu_is_there() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _can_render() -> bool:
    if importlib.util.find_spec("fluidsynth") is None or not FONT.exists():
        return False
    try:
        import fluidsynth  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def pytest_configure(config: pytest.Config) -> None:
    """Exported graphs are kept between runs, away from the user's own: making one takes some 15 s."""
    # Started in the background of a shell, or by nohup: programs that tests start must hear these all the same.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    kept = getattr(config, "cache", None)
    folder = kept.mkdir("liveband") if kept is not None else Path(tempfile.mkdtemp(prefix="liveband-test-"))
    os.environ["LIVEBAND_CACHE"] = str(folder)
    os.environ.pop("LIVEBAND_RUNTIME", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with the most slow tests first, so that none is left alone at the end; skip what this machine cannot run."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
    needs = {
        "gpu": (_gpu_is_there, "no CUDA device here"),
        "render": (_can_render, "libfluidsynth3 and timgm6mb-soundfont are not installed"),
    }
    for marker, (is_there, reason) in needs.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        if marked and not is_there():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=reason))


def _unexpected_skips(config: pytest.Config) -> list[str]:
    """Reasons, with their places, of tests that CI expected to run."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter is not None else []
    places = {report.longrepr for report in skipped if isinstance(report.longrepr, tuple)}
    return sorted(
        f"{path}:{line}: {reason.removeprefix('Skipped: ')}"
        for path, line, reason in places
        if not any(expected in reason for expected in EXPECTED_SKIPS)
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skip that nobody expects is a failure."""
    if (
        os.environ.get("CI")
        and _unexpected_skips(session.config)
        and session.exitstatus == pytest.ExitCode.OK
    ):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Names them before the last line."""
    unexpected = _unexpected_skips(config) if os.environ.get("CI") else []
    if unexpected:
        terminalreporter.section("skips that CI does not expect", red=True)
        for line in unexpected:
            terminalreporter.write_line(line)


def pytest_runtest_teardown() -> None:
    """A test that fails while it counts memory must not have the next ones counted in."""
    tracemalloc.stop()


def pytest_runtest_call() -> None:
    """A model's graph makes its thread round denormals to zero; what Hypothesis draws must not depend on who ran before."""
    if sys.platform == "linux":
        ctypes.CDLL("libm.so.6").fesetenv(ctypes.c_void_p(-1))  # FE_DFL_ENV


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def small_font() -> Path:
    """The one sound font that tests play; a test that asks for it is marked `render`."""
    return FONT


@pytest.fixture
def settles() -> Callable[..., None]:
    """`settles(count, before)`: no number that `count()` gives is larger than in `before`, as soon as what was let go of is
    gone; other processes and threads take their time."""

    def wait(count: Callable[[], tuple[int, ...]], before: tuple[int, ...], timeout_s: float = 30.0) -> None:
        deadline_s = time.monotonic() + timeout_s
        while any(map(operator.gt, left := count(), before)):
            assert time.monotonic() < deadline_s, f"{left}, before {before}"
            time.sleep(0.05)

    return wait


@pytest.fixture
def descriptors() -> Callable[[], int]:
    """Counts this process's descriptors; what earlier tests left to the collector is gone before it counts."""

    def count() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    return count
