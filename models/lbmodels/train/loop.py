# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop every objective runs in: resume, step, average, log, sample, checkpoint.

Several GPUs: a rank each, by `--ranks N` or under `torchrun --nproc-per-node N`. Every rank draws its own batches, and
torch's DistributedDataParallel makes the mean of their gradients while they are computed.
"""

from __future__ import annotations

import contextlib
import pickle
import queue
import signal
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lbmodels.conditioning.silent import may_lack
from lbmodels.errors import LiveBandModelError
from lbmodels.folders import whole_file
from lbmodels.former_names import today
from lbmodels.plain_json import to_json
from lbmodels.train.curves import draw_curves
from lbmodels.train.ranks import any_rank, join
from lbmodels.train.recipe import LoopConfig
from lbmodels.weights.archives import check_stored


class _Loss(nn.Module):
    """Passes on a loss that was computed with a model: what DistributedDataParallel needs to see of it.

    An objective calls parts of its models as it likes, so the loss, and not the output of one call, is where the parameters
    that took part in a step are found.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: Tensor) -> Tensor:
        return loss


@dataclass
class Side:
    """One side of a game, or the whole of a regression: a model, its optimiser, its schedule."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    base_rate: float
    clip: float
    ranks: DistributedDataParallel | None = None

    def share(self) -> None:
        """From now on all ranks have one model: the first one's weights, statistics over all batches, mean gradients."""
        if any(p.is_cuda for p in self.model.parameters()):  # torch has no other that ranks share
            nn.SyncBatchNorm.convert_sync_batchnorm(self.model)
        # Buffers are tables, or statistics that are shared already: to send them again would spoil what autograd has kept.
        self.ranks = DistributedDataParallel(
            _Loss(self.model), find_unused_parameters=True, broadcast_buffers=False
        )

    def descend(self, loss: Tensor) -> float:
        """One update; returns the gradient norm. A non-finite gradient is skipped."""
        self.optimizer.zero_grad(set_to_none=True)
        (loss if self.ranks is None else self.ranks(loss)).backward()
        norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.clip))
        if norm == norm and norm != float("inf"):
            self.optimizer.step()
        return norm


class Objective(Protocol):
    """What a training program hands to the loop."""

    sides: dict[str, Side]
    averaged: dict[str, nn.Module]

    def batches(self, seed: int) -> Iterable[Any]: ...

    def step(self, batch: Any, step: int) -> dict[str, float]: ...

    def sample(self, folder: Path) -> dict[str, float]: ...


def side(model: nn.Module, loop: LoopConfig, rate: float) -> Side:
    """A side with AdamW; biases, norms and other vectors are not decayed."""
    matrices = [p for p in model.parameters() if p.requires_grad and p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.requires_grad and p.dim() < 2]
    groups = [
        {"params": matrices, "weight_decay": loop.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return Side(model, torch.optim.AdamW(groups, lr=rate, betas=loop.betas), rate, loop.gradient_clip)


def rate_at(step: int, loop: LoopConfig) -> float:
    """Factor on the learning rate: linear warm-up, flat, cosine to a twentieth from `decay_from` on."""
    if step < loop.warmup_steps:
        return (step + 1) / loop.warmup_steps
    start = loop.decay_from * loop.steps
    if step <= start:
        return 1.0
    x = min(1.0, (step - start) / max(1.0, loop.steps - start))
    return 0.05 + 0.95 * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * x))))


def _save(path: Path, objective: Objective, step: int) -> None:
    state = {
        "step": step,
        "sides": {k: (s.model.state_dict(), s.optimizer.state_dict()) for k, s in objective.sides.items()},
        "averaged": {k: m.state_dict() for k, m in objective.averaged.items()},
        "random": torch.get_rng_state(),
    }
    with whole_file(path) as part:
        torch.save(state, part)


def _by_today(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A module's tensors by today's names."""
    return {today(name): tensor for name, tensor in state.items()}


def _learnt(model: nn.Module, known: Mapping[str, Any]) -> list[str]:
    """Parameters among `known` in an optimiser's order: see `side`."""
    names = [(name, p.dim()) for name, p in model.named_parameters() if p.requires_grad and name in known]
    return [name for name, d in names if d >= 2] + [name for name, d in names if d < 2]


def _resume_side(one: Side, model: Mapping[str, Tensor], optimizer: dict[str, Any]) -> None:
    """Fill a side. A model that has grown by inputs that are silent at first goes on as it was; the optimiser has seen nothing of them."""
    mine, grown = one.model.state_dict(), may_lack(one.model, model)
    one.model.load_state_dict({**model, **{name: mine[name] for name in grown}})
    if grown:
        before, place = _learnt(one.model, model), {n: i for i, n in enumerate(_learnt(one.model, mine))}
        seen = {place[before[n]]: state for n, state in optimizer["state"].items()}
        optimizer = {"state": seen, "param_groups": one.optimizer.state_dict()["param_groups"]}
    one.optimizer.load_state_dict(optimizer)


def _restore(path: Path, objective: Objective) -> int:
    try:
        check_stored(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        for name, (model, optimizer) in state["sides"].items():
            _resume_side(objective.sides[today(name)], _by_today(model), optimizer)
        for name, averaged in state["averaged"].items():
            mine, known = objective.averaged[today(name)], _by_today(averaged)
            grown = may_lack(mine, known)
            mine.load_state_dict({**known, **{n: t for n, t in mine.state_dict().items() if n in grown}})
        torch.set_rng_state(state["random"])
        return int(state["step"])
    except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
        line = " ".join(str(error).split())[:160]
        raise LiveBandModelError(
            f"checkpoint {path} is damaged or of another recipe; give another folder ({line})"
        ) from None


@torch.no_grad()
def _average(objective: Objective, decay: float) -> None:
    for name, averaged in objective.averaged.items():
        current = objective.sides[name].model.state_dict()
        for key, value in averaged.state_dict().items():
            if value.dtype.is_floating_point:
                value.lerp_(current[key].to(value.dtype), 1 - decay)
            else:
                value.copy_(current[key])


def _forever(objective: Objective, seed: int) -> Iterator[Any]:
    while True:
        yield from objective.batches(seed)
        seed += 1_000_003


def read_ahead(batches: Iterator[Any], count: int = 4) -> Generator[Any, None, None]:
    """The same batches in the same order, up to `count` of them drawn by a thread while the last one is trained on."""
    drawn: queue.Queue[Any] = queue.Queue(count)
    stopped = threading.Event()
    failure: list[Exception] = []

    def work() -> None:
        try:
            for batch in batches:
                while not stopped.is_set():
                    with contextlib.suppress(queue.Full):
                        drawn.put(batch, timeout=0.2)
                        break
                if stopped.is_set():
                    return
        except Exception as error:  # noqa: BLE001 (raised again where batches are taken)
            failure.append(error)

    thread = threading.Thread(target=work, name="batches", daemon=True)
    thread.start()
    try:
        while thread.is_alive() or not drawn.empty():
            with contextlib.suppress(queue.Empty):
                yield drawn.get(timeout=0.2)
        if failure:
            raise failure[0]
    finally:
        stopped.set()
        thread.join()


def run(objective: Objective, loop: LoopConfig, folder: Path, *, quiet: bool = False) -> None:
    """Train to `loop.steps`, from the last checkpoint in `folder` if there is one.

    Writes checkpoint.pt, log.jsonl, curves.png and what the objective samples. SIGTERM and Ctrl-C
    checkpoint first; a kill loses at most `checkpoint_minutes`.
    """
    torch.set_num_threads(loop.threads)
    rank = join()
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(loop.seed + 7919 * rank)
    checkpoint = folder / "checkpoint.pt"
    step = _restore(checkpoint, objective) if checkpoint.exists() else 0
    if dist.is_initialized():
        for one in objective.sides.values():
            one.share()

    stopping: list[int] = []
    old = {
        s: signal.signal(s, lambda number, _: stopping.append(number))
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(s) is not signal.SIG_IGN  # nohup
    }
    log = (folder / "log.jsonl").open("a") if rank == 0 else None
    saved = shown = time.monotonic()
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    batches = read_ahead(_forever(objective, loop.seed + step * 31 + rank))
    try:
        for batch in batches:
            if step >= loop.steps or any_rank(bool(stopping)):
                break
            factor = rate_at(step, loop)
            for one in objective.sides.values():
                for group in one.optimizer.param_groups:
                    group["lr"] = one.base_rate * factor
            losses = objective.step(batch, step)
            step += 1
            _average(objective, min(loop.ema, (1 + step) / (10 + step)))
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
                counts[name] = counts.get(name, 0) + 1
            now = time.monotonic()
            sampling = step % loop.sample_every == 0 or step == loop.steps
            if rank == 0 and log is not None and (now - shown > 15 or sampling):
                means = {name: round(total / counts[name], 5) for name, total in sums.items()}
                done = sum(counts.values()) / max(1, len(counts))
                means["seconds_per_step"] = round((now - shown) / max(1.0, done), 4)
                if sampling:
                    means.update(objective.sample(folder))
                log.write(to_json({"step": step, **means}) + "\n")
                log.flush()
                if not quiet:
                    left = (loop.steps - step) * means["seconds_per_step"] / 60
                    figures = "  ".join(f"{k} {v:.4g}" for k, v in means.items())
                    print(f"{step}/{loop.steps}  {left:.0f} min left  {figures}", flush=True)
                sums, counts, shown = {}, {}, time.monotonic()
            if rank == 0 and now - saved > 60 * loop.checkpoint_minutes:
                _save(checkpoint, objective, step)
                draw_curves(folder / "log.jsonl", folder / "curves.png")
                saved = now
    finally:
        batches.close()
        for number, handler in old.items():
            signal.signal(number, handler)
        if rank == 0 and log is not None:
            _save(checkpoint, objective, step)
            log.close()
            draw_curves(folder / "log.jsonl", folder / "curves.png")
