"""What the batch layer costs and gains, for `make bench`; alone: `python tests/bench_workers.py`.

Tracing (one take, by the models, nothing cached) and sessions (traces given) of sample calls: in a plain
loop, by one and two processes of this machine, and by one and two workers of a local cluster. All of them
together have as many cores as there are workers: v1-mini computes on two, so that one process alone would
keep both busy. Processes are there, and have loaded what they need, before anything is timed. Wall-clock
times mean something on an idle machine; its load is told with them. On a busy one the CPU that the same items
take says what two would gain on free cores, and what items cost that do nothing is the layer's own share.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from lab_utils.core.batch import on_cluster, results, run_batch
from lab_utils.core.batch.cluster import current
from lab_utils.core.batch.pool import Pool, on_pool
from lab_utils.core.settings import Settings
from lab_utils.recordings.find import RecordingFiles, find_recordings, load_recording
from lab_utils.session.job import SessionJob
from lab_utils.session.prepare import traced_job
from lab_utils.session.workers import in_workers
from lab_utils.turns.tracing import TraceCache, Tracer

DEMO = Path(__file__).resolve().parent.parent / "audio_samples" / "calls" / "demo"
CALLS = 10
SIZES = [1, 3, 6, 9]
"""The last of so many calls, counted from 0, after which CPU is compared with hours."""
SESSIONS = 24
EMPTY = 2000
"""Items that take no time, for what each costs."""


def bench_workers() -> dict[str, Any]:
    """Two workers against one, the layer against a plain loop, and cost by hours."""
    files = find_recordings(DEMO)[:CALLS]
    load = [os.getloadavg()[0]]
    plain, linear = plain_loop(files)
    tracing = {"plain loop": plain} | traced_by_workers(files)
    sessions = sessions_by_workers(files[0])
    empty_s = {name: one.wall_s / EMPTY for name, one in empty_items().items()}
    load.append(os.getloadavg()[0])
    of_empty = {
        f"overhead of {name}, % by empty items": round(100 * empty_s[name] * len(files) / plain.wall_s, 3)
        for name in ("1 process", "1 cluster worker")
    }
    return {
        "load of the machine, before and after": [round(one, 1) for one in load],
        "cores": os.cpu_count(),
        "tracing": {"calls": len(files), **compared(tracing), **of_empty, **linear},
        "sessions": {"sessions": SESSIONS, **compared(sessions)},
        "ms_per_item": {name: round(1000 * one_s, 3) for name, one_s in empty_s.items()},
    }


@dataclass(frozen=True)
class Took:
    """What some items took, and their own CPU in all."""

    wall_s: float
    cpu_s: float


def compared(took: dict[str, Took]) -> dict[str, float]:
    """Seconds, two workers against one, and one against a plain loop."""
    found = {f"{name}, s": round(one.wall_s, 2) for name, one in took.items()}
    for kind in ("process", "cluster worker"):
        one, two = took[f"1 {kind}"], took[f"2 {kind}"]
        name = f"times as fast with 2 as with 1 {kind}"
        found[name] = round(one.wall_s / two.wall_s, 2)
        found[f"{name}, on free cores by CPU"] = round(2 * one.cpu_s / two.cpu_s, 2)
        if "plain loop" in took:
            over = one.wall_s / took["plain loop"].wall_s - 1
            found[f"overhead of 1 {kind}, % of the plain loop"] = round(100 * over, 1)
    return found


def trace(files: RecordingFiles) -> float:
    """The CPU that one call takes, from the file to its traces and predictions, in seconds."""
    os.environ["LAB_SHIPPED_TRACES"] = "0"
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        tracer = Tracer(TraceCache(Path(folder)))
        tracer.trace_session(tracer.labelled(load_recording(files)), Settings())
    return time.process_time() - start


def plain_loop(files: Sequence[RecordingFiles]) -> tuple[Took, dict[str, float]]:
    """What a loop takes, and how its CPU grows with the hours of sets of calls."""
    with cores(1):
        trace(files[0])  # loads the models
        start = time.perf_counter()
        cost_s = [trace(one) for one in files]
        took_s = time.perf_counter() - start
    hours = np.cumsum([load_recording(one).duration_s / 3600 for one in files])[SIZES]
    cpu_s = np.cumsum(cost_s)[SIZES]
    return Took(took_s, sum(cost_s)), {
        "CPU min per hour": round(float(cpu_s[-1] / hours[-1] / 60), 2),
        "r2 of CPU by hours, of four numbers of calls": round(float(np.corrcoef(hours, cpu_s)[0, 1] ** 2), 4),
    }


def traced_by_workers(files: Sequence[RecordingFiles]) -> dict[str, Took]:
    return by_workers(partial(batch, trace, files), lambda jobs: batch(trace, files[:1] * 2 * jobs, jobs))


def batch(function: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> list[Any]:
    """On a cluster, or in worker processes; `run_batch` does one job in this one."""
    if jobs == 1 and current() is None:
        outcomes: Iterable[Any] = on_pool(function, None, ValueError, items, Pool(1, False, None))
    else:
        outcomes = run_batch(function, items, jobs=jobs, quiet=True)
    return list(results(outcomes))


def sessions_by_workers(files: RecordingFiles) -> dict[str, Took]:
    """Of one call, again and again."""
    with tempfile.TemporaryDirectory() as folder:
        tracer = Tracer(TraceCache(Path(folder)))
        job = traced_job(SessionJob(tracer.labelled(load_recording(files)), Settings()), tracer)[0]
    started: dict[int, float] = {}

    def work(processes: int) -> list[float]:
        """Each run has processes of its own: what follows the first session of each is timed."""
        answers = in_workers(run_session, [(job,)] * (SESSIONS + processes), processes, quiet=True)
        cpu_s = []
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
            cpu_s.append(answer)
            if len(cpu_s) == processes:
                started[processes] = time.perf_counter()
        return cpu_s[processes:]

    return by_workers(work, begun=started)


def run_session(job: SessionJob) -> float:
    """The CPU of a session; its clock is virtual, the system's count isn't."""
    from lab_utils.session.run import run

    start = os.times()
    run(job)
    end = os.times()
    return end.user + end.system - start.user - start.system


def empty_items() -> dict[str, Took]:
    return by_workers(partial(batch, abs, range(EMPTY)), partial(batch, abs, range(8)))


def by_workers(
    work: Callable[[int], Sequence[float]],
    warm_up: Callable[[int], Any] = abs,
    begun: Mapping[int, float] = MappingProxyType({}),
) -> dict[str, Took]:
    """What work takes with one and two processes, and with one and two cluster workers.

    `work` gives the CPU of each item. `begun`: when the work of so many began, if not at once.
    """
    took = {}
    for kind in ("process", "cluster worker"):
        for count in (1, 2):
            with cores(count), cluster(count) if kind == "cluster worker" else nullcontext():
                warm_up(count)
                start = time.perf_counter()
                cpu_s = sum(work(count))
                wall_s = time.perf_counter() - begun.get(count, start)
                took[f"{count} {kind}"] = Took(wall_s, cpu_s)
    return took


@contextmanager
def cores(count: int) -> Iterator[None]:
    """This process and those that it starts keep to so many cores, where the system can see to it (Linux)."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    from distributed import LocalCluster

    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with LocalCluster(**options, dashboard_address=":0") as local, on_cluster(local.scheduler_address):
        yield


if __name__ == "__main__":
    json.dump(bench_workers(), sys.stdout, indent=1)
    print()
