"""What a fault in the middle of a batch costs: how many items are made again, none lost, the same results.

Items leave a line when they are begun, and what they make in a cache, as recordings leave their traces.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lab_utils.core.batch import Done, on_cluster, run_batch
from lab_utils.core.batch.cluster import SchedulerLost, UnfitWorker
from lab_utils.turns.cache import TraceCache

if TYPE_CHECKING:
    from distributed import Client

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="SIGKILL")]
ROOT = Path(__file__).resolve().parents[2]
ITEMS = 12
FATAL = 9
WAIT_S = 60.0


def made(folder: Path, item: int) -> list[float]:
    """What an item gives: from the cache, or made, which is told."""
    cache = TraceCache(folder / "cache")
    found = cache.load(f"{item:02}-made", ["p"])
    if found is None:
        with (folder / "begun").open("a") as file:
            file.write(f"{item}\n")
        found = [np.sqrt(np.arange(item, item + 4.0))]
        cache.store(f"{item:02}-made", p=found[0])
    return [float(value) for value in found[0]]


def begun(folder: Path) -> Counter[int]:
    """How often each item was made."""
    path = folder / "begun"
    return Counter(map(int, path.read_text().split())) if path.exists() else Counter()


@pytest.fixture
def undisturbed(tmp_path: Path) -> list[Done[list[float]]]:
    (tmp_path / "undisturbed").mkdir()
    return [Done(made(tmp_path / "undisturbed", item)) for item in range(ITEMS)]


def dies_at_one(folder: Path, process: Callable[[], int], item: int) -> list[float]:
    """At one item, the first time, a process is killed, two seconds after the one before was done."""
    mark = folder / "killed"
    if item == FATAL and not mark.exists():
        mark.touch()
        with (folder / "begun").open("a") as file:
            file.write(f"{item}\n")
        time.sleep(2.0)
        os.kill(process(), signal.SIGKILL)
        time.sleep(WAIT_S)
    return made(folder, item)


def test_a_killed_process_of_this_machine_costs_what_was_in_hand(tmp_path: Path, undisturbed: list) -> None:
    found = list(run_batch(partial(dies_at_one, tmp_path, os.getpid), range(ITEMS), jobs=2))
    assert found == undisturbed
    times = begun(tmp_path)
    assert len(times) == ITEMS
    assert times[FATAL] == 2
    assert sum(times.values()) - ITEMS <= 2, "one item a process"


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[Client, int]]:
    """A scheduler and its workers, each a process of its own: a client, and the scheduler's process."""
    distributed = pytest.importorskip("distributed")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    file = folder / "scheduler.json"
    where = ["--scheduler-file", str(file), "--no-dashboard", "--host", "127.0.0.1"]
    scheduler = [sys.executable, "-m", "dask", "scheduler", "--port", "0", *where]
    worker = [sys.executable, "-m", "dask", "worker", "--nthreads", "1", "--no-nanny", *where]
    tests = os.pathsep.join(map(str, (Path(__file__).parent, ROOT)))
    environment = os.environ | {"PYTHONPATH": tests}
    processes = [subprocess.Popen(one, env=environment, **quiet) for one in (scheduler, *[worker] * workers)]
    try:
        wait_for(file.exists)
        with distributed.Client(scheduler_file=str(file), timeout=WAIT_S, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=WAIT_S)
            yield client, processes[0].pid
    finally:
        for process in processes:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def waits_for_the_kill(folder: Path, item: int) -> list[float]:
    """The first item takes until the other worker has died, at the last but two."""
    if item == 0:
        wait_for((folder / "killed").exists)
    with (folder / "worked").open("a") as file:
        file.write(f"{item}\n")
    return dies_at_one(folder, os.getppid, item)


def test_a_killed_worker_of_a_cluster_costs_what_was_in_hand(tmp_path: Path, undisturbed: list) -> None:
    """What it had done is fetched by then, though the first item, before it in order, isn't done."""
    with cluster(tmp_path, 2) as (client, _), on_cluster(client):
        found = list(run_batch(partial(waits_for_the_kill, tmp_path), range(ITEMS)))
    assert found == undisturbed
    worked = Counter(map(int, (tmp_path / "worked").read_text().split()))
    assert len(begun(tmp_path)) == ITEMS
    assert worked[FATAL] == 2
    assert sum(worked.values()) - ITEMS == 1, worked


def kills_the_scheduler(folder: Path, pid: int, item: int) -> list[float]:
    if item == 4 and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)
    return made(folder, item)


def test_a_lost_scheduler_is_told_and_the_next_run_goes_on(tmp_path: Path, undisturbed: list) -> None:
    log = logging.getLogger("distributed.client")
    with cluster(tmp_path, 1) as (client, scheduler):
        level = log.level
        with (
            on_cluster(client),
            pytest.raises(SchedulerLost, match=r"tcp://.*: the scheduler was lost after [0-4] item") as told,
        ):
            list(run_batch(partial(kills_the_scheduler, tmp_path, scheduler), range(ITEMS)))
        assert log.level == level < logging.CRITICAL, "the next client's errors are logged"
    assert "isn't made again" in str(told.value)
    before = begun(tmp_path)
    assert set(before) >= {0, 1, 2, 3}
    assert len(before) < ITEMS
    assert list(run_batch(partial(made, tmp_path), range(ITEMS))) == undisturbed
    assert sum(begun(tmp_path).values()) - ITEMS <= 1
    assert len(begun(tmp_path)) == ITEMS


def test_a_worker_that_joins_with_another_version_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path, 1) as (client, _), on_cluster(client):
        # As if all were of a newer version when they were checked, and this one had come later.
        monkeypatch.setattr("lab_utils.core.batch.cluster.version", lambda _: "9.9.9")
        match = r"worker tcp://.*: livekit-turn-lab .*, expected 9\.9\.9; install the same"
        with pytest.raises(UnfitWorker, match=match):
            list(run_batch(partial(made, tmp_path), range(ITEMS)))
        assert not begun(tmp_path)
