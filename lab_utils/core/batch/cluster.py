"""A Dask cluster in place of this machine's processes: the same items, outcomes and order.

Workers share a file system with this process (recordings, cache) and run the same version of the package, one
item at a time, in a process beside the worker (`beside`). A worker that dies is replaced by another for the
items it had; an item during which four of them die is told from those beside it.
"""

from __future__ import annotations

import logging
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import InputError
from .outcomes import Failed, Outcome, WorkerDied, outcome_of

if TYPE_CHECKING:
    from distributed import Client, Future

    from .pool import Workplace

T = TypeVar("T")
PACKAGE = "livekit-turn-lab"
ANSWER_S = 10
"""A scheduler that hasn't answered by then isn't there."""
AHEAD = 16
"""Items per worker that are submitted before the first of them is done."""

CLIENT_LOG = "distributed.client"


class SchedulerLost(InputError):
    """The cluster's scheduler is gone, with all that was under way."""


class UnfitWorker(InputError):
    """A worker has another version of this package, or several threads."""


_client: ContextVar[Client | None] = ContextVar("client", default=None)


@contextmanager
def on_cluster(client: Client | str) -> Iterator[None]:
    """Inside the block, a Dask cluster's workers read, trace, transcribe, score, and run sessions.

    `client`: a `distributed.Client`, or a scheduler's address such as "tcp://127.0.0.1:8786"; "" leaves all
    on this machine. Raises ValueError, with the remedy, if Dask isn't installed, nobody answers, or workers
    don't fit.
    """
    if client == "":
        yield
        return
    # A client of the user's own stays open.
    opened = _connected(client) if isinstance(client, str) else nullcontext(client)
    with _level_kept(), opened as used:
        _check_workers(used)
        token = _client.set(used)
        try:
            yield
        finally:
            _client.reset(token)


@contextmanager
def _level_kept() -> Iterator[None]:
    """After the block Dask's client logs what it logged before, also if it lost its scheduler."""
    log = logging.getLogger(CLIENT_LOG)
    level = log.level
    try:
        yield
    finally:
        log.setLevel(level)


def current() -> Client | None:
    """The cluster that the code that asks runs on; None: this machine."""
    return _client.get()


def worker_count() -> int:
    """How many workers the cluster has that the code that asks runs on; 0 on this machine."""
    client = current()
    return 0 if client is None else len(client.scheduler_info(n_workers=-1)["workers"])


def everywhere(function: Callable[[], object]) -> None:
    """Call a function in each worker of the cluster, at once, whatever it is at; errors don't count."""
    client = current()
    if client is not None:
        with suppress(Exception):  # of workers, or a scheduler, that are gone
            client.run(function, on_error="ignore")


def on_client(
    client: Client,
    function: Callable[..., T],
    shared: Any,
    skips: Any,
    items: Iterable[Any],
    *,
    own_process: bool = True,
) -> Generator[Outcome[T]]:
    """`function(item)` for each item on a cluster's workers; the outcomes in order.

    Results are fetched as soon as they are there, also of later items: a worker that dies then takes
    only what it had in hand with it. Raises SchedulerLost, and UnfitWorker for a worker that joined.
    """
    from distributed import as_completed

    from .pool import Workplace

    address, done = client.scheduler.address if client.scheduler else "the cluster", 0
    to_come, in_order, arrived = iter(items), deque[Any](), dict[Any, Outcome[T]]()
    finished = as_completed(loop=client.loop)
    try:
        most = AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))
        # As a task of its own: unlike scattered data, it is made again after the worker that had it died.
        there = () if shared is None else (_submitted(client, shared),)
        place = Workplace.here() if own_process and shared is None else None
        work = partial(_work, _version(), place)
        while True:
            # Not all at once: each item and each result may hold a recording.
            for item in islice(to_come, most - len(in_order)):
                future = client.submit(work, function, skips, item, *there, pure=False)
                in_order.append(future)
                finished.add(future)
            if not in_order:
                return
            if in_order[0] not in arrived:
                future = next(finished)
                arrived[future] = _outcome(client, future)
                continue
            yield arrived.pop(in_order.popleft())
            done += 1
    except Exception as error:
        if not _is_lost(client, error):
            raise
        logging.getLogger(CLIENT_LOG).setLevel(logging.CRITICAL)  # it tries again, in vain
        raise SchedulerLost(
            f"{address}: the scheduler was lost after {done} item(s); start it again, with "
            "workers, and give the same command: what is in the cache by then isn't made again"
        ) from None
    finally:
        with suppress(Exception):  # of a scheduler, or a client, that is gone
            client.cancel(list(in_order))


def _submitted(client: Client, shared: Any) -> Future:
    """What all items need, where the workers get it from each other."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sending large graph")  # it is sent once
        return client.submit(_itself, shared, pure=False)


def _itself(value: T) -> T:
    return value


def _outcome(client: Client, future: Future) -> Outcome[Any]:
    """What became of a finished item. Let go of at once: a worker keeps what somebody may ask for."""
    from distributed import KilledWorker

    try:
        found: Outcome[Any] = future.result()
        return found
    except KilledWorker as error:
        return Failed(WorkerDied(f"it ended {error.allowed_failures + 1} workers, one after another"))
    except Exception as error:  # what can't be sent between machines, for one
        if _is_lost(client, error) or isinstance(error, UnfitWorker):
            raise
        return Failed(error)


def _is_lost(client: Client, error: Exception) -> bool:
    """Whether an error is due to a scheduler that is gone."""
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    cancelled = isinstance(error, FutureCancelledError) and error.reason == "scheduler-connection-lost"
    return cancelled or isinstance(error, CommClosedError) or client.status != "running"


def _work(
    expected: str, place: Workplace | None, function: Callable[..., T], skips: Any, item: Any, *shared: Any
) -> Outcome[T]:
    """Runs in a worker, which may have joined after all were checked; with a place in a process beside it."""
    from distributed import get_worker

    worker = get_worker()
    _check_threads(worker.address, worker.state.nthreads)
    _check_version(worker.address, _version(), expected)
    if place is None:
        return outcome_of(lambda one: function(*shared, one), skips, item)
    from .beside import beside_worker

    return beside_worker(place, function, skips, item)


def _connected(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(
            f"{address}: a cluster needs Dask, which isn't installed; pip install 'livekit-turn-lab[dask]'"
        ) from None
    try:
        return Client(address, timeout=ANSWER_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(
            f"{address}: no scheduler answers ({type(error).__name__}); start one with 'dask scheduler', "
            "workers with 'dask worker ADDRESS --nthreads 1', and give its address"
        ) from None


def _version() -> str:
    return version(PACKAGE)


def _check_workers(client: Client) -> None:
    workers = client.scheduler_info(n_workers=-1)["workers"]
    if not workers:
        raise ValueError("the cluster has no workers; start some with 'dask worker ADDRESS --nthreads 1'")
    for name, worker in workers.items():
        _check_threads(name, worker["nthreads"])
    here = _version()
    try:
        versions = client.run(_version)
    except Exception as error:
        raise ValueError(
            f"the cluster's workers can't load lab_utils ({type(error).__name__}); install {PACKAGE} {here} "
            "where they run"
        ) from None
    for name, there in versions.items():
        _check_version(name, there, here)


def _check_threads(worker: str, threads: int) -> None:
    if threads != 1:
        raise UnfitWorker(
            f"worker {worker}: {threads} threads, expected 1, since threads don't share models; "
            "start it with --nthreads 1, and more of them with --nworkers"
        )


def _check_version(worker: str, there: str, expected: str) -> None:
    if there != expected:
        raise UnfitWorker(f"worker {worker}: {PACKAGE} {there}, expected {expected}; install the same")
