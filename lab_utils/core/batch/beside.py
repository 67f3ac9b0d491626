"""Processes beside a cluster's worker, in whose main thread the work is done.

Dask runs a task in a thread of its worker, where LiveKit's plug-ins can't be loaded and no signal can be
caught, and an item that ends its process would end the worker, with what it holds. The process serves one
item after another and ends with the worker.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from typing import Any, TypeVar

from .outcomes import Outcome
from .pool import Pool, Workplace, on_pool

T = TypeVar("T")


def beside_worker(place: Workplace, function: Callable[[Any], T], skips: Any, item: Any) -> Outcome[T]:
    """What becomes of an item, in a process beside this one, as if it were done at `place`."""
    may_start_processes()
    (found,) = on_pool(function, None, skips, [item], Pool(1, isolated=False, prepare=None, place=place))
    return found


def may_start_processes() -> None:
    """Let a Dask worker have processes of its own, which multiprocessing forbids to one that a nanny started.

    It fears that they would be left behind; a pool's end with their parent.
    """
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
