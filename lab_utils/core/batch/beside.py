"""Processes beside a cluster's worker, in whose main thread the work is done.

Dask runs a task in a thread of its worker, where LiveKit's plug-ins can't be loaded and no signal can be
caught, and an item that ends its process would end the worker, with what it holds. The process serves one
item after another and ends with the worker.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any, TypeVar

from loky import ProcessPoolExecutor

from .outcomes import Outcome
from .pool import Pool, Workplace, on_pool

T = TypeVar("T")


def beside_worker(place: Workplace, function: Callable[[Any], T], skips: Any, item: Any) -> Outcome[T]:
    """What becomes of an item, in a process beside this one, as if it were done at `place`."""
    may_start_processes()
    (found,) = on_pool(function, None, skips, [item], Pool(1, isolated=False, prepare=None, place=place))
    return found


class OneProcess:
    """A prepared process for one batch alone, whose items come one by one."""

    jobs = 1

    def __init__(self, prepare: Callable[[], None] | None, place: Workplace) -> None:
        """`prepare`: as of `run_batch`; the process works as if it were at `place`."""
        self._pool = Pool(1, isolated=True, prepare=prepare, place=place)
        self._executor: ProcessPoolExecutor | None = None

    def started(self, processes: int | None = None) -> ProcessPoolExecutor:
        """The one that is there, if there is one."""
        if self._executor is None:
            may_start_processes()
            self._executor = self._pool.started(processes)
        return self._executor

    def renewed(self, executor: ProcessPoolExecutor, processes: int | None = None) -> ProcessPoolExecutor:
        """Another, instead of this one."""
        self._executor = self._pool.renewed(executor, processes)
        return self._executor

    def ended(self, executor: ProcessPoolExecutor, well: bool) -> None:
        """It stays, unless something went wrong."""
        if not well:
            self.close()

    def close(self) -> None:
        """End it, whatever it is at."""
        if self._executor is not None:
            self._executor.shutdown(kill_workers=True)
            self._executor = None


def may_start_processes() -> None:
    """Let a Dask worker have processes of its own, which multiprocessing forbids to one that a nanny started.

    It fears that they would be left behind; a pool's end with their parent.
    """
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
