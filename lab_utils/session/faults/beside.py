"""Sessions on a cluster: in a process beside each worker, made and watched as those of one machine are.

A session needs a process whose clock is replaced before LiveKit is imported, which a cluster's worker isn't.
The process serves one run alone: the next one, of code that may have changed, gets another.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from ...core.batch import Done, Outcome, run_batch
from ...core.batch.cluster import everywhere
from .. import clock
from .watch import Watch, watched

if TYPE_CHECKING:
    from ...core.batch.pool import Workplace

Result = TypeVar("Result")
Numbered = tuple[int, tuple[Any, ...]]
"""A call's place among all, and its arguments."""


def beside_workers(
    function: Callable[..., Result],
    calls: Iterable[Numbered],
    real_time: bool,
    memory_gb: float,
    *,
    task: str,
    unit: str,
    quiet: bool,
) -> Generator[Result | Exception]:
    """As `session.workers.in_workers`, on the workers of the cluster that this code runs on."""
    from ...core.batch.pool import Workplace  # loky takes a while to load

    run = _Run(uuid4().hex, real_time, memory_gb, Workplace.here())
    outcomes = run_batch(
        partial(_beside_worker, run, function), calls, task=task, unit=unit, quiet=quiet, own_process=False
    )
    try:
        with closing(outcomes):
            for told in outcomes:
                if not isinstance(told, Done):  # the worker itself has died
                    yield told.error
                    continue
                outcome, printed = told.value
                if printed:
                    print(printed, end="", file=sys.stderr)
                yield outcome.value if isinstance(outcome, Done) else outcome.error
    finally:
        everywhere(partial(_end, run.name))


@dataclass(frozen=True)
class _Run:
    """What the processes of one run have in common."""

    name: str
    real_time: bool
    memory_gb: float
    place: Workplace


# --- in a cluster's worker ----------------------------------------------------------------------------


class _Sessions:
    """The process beside this worker, and who watches it."""

    def __init__(self, run: _Run) -> None:
        from ...core.batch.beside import OneProcess

        self.run = run.name
        self._until_end = ExitStack()
        self._watch = self._until_end.enter_context(Watch(run.memory_gb))
        self._process = OneProcess(None if run.real_time else clock.install, run.place)
        self._until_end.callback(self._process.close)

    def outcome(self, function: Callable[..., Result], call: Numbered) -> tuple[Outcome[Result], str]:
        """What became of a call, and what it printed."""
        from ...core.batch.pool import on_pool

        watch = self._watch
        work = partial(watched, function, watch.folder)
        (found,) = on_pool(work, None, ValueError, [call], self._process, lambda one: watch.blame(one[0]))
        return found, watch.output(call[0])

    def end(self) -> None:
        """End also what is under way."""
        self._until_end.close()


_here: list[_Sessions] = []
"""Those of the run that this worker works for, if it does."""
_looking = threading.Lock()
"""Held to look and change who is here: runs are ended in another thread than the one that works."""


def _beside_worker(run: _Run, function: Callable[..., Result], call: Numbered) -> tuple[Outcome[Result], str]:
    with _looking:
        found = _here.pop() if _here else None
        if found is not None and found.run == run.name:
            _here.append(found)
    if found is None or found.run != run.name:
        if found is not None:
            found.end()
        found = _Sessions(run)
        with _looking:
            _here.append(found)
    return found.outcome(function, call)


def _end(run: str) -> None:
    """A run is over, or its user wants no more of it."""
    with _looking:
        found = _here.pop() if _here and _here[0].run == run else None
    if found is not None:
        found.end()
