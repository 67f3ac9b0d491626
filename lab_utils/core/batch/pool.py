"""A pool of worker processes that end with their parent, and survive whatever an item does to its own.

What one item gives comes back in order; an item that ended its process is told from those beside it.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import re
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeVar

from loky import ProcessPoolExecutor, get_reusable_executor
from loky.process_executor import BrokenProcessPool

from ..files import scratch_folder
from .collecting import collect_now_and_then, collect_seldom
from .forking import GROWTH, THREADS, can_fork
from .handed_on import read_handed_on, write_handed_on
from .outcomes import (
    ENDED,
    NOT_BEGUN,
    Done,
    Failed,
    Outcome,
    RaisedInWorker,
    WorkerDied,
    nobody_knows,
    outcome_of,
)

T = TypeVar("T")

AHEAD = 8
"""Items per process that are submitted before the first of them is done."""
PARENT_CHECK_S = 0.5
IDLE_S = 300.0
"""Workers wait so long for the next batch."""


def _in_worker(function: Callable[..., T], skips: Any, shared: str | None, item: Any) -> Outcome[T]:
    """As `outcome_of`; an error that would break the pool comes back by its name and text."""
    collect_now_and_then()
    if shared is not None:
        function = partial(function, _loaded(shared))
    try:
        outcome = outcome_of(function, skips, item)
    except BaseException as error:  # KeyboardInterrupt and SystemExit, which the item's own code has raised
        return Failed(RaisedInWorker.of(error))
    if isinstance(outcome, Done):
        return outcome
    try:
        pickle.loads(pickle.dumps(outcome))
    except Exception:
        return type(outcome)(RaisedInWorker.of(outcome.error))
    return outcome


@lru_cache(maxsize=1)
def _loaded(path: str) -> Any:
    return read_handed_on(Path(path))


@contextmanager
def _kept(shared: Any) -> Iterator[str | None]:
    """A file with what all items share, until the block ends."""
    if shared is None:
        yield None
        return
    with scratch_folder("batch") as folder:
        path = folder / "shared"
        write_handed_on(shared, path)
        yield str(path)


@dataclass(frozen=True)
class Workplace:
    """Where relative paths start and modules are looked for."""

    folder: str
    path: tuple[str, ...]

    @classmethod
    def here(cls) -> Workplace:
        """This process's."""
        return cls(os.getcwd(), tuple(sys.path))

    def enter(self) -> None:
        """Make it this process's own, as far as it is there: another machine has other folders, too."""
        with suppress(OSError):
            os.chdir(self.folder)
        sys.path += [folder for folder in self.path if folder not in sys.path]


class Workers(Protocol):
    """Worker processes, as `on_pool` uses them."""

    @property
    def jobs(self) -> int: ...
    def started(self, processes: int | None = None) -> ProcessPoolExecutor: ...
    def renewed(self, executor: ProcessPoolExecutor, processes: int | None = None) -> ProcessPoolExecutor: ...
    def ended(self, executor: ProcessPoolExecutor, well: bool) -> None: ...


@dataclass(frozen=True)
class Pool:
    """How worker processes are made."""

    jobs: int
    isolated: bool
    prepare: Callable[[], None] | None
    place: Workplace | None = None
    """Where who gave the work is, if that is another process."""
    loads: tuple[str, ...] = ()
    """Modules that workers need, where they are forks of a template that has loaded them."""

    def started(self, processes: int | None = None) -> ProcessPoolExecutor:
        """Workers; those of a batch before, if they need no preparing and are still there."""
        # loky replaces a worker that has grown by so much.
        warnings.filterwarnings("ignore", "A worker (was restarted|stopped) while some jobs", module="loky")
        count = processes or self.jobs
        if self.loads and self.place is None and can_fork():
            from .template import template  # has classes that Windows lacks

            found = template(self.prepare, self.loads)
            if found.serves():
                forked = self.prepare, list(sys.path), None, None
                return ProcessPoolExecutor(count, context=found, initializer=_begin, initargs=forked)
        arguments = self.prepare, list(sys.path), os.getpid(), self.place
        start = {"initializer": _begin, "initargs": arguments}
        if self.isolated or self.prepare is not None:
            return ProcessPoolExecutor(count, env=GROWTH, **start)
        # As many threads as cores in all: more would wait for each other.
        threads = "1" if self.place else str(max(1, (os.cpu_count() or 1) // count))
        return get_reusable_executor(
            count, timeout=IDLE_S, env=GROWTH | dict.fromkeys(THREADS, threads), **start
        )

    def renewed(self, executor: ProcessPoolExecutor, processes: int | None = None) -> ProcessPoolExecutor:
        """Other workers, instead of these."""
        executor.shutdown(kill_workers=True)
        return self.started(processes)

    def ended(self, executor: ProcessPoolExecutor, well: bool) -> None:
        """The next batch may use workers that need no preparing."""
        if not well or self.isolated or self.prepare is not None:
            executor.shutdown(kill_workers=True)


def on_pool(
    function: Callable[..., T],
    shared: Any,
    skips: Any,
    items: Iterable[Any],
    pool: Workers,
    blame: Callable[[Any], Exception | None] = nobody_knows,
) -> Generator[Outcome[T]]:
    """`function(item)` for each item on a pool; the outcomes in order. `blame`: as of `run_batch`."""
    to_come = iter(items)
    under_way: deque[tuple[Any, Future[Outcome[T]]]] = deque()
    well = False
    with _kept(shared) as kept:
        work = partial(_in_worker, function, skips, kept)
        executor = pool.started()
        try:
            while True:
                # Not all at once: each item may hold a recording.
                for item in islice(to_come, pool.jobs * AHEAD - len(under_way)):
                    under_way.append((item, _submitted(executor, work, item)))
                if not under_way:
                    well = True
                    return
                if not isinstance(under_way[0][1].exception(), BrokenProcessPool):
                    yield of_future(under_way.popleft()[1])
                    continue
                # Who did it is not known. Each that isn't done is tried once more, with nobody beside it.
                executor = pool.renewed(executor, 1)
                while under_way:
                    item, future = under_way.popleft()
                    tried = False
                    while isinstance(future.exception(), BrokenProcessPool) and not (
                        blame(item) or (tried and _was_begun(future))
                    ):
                        if tried:
                            executor = pool.renewed(executor, 1)
                        future, tried = _submitted(executor, work, item), True
                    broken = isinstance(future.exception(), BrokenProcessPool)
                    known = blame(item) if broken else None
                    yield of_future(future) if known is None else Failed(known)
                    if broken:
                        executor = pool.renewed(executor, 1)
                executor = pool.renewed(executor)
        finally:
            pool.ended(executor, well)


def _was_begun(future: Future[Any]) -> bool:
    """Whether the worker that died had begun the item."""
    return f"EXIT({NOT_BEGUN})" not in str(future.exception())


def _submitted(executor: Executor, work: Callable[[Any], Outcome[T]], item: Any) -> Future[Outcome[T]]:
    try:
        return executor.submit(work, item)
    except BrokenProcessPool as error:  # by an item submitted before
        future: Future[Outcome[T]] = Future()
        future.set_exception(error)
        return future


def of_future(future: Future[Outcome[T]]) -> Outcome[T]:
    """What became of an item."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        found = re.search(r"exit codes of the workers are (\{.*?\})", str(error))
        codes = f" {found[1]}" if found else ""
        memory = "; perhaps no memory was left: try with fewer jobs" if "SIGKILL" in codes else ""
        return Failed(WorkerDied(f"{ENDED}{codes}{memory}"))
    if isinstance(error, Exception):
        return Failed(error)
    raise error


def _begin(
    prepare: Callable[[], None] | None, path: list[str], parent: int | None, place: Workplace | None
) -> None:
    """Make a new process ready: its own preparations, the parent's import path, and its end.

    `parent`: None in a fork of a template, which isn't the one to end with.
    """
    collect_seldom()
    if prepare is not None:
        prepare()
    if parent is None and (drawing := sys.modules.get("numpy.random")) is not None:
        drawing.seed()  # each fork has the template's state
    sys.path[:] = path
    if place is not None:
        place.enter()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    threading.Thread(target=_end_with, args=(parent,), name="end with parent", daemon=True).start()


def _end_with(parent: int | None) -> None:
    """End this process when its parent has been killed, which tells its children nothing.

    Linux's PR_SET_PDEATHSIG would end it with the parent's thread that started it, which may end earlier.
    """
    if parent is None:
        over = multiprocessing.parent_process()
        assert over is not None
        over.join()
    while parent is not None and os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():  # with what it has started
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
