"""One loop for many recordings: each in a worker process, in order, whatever becomes of the others.

What one item gives is an `Outcome`: `Done` with its result, `Skipped` if the item can't be used, `Failed` if
the work on it went wrong, also if it took its process with it (a crash, no memory left). Whoever stops early
(Ctrl-C, a closed generator) stops the workers; they also end when their parent is killed.

The pool is loky's. Another `concurrent.futures.Executor`, such as Dask's `client.get_executor()`, can be
given instead: functions, items and results are pickled and nothing else is shared.
"""

from __future__ import annotations

import os
import pickle
import re
import signal
import sys
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

import joblib
from loky import ProcessPoolExecutor, get_reusable_executor
from loky.process_executor import BrokenProcessPool
from tqdm.auto import tqdm

from .text import one_line

T = TypeVar("T")

AHEAD = 8
"""Items per process that are submitted before the first of them is done."""
PARENT_CHECK_S = 0.5
IDLE_S = 300.0
"""Workers wait so long for the next batch."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS")


class WorkerDied(RuntimeError):
    """The work on an item took its process with it."""


class RaisedInWorker(RuntimeError):
    """What an item's work raised, if that can't be sent between processes or would end this one."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(kind, text)
        self.kind = kind

    def __str__(self) -> str:
        return ": ".join(part for part in self.args if part)

    @classmethod
    def of(cls, error: BaseException) -> RaisedInWorker:
        return cls(type(error).__name__, str(error))


@dataclass(frozen=True)
class Done(Generic[T]):
    """An item's result."""

    value: T


@dataclass(frozen=True)
class Skipped:
    """An item that can't be used; the error says why and what to do."""

    error: Exception

    @property
    def reason(self) -> str:
        return one_line(str(self.error))


@dataclass(frozen=True)
class Failed:
    """An item whose work went wrong."""

    error: Exception

    @property
    def reason(self) -> str:
        name = "" if isinstance(self.error, RaisedInWorker) else f"{type(self.error).__name__}: "
        return one_line(f"{name}{self.error}")


Outcome = Done[T] | Skipped | Failed


def run_batch(
    function: Callable[..., T],
    items: Iterable[Any],
    *,
    shared: Any = None,
    jobs: int = 1,
    isolated: bool = False,
    prepare: Callable[[], None] | None = None,
    skips: type[Exception] | tuple[type[Exception], ...] = ValueError,
    task: str = "",
    unit: str = "recording",
    quiet: bool = False,
    executor: Executor | None = None,
) -> Generator[Outcome[T]]:
    """`function(item)` for each item, in `jobs` worker processes; the outcomes in the order of the items.

    `shared`: what all need besides, given as `function(shared, item)`; sent to each worker once, its arrays
    as read-only memory maps. One job runs in this process, unless `isolated`, or `prepare`, which a new
    worker calls first of all. `skips`: errors that mean that an item can't be used. `task` and `unit` label
    the progress bar; without a task there is none. `executor`: in place of the pool.
    """
    outcomes: Iterator[Outcome[T]]
    if executor is not None:
        outcomes = _on_executor(executor, _bound(function, shared, skips), items)
    elif jobs == 1 and not isolated and prepare is None:
        outcomes = map(_bound(function, shared, skips), items)
    else:
        outcomes = _on_pool(function, shared, skips, items, _Pool(jobs, isolated, prepare))
    total = len(items) if isinstance(items, Sized) else None
    with tqdm(total=total, desc=task, unit=unit, disable=quiet or not task) as bar:
        try:
            for outcome in outcomes:
                bar.update()
                yield outcome
        finally:
            if isinstance(outcomes, Generator):
                outcomes.close()


def results(outcomes: Iterable[Outcome[T]]) -> Iterator[T]:
    """The values of outcomes that are all expected to be done; raises the error of the first that isn't."""
    for outcome in outcomes:
        if not isinstance(outcome, Done):
            raise outcome.error
        yield outcome.value


def _bound(function: Callable[..., T], shared: Any, skips: Any) -> Callable[[Any], Outcome[T]]:
    return partial(_outcome, function if shared is None else partial(function, shared), skips)


def _outcome(function: Callable[[Any], T], skips: Any, item: Any) -> Outcome[T]:
    """What becomes of an item, in the process that works on it."""
    try:
        return Done(function(item))
    except skips as error:
        return Skipped(error)
    except Exception as error:
        return Failed(error)


def _in_worker(function: Callable[..., T], skips: Any, shared: str | None, item: Any) -> Outcome[T]:
    """As `_outcome`; an error that would break the pool comes back by its name and text."""
    if shared is not None:
        function = partial(function, _loaded(shared))
    try:
        outcome = _outcome(function, skips, item)
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
    return joblib.load(path, mmap_mode="r")


@contextmanager
def _kept(shared: Any) -> Iterator[str | None]:
    """A file with what all items share, until the block ends."""
    if shared is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="lab-batch-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "shared")
        joblib.dump(shared, path)
        yield path


@dataclass(frozen=True)
class _Pool:
    """How worker processes are made."""

    jobs: int
    isolated: bool
    prepare: Callable[[], None] | None

    def started(self, processes: int | None = None) -> ProcessPoolExecutor:
        """Workers; those of a batch before, if they need no preparing and are still there."""
        # loky replaces a worker that has grown by 300 MB, which two voice models and a long call can do.
        warnings.filterwarnings("ignore", "A worker (was restarted|stopped) while some jobs", module="loky")
        count = processes or self.jobs
        start = {"initializer": _begin, "initargs": (self.prepare, list(sys.path), os.getpid())}
        if self.isolated or self.prepare is not None:
            return ProcessPoolExecutor(count, **start)
        # As many threads as cores in all: more would wait for each other.
        threads = str(max(1, (os.cpu_count() or 1) // count))
        return get_reusable_executor(count, timeout=IDLE_S, env=dict.fromkeys(_THREADS, threads), **start)

    def ended(self, executor: ProcessPoolExecutor, well: bool) -> None:
        """The next batch may use workers that need no preparing."""
        if not well or self.isolated or self.prepare is not None:
            executor.shutdown(kill_workers=True)


def _on_pool(
    function: Callable[..., T], shared: Any, skips: Any, items: Iterable[Any], pool: _Pool
) -> Generator[Outcome[T]]:
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
                    yield _of_future(under_way.popleft()[1])
                    continue
                # Who did it is not known. Each that isn't done is tried once more, with nobody beside it.
                executor.shutdown(kill_workers=True)
                executor = pool.started(1)
                while under_way:
                    item, future = under_way.popleft()
                    if isinstance(future.exception(), BrokenProcessPool):
                        future = _submitted(executor, work, item)
                    if isinstance(future.exception(), BrokenProcessPool):
                        executor.shutdown(kill_workers=True)
                        executor = pool.started(1)
                    yield _of_future(future)
                executor.shutdown(kill_workers=True)
                executor = pool.started()
        finally:
            pool.ended(executor, well)


def _on_executor(
    executor: Executor, work: Callable[[Any], Outcome[T]], items: Iterable[Any]
) -> Generator[Outcome[T]]:
    """On somebody else's executor, which stays theirs; what isn't begun is cancelled by who stops early."""
    futures = [executor.submit(work, item) for item in items]
    try:
        for future in futures:
            yield _of_future(future)
    finally:
        for future in futures:
            future.cancel()


def _submitted(executor: Executor, work: Callable[[Any], Outcome[T]], item: Any) -> Future[Outcome[T]]:
    try:
        return executor.submit(work, item)
    except BrokenProcessPool as error:  # by an item submitted before
        future: Future[Outcome[T]] = Future()
        future.set_exception(error)
        return future


def _of_future(future: Future[Outcome[T]]) -> Outcome[T]:
    """What became of an item."""
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        found = re.search(r"exit codes of the workers are (\{.*?\})", str(error))
        codes = f" {found[1]}" if found else ""
        memory = "; perhaps no memory was left: try with fewer jobs" if "SIGKILL" in codes else ""
        return Failed(WorkerDied(f"it ended its process{codes}{memory}"))
    if isinstance(error, Exception):
        return Failed(error)
    raise error


def _begin(prepare: Callable[[], None] | None, path: list[str], parent: int) -> None:
    """Make a new process ready: its own preparations, the parent's import path, and its end."""
    if prepare is not None:
        prepare()
    sys.path[:] = path
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too, which ends its workers
    threading.Thread(target=_end_with, args=(parent,), name="end with parent", daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has been killed, which tells its children nothing.

    Linux's PR_SET_PDEATHSIG would end it with the parent's thread that started it, which may end earlier.
    """
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(1)
