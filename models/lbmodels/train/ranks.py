# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that train one model, a rank each: started here or by torchrun, joined in one group."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import ProcessException
from torch.multiprocessing.spawn import spawn as spawned

from lbmodels.errors import LiveBandModelError

_BAD_INPUT = 2  # exit code of a rank that says why


def join(address: str = "env://", rank: int = -1, count: int = -1) -> int:
    """Join the group that torchrun set up (or that of `address`), if any, and take a GPU of one's own; this process's rank."""
    torchrun = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if (torchrun or count > 1) and not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank)))
        backend = (
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        )  # some programs train on the CPU
        dist.init_process_group(backend, init_method=address, rank=rank, world_size=count)
    return dist.get_rank() if dist.is_initialized() else 0


def leads() -> bool:
    """Whether this process is the one that writes files: the only one, or the first rank."""
    return not dist.is_initialized() or dist.get_rank() == 0


def any_rank(flag: bool) -> bool:
    """Whether any rank says so: a signal that reaches ranks at different steps must stop all at one."""
    if not dist.is_initialized():
        return flag
    said = torch.tensor(float(flag), device="cuda" if torch.cuda.is_available() else "cpu")
    dist.all_reduce(said, op=dist.ReduceOp.MAX)
    return bool(said > 0)


def spawn(count: int, work: Callable[..., Any], *arguments: Any) -> None:
    """Call `work(*arguments)`, which must be importable, in `count` processes of one group; signals are passed on to them.

    Raises:
        LiveBandModelError: fewer GPUs than ranks, what a rank could not do, or that one ended before its time.
    """
    if torch.cuda.is_available() and count > torch.cuda.device_count():
        raise LiveBandModelError(
            f"{count} ranks need as many GPUs; there are {torch.cuda.device_count()}: accepted are up to so many"
        )
    with tempfile.TemporaryDirectory(prefix="liveband-ranks-") as folder:
        ranks = spawned(_work, (count, folder, work, arguments), nprocs=count, join=False)

        def pass_on(number: int, _frame: object) -> None:
            for process in ranks.processes:
                if process.is_alive():
                    os.kill(process.pid, number)

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        old = {n: signal.signal(n, pass_on) for n in numbers if signal.getsignal(n) is not signal.SIG_IGN}
        try:
            while not ranks.join():
                pass
        except ProcessException as error:
            said = Path(folder, "said")
            line = said.read_text() if said.is_file() else f"a rank ended before its time: {error}"
            raise LiveBandModelError(" ".join(line.split())[-400:]) from None
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def _work(rank: int, count: int, folder: str, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    join(f"file://{folder}/meeting", rank, count)
    try:
        work(*arguments)
    except LiveBandModelError as error:
        part = Path(folder, f"said.{rank}")
        part.write_text(str(error))
        part.replace(Path(folder, "said"))
        raise SystemExit(_BAD_INPUT) from None
    finally:
        dist.destroy_process_group()
