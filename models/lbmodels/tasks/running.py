# SPDX-License-Identifier: GPL-3.0-or-later
"""Many independent tasks, done by processes of this machine or by a Ray cluster; whoever is stopped leaves none running."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeVar

from lbmodels.tasks.outcome import TaskLostError

T = TypeVar("T")
R = TypeVar("R")


def run(
    work: Callable[[T], R], tasks: Sequence[T], *, jobs: int | None = None, cluster: str | None = None
) -> Generator[tuple[int, R | TaskLostError], None, None]:
    """Does `work(task)` for each, and gives (number of the task, result) as they end, in whatever order.

    `work` is a function of a module, or a `functools.partial` of one; tasks, results and errors are small values. By
    default it runs in `jobs` processes (1), each of which keeps what the module keeps; with `cluster`, `local` or the
    address of a Ray cluster, in at most `jobs` processes there (one a processor), and a task whose machine is lost is
    done anew, so it must be one that may be done twice. A task that kills its process gives a TaskLostError in place of
    a result, and the others go on.

    When this generator is closed, or anything is raised, running tasks are stopped: they get a SystemExit here, a
    KeyboardInterrupt on a cluster. Raises what `work` raises (LiveBandModelError, or TaskFailedError for a fault), and
    LiveBandModelError for a cluster that cannot be reached.
    """
    if cluster is not None:
        from lbmodels.tasks.cluster import run_on_cluster

        return run_on_cluster(work, tasks, cluster, jobs)
    from lbmodels.tasks.processes import run_here

    return run_here(work, tasks, jobs or 1)
