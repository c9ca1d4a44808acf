# SPDX-License-Identifier: GPL-3.0-or-later
"""Feeds mutated inputs to the fuzz targets: `python tests/fuzz/drive.py --seconds 60` runs all of them.

A target is a file fuzz_<name>.py beside this one with `TARGET(data: bytes)`, which raises only on a real bug, and
`SEEDS`. Each runs in a process of its own that may grow by 512 MB; an input may take 1 s, and is tried three times, since
a process that the machine keeps from running takes longer by no fault of its own. Inputs come from the
seeds and from corpus/<name>/, by mutations drawn from `--seed`: the same seed gives the same inputs as long as the
code runs the same lines. Inputs that reach new lines become parents of others. What breaks a target is written
into corpus/<name>/crash-<hash>, so the next run begins with it, and told with its bytes.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GROWTH_BYTES = 512 << 20
INPUT_S, TRIES = 1.0, 3
LONGEST = 1 << 16
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC,
                (1 << 48) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 0x7FF8 << 48, 0x7FF0 << 48)  # fmt: skip
_TRACED = 16  # one input in so many is watched for new lines, which is slow
_POOL = 4096


class HangError(BaseException):
    """An input took too long; not an Exception, so that no target catches it."""


def targets() -> dict[str, Path]:
    """Target files by name."""
    return {path.stem.removeprefix("fuzz_"): path for path in sorted(HERE.glob("fuzz_*.py"))}


def load(name: str) -> ModuleType:
    path = targets()[name]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def corpus(name: str) -> list[bytes]:
    """Committed inputs of a target, in the order of their names."""
    folder = HERE / "corpus" / name
    return [path.read_bytes() for path in sorted(folder.glob("*"))] if folder.is_dir() else []


def mutated(random_: random.Random, pool: Sequence[bytes]) -> bytes:
    """A new input from one or two of the pool."""
    data = bytearray(random_.choice(pool))
    for _ in range(1 << random_.randrange(5)):
        at = random_.randrange(len(data) + 1)
        match random_.randrange(9):
            case 0 if at < len(data):
                data[at] ^= 1 << random_.randrange(8)
            case 1 if at < len(data):
                data[at] = random_.getrandbits(8)
            case 2:
                size = random_.choice((1, 2, 4, 8))
                value = random_.choice(_INTERESTING) & ((1 << 8 * size) - 1)
                data[at : at + size] = value.to_bytes(size, random_.choice(("little", "big")))
            case 3:
                data[at:at] = random_.randbytes(1 << random_.randrange(6))
            case 4:
                del data[at : at + (1 << random_.randrange(8))]
            case 5:
                piece = data[at : at + (1 << random_.randrange(8))]
                data[at:at] = piece * random_.choice((1, 1, 1, 2, 20))
            case 6:
                other = random_.choice(pool)
                start = random_.randrange(len(other) + 1)
                data[at:] = other[start:]
            case 7:
                del data[at:]
            case 8 if at + 4 <= len(data):
                for order in ("little", "big"):
                    value = int.from_bytes(data[at : at + 4], order)  # type: ignore[arg-type]
                    if value < 1 << 20:
                        changed = (value + random_.randint(-9, 9)) & 0xFFFFFFFF
                        data[at : at + 4] = changed.to_bytes(4, order)  # type: ignore[arg-type]
                        break
    return bytes(data[:LONGEST])


class Lines:
    """Lines of the server and the models that were reached so far."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._marks = (str(ROOT / "lbserver"), str(ROOT / "models" / "lbmodels"))

    def __call__(self, frame: FrameType, _event: str, _argument: object) -> Any:
        name = frame.f_code.co_filename
        return self._line if name.startswith(self._marks) else None

    def _line(self, frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def grows(self, call: Callable[[], None]) -> bool:
        """Whether a call reaches lines that none did before."""
        before = len(self.seen)
        sys.settrace(self)
        try:
            call()
        finally:
            sys.settrace(None)
        return len(self.seen) > before


def inputs(name: str, seeds: Sequence[bytes], seed: int, pool: list[bytes]) -> Iterator[bytes]:
    """Seeds and corpus first, then mutations without end."""
    pool.extend([*seeds, *corpus(name)])
    yield from list(pool)
    random_ = random.Random(f"{name}:{seed}")
    while True:
        yield mutated(random_, pool)


def child(name: str, seconds: float, seed: int, note: Path) -> int:
    """Run a target in this process; the input at work always stands in `note`."""
    module = load(name)
    target: Callable[[bytes], None] = module.TARGET
    for data in module.SEEDS[:2]:
        target(data)  # what is compiled or imported at first use is no growth
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + GROWTH_BYTES, size + GROWTH_BYTES))

    def hang(_number: int, _frame: object) -> None:
        raise HangError(f"more than {INPUT_S:g} s")

    signal.signal(signal.SIGALRM, hang)

    def tried(data: bytes) -> None:
        """Raises what the target raises, and HangError when no try ends in time."""
        for last in (False,) * (TRIES - 1) + (True,):
            signal.setitimer(signal.ITIMER_REAL, INPUT_S)
            try:
                target(data)
                return
            except HangError:
                if last:
                    raise
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)

    lines, pool, slowest, count = Lines(), list[bytes](), 0.0, 0
    first = len(module.SEEDS) + len(corpus(name))
    descriptor = os.open(note, os.O_RDWR | os.O_CLOEXEC)
    began = time.monotonic()
    for count, data in enumerate(inputs(name, module.SEEDS, seed, pool)):
        now = time.monotonic()
        if now - began > seconds and count >= first:
            break
        os.pwrite(descriptor, len(data).to_bytes(8, "little") + data, 0)
        if count % _TRACED == 0 or count < first:
            if lines.grows(lambda data=data: tried(data)) and count >= first and len(pool) < _POOL:  # type: ignore[misc]
                pool.append(data)
        else:
            tried(data)
        slowest = max(slowest, time.monotonic() - now)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident
    report = {
        "target": name,
        "seed": seed,
        "inputs": count,
        "inputs_per_s": round(count / (time.monotonic() - began)),
        "pool": len(pool),
        "lines": len(lines.seen),
        "slowest_ms": round(1000 * slowest, 2),
        "growth_mb": round(growth / 1024, 1),
    }
    print(json.dumps(report))
    return 0


def run(name: str, *, seconds: float, seed: int, keep: bool = True) -> tuple[dict[str, Any], str]:
    """(report, what went wrong or "") of a target, run in a process of its own."""
    with tempfile.NamedTemporaryFile(prefix="liveband-fuzz-") as note:
        words = ["--child", name, "--seconds", str(seconds), "--seed", str(seed), "--note", note.name]
        try:
            done = subprocess.run(
                [sys.executable, str(Path(__file__).resolve()), *words],
                cwd=ROOT,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                capture_output=True,
                text=True,
                timeout=seconds + 120,
                check=False,
            )
        except subprocess.TimeoutExpired:
            trouble = "hung outside of Python"
        else:
            if done.returncode == 0:
                return json.loads(done.stdout.splitlines()[-1]), ""
            trouble = f"exit {done.returncode}\n{done.stderr[-3000:]}"
        noted = Path(note.name).read_bytes()
    data = noted[8 : 8 + int.from_bytes(noted[:8], "little")]
    trouble += f"\n{name}, seed {seed}, input of {len(data)} bytes: {data[:400].hex()}"
    if keep and noted:
        path = HERE / "corpus" / name / f"crash-{hashlib.sha256(data).hexdigest()[:16]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        trouble += f"\nkept as {path.relative_to(ROOT)}"
    return {}, trouble


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz/drive.py", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", help=f"targets (default: all): {', '.join(targets())}")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS", "60")))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--note", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.seconds, args.seed, args.note)
    unknown = [name for name in args.names if name not in targets()]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}")
    failed = False
    for name in args.names or targets():
        report, trouble = run(name, seconds=args.seconds, seed=args.seed)
        print(json.dumps(report) if not trouble else f"{name}: {trouble}", flush=True)
        failed |= bool(trouble)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
