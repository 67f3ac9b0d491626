"""One loop for many recordings: each in a worker process, in order, whatever becomes of the others.

What one item gives is an `Outcome`: `Done` with its result, `Skipped` if the item can't be used, `Failed` if
the work on it went wrong, also if it took its process with it (a crash, no memory left). Whoever stops early
(Ctrl-C, a closed generator) stops the workers; they also end when their parent is killed.

The pool is loky's; inside `on_cluster(client)` it is a Dask cluster. Functions, items and results are pickled
and nothing else is shared.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm.auto import tqdm

from .cluster import current, on_client, on_cluster
from .outcomes import (
    ENDED,
    NOT_BEGUN,
    Done,
    Failed,
    Outcome,
    RaisedInWorker,
    Skipped,
    WorkerDied,
    bound,
    nobody_knows,
)

__all__ = [
    "ENDED",
    "NOT_BEGUN",
    "Done",
    "Failed",
    "Outcome",
    "RaisedInWorker",
    "Skipped",
    "WorkerDied",
    "on_cluster",
    "results",
    "run_batch",
]

T = TypeVar("T")


def run_batch(
    function: Callable[..., T],
    items: Iterable[Any],
    *,
    shared: Any = None,
    jobs: int = 1,
    isolated: bool = False,
    prepare: Callable[[], None] | None = None,
    loads: tuple[str, ...] = (),
    skips: type[Exception] | tuple[type[Exception], ...] = ValueError,
    task: str = "",
    unit: str = "recording",
    quiet: bool = False,
    own_process: bool = True,
    blame: Callable[[Any], Exception | None] = nobody_knows,
) -> Generator[Outcome[T]]:
    """`function(item)` for each item, in `jobs` worker processes; the outcomes in the order of the items.

    `shared`: what all need besides, given as `function(shared, item)`; sent to each worker once, its arrays
    as read-only memory maps. One job runs in this process, unless `isolated`, or `prepare`, which a new
    worker calls first of all. `loads`: modules that isolated workers need, loaded once for all of them where
    processes can be forked (`template`). `skips`: errors that mean that an item can't be used. `task` and
    `unit` label the progress bar; without a task there is none. Inside `on_cluster` the items go to its
    workers, unless they must be `isolated` or prepared for; `own_process`: in a process beside the worker, as
    long as nothing is shared. `blame` says of an item whose worker has died why, if it is known that the item
    was to blame; else it is tried once more.
    """
    outcomes: Iterator[Outcome[T]]
    cluster = None if isolated or prepare is not None else current()
    if cluster is not None:
        outcomes = on_client(cluster, function, shared, skips, items, own_process=own_process)
    elif jobs == 1 and not isolated and prepare is None:
        outcomes = map(bound(function, shared, skips), items)
    else:
        from .pool import Pool, on_pool  # loky takes a while to load, and one job needs no pool

        outcomes = on_pool(function, shared, skips, items, Pool(jobs, isolated, prepare, loads=loads), blame)
    total = len(items) if isinstance(items, Sized) else None
    with tqdm(total=total, desc=task, unit=unit, disable=quiet or not task) as bar:
        try:
            for outcome in outcomes:
                bar.update()
                yield outcome
        finally:
            if isinstance(outcomes, Generator):
                outcomes.close()


def results(outcomes: Iterable[Outcome[T]]) -> Generator[T]:
    """The values of outcomes that are all expected to be done; raises the error of the first that isn't."""
    for outcome in outcomes:
        if not isinstance(outcome, Done):
            raise outcome.error
        yield outcome.value
