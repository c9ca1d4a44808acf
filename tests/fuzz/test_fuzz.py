# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fuzz target on its seeds, its corpus, and mutations: a moment always, FUZZ_SECONDS when all tests run."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _driver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fuzz_driver", Path(__file__).with_name("drive.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


DRIVER = _driver()
NAMES = list(DRIVER.targets())
WANTED = {"osc", "msgpack", "handshake", "segment"}


def test_every_parser_of_strangers_bytes_has_a_target() -> None:
    assert set(NAMES) >= WANTED
    for name in NAMES:
        module = DRIVER.load(name)
        assert callable(module.TARGET)
        assert len(module.SEEDS) >= 3
        assert all(isinstance(seed, bytes) for seed in module.SEEDS)


@pytest.mark.parametrize("name", NAMES)
def test_seeds_corpus_and_a_moment_of_mutations(name: str) -> None:
    report, trouble = DRIVER.run(name, seconds=1.0, seed=1, keep=False)
    assert not trouble, trouble
    assert report["inputs"] >= len(DRIVER.load(name).SEEDS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_crash_hang_or_growth(name: str) -> None:
    """FUZZ_SECONDS each, 5 by default; FUZZ_SEED takes other inputs."""
    seconds = float(os.environ.get("FUZZ_SECONDS", "5"))
    report, trouble = DRIVER.run(name, seconds=seconds, seed=int(os.environ.get("FUZZ_SEED", "0")))
    print(report)
    assert not trouble, trouble


BROKEN = """
import sys, time
SEEDS = [b"a", b"b", {bad!r}]
def TARGET(data):
    if data[:1] == {bad!r}:
        {what}
"""


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("raise ValueError('a bug')", "a bug"),
        ("time.sleep(10)", "HangError"),
        ("while True: pass", "HangError"),
        ("bytearray(600 << 20)", "MemoryError"),
        ("import os; os.kill(os.getpid(), 11)", "exit -11"),
    ],
    ids=["raises", "sleeps", "loops", "grows", "crashes"],
)
def test_the_driver_notices_a_target_that(
    what: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that notices nothing would pass for ever."""
    copied = tmp_path / "tests" / "fuzz" / "drive.py"
    copied.parent.mkdir(parents=True)
    copied.write_text(Path(DRIVER.__file__).read_text())
    copied.with_name("fuzz_bad.py").write_text(BROKEN.format(bad=b"X", what=what))
    monkeypatch.setattr(DRIVER, "__file__", str(copied))
    monkeypatch.setattr(DRIVER, "ROOT", tmp_path)
    monkeypatch.setattr(DRIVER, "HERE", copied.parent)
    _report, trouble = DRIVER.run("bad", seconds=1.0, seed=0)
    assert told in trouble
    assert b"X".hex() in trouble
    assert [path.read_bytes()[:1] for path in (copied.parent / "corpus" / "bad").iterdir()] == [b"X"]
