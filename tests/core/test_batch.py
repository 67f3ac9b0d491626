"""One loop for many recordings: outcomes in order, and what a worker does ends nobody else."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from lab_utils.core.batch import (
    Done,
    Failed,
    RaisedInWorker,
    Skipped,
    WorkerDied,
    collecting,
    results,
    run_batch,
)
from lab_utils.core.batch.collecting import NEW_OBJECTS
from lab_utils.core.batch.pool import _in_worker

pytestmark = pytest.mark.slow

WAYS = {"here": {"jobs": 1}, "in workers": {"jobs": 2}, "isolated": {"jobs": 1, "isolated": True}}


class Awkward(Exception):
    """Can be pickled, but not read back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("awkward")


def work(item: object) -> object:
    if item == "bad":
        raise ValueError("it can't be used")
    if item == "wrong":
        raise KeyError("wrong")
    if item == "awkward":
        raise Awkward(1, 2)
    if item == "interrupt":
        raise KeyboardInterrupt("from an agent")
    if item == "exit":
        sys.exit(3)
    if item == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return item, os.getpid()


def brief(outcome: object) -> object:
    return outcome.value[0] if isinstance(outcome, Done) else type(outcome)


@pytest.mark.parametrize("way", WAYS)
def test_outcomes_come_in_order_whatever_becomes_of_the_others(way: str) -> None:
    items = [1, "bad", 2, "wrong", "awkward", 3]
    found = list(run_batch(work, items, **WAYS[way]))
    assert [brief(one) for one in found] == [1, Skipped, 2, Failed, Failed, 3]
    assert found[1].reason == "it can't be used"
    assert found[3].reason == "KeyError: 'wrong'"
    assert "Awkward: awkward" in found[4].reason
    pids = {one.value[1] for one in found if isinstance(one, Done)}
    assert (pids == {os.getpid()}) == (way == "here")


@pytest.mark.parametrize("item", ["interrupt", "exit"])
def test_what_an_item_raises_in_a_worker_ends_nobody_else(item: str) -> None:
    found = list(run_batch(work, [1, item, 2], jobs=2))
    assert [brief(one) for one in found] == [1, Failed, 2]
    assert isinstance(found[1].error, RaisedInWorker)
    raised = {"interrupt": "KeyboardInterrupt: from an agent", "exit": "SystemExit: 3"}[item]
    assert found[1].reason == raised


def test_an_item_that_takes_its_process_with_it_fails_alone() -> None:
    items = [*range(5), "kill", *range(5, 12)]
    found = list(run_batch(work, items, jobs=2))
    assert [brief(one) for one in found] == [*range(5), Failed, *range(5, 12)]
    assert isinstance(found[5].error, WorkerDied)
    assert "SIGKILL" in found[5].reason
    assert "fewer jobs" in found[5].reason


def scaled(shared: list[np.ndarray], item: int) -> tuple[float, bool, int]:
    open_files = len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0
    return float(shared[item][0]), shared[item].flags.writeable, open_files


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_all_share_reaches_each_item_and_is_not_copied(jobs: int) -> None:
    """However many arrays it has: mapped one by one they would keep more files open than a process may."""
    shared = [np.full(10, float(k)) for k in range(2000)]
    found = list(results(run_batch(scaled, range(20), shared=shared, jobs=jobs)))
    assert [value for value, _, _ in found] == [float(item) for item in range(20)]
    assert all(writeable == (jobs == 1) for _, writeable, _ in found)
    assert max(open_files for _, _, open_files in found) < 200


def test_results_raises_what_went_wrong() -> None:
    with pytest.raises(ValueError, match="it can't be used"):
        list(results(run_batch(work, [1, "bad"])))


def mark() -> None:
    os.environ["LAB_TEST_PREPARED"] = "yes"


def prepared(_: int) -> str | None:
    return os.environ.get("LAB_TEST_PREPARED")


def test_a_new_worker_seldom_looks_for_cycles() -> None:
    """Else that takes a seventh of its start."""
    (found,) = results(run_batch(collects_after, [0], isolated=True))
    assert found == NEW_OBJECTS > 10 * 700, "Python's own threshold is 700"


def test_a_worker_that_grows_by_a_model_is_not_replaced() -> None:
    """loky would replace it after 300 MB, and all that it has loaded would be loaded again."""
    pids = list(results(run_batch(grown, range(3), isolated=True)))
    assert len(set(pids)) == 1


KEPT: list[np.ndarray] = []


def grown(item: int) -> int:
    if item == 1:  # what the first takes, loky compares with
        KEPT.append(np.ones(50_000_000))
    time.sleep(1.1)  # it looks once a second
    return os.getpid()


def test_a_worker_looks_for_cycles_between_items_now_and_then(monkeypatch) -> None:
    gc.disable()
    try:
        for cpu_s, is_there in ((1e9, True), (0.0, False)):
            monkeypatch.setattr(collecting, "EVERY_CPU_S", cpu_s)
            error = Awkward(1, 2)
            error.args = (error,)
            kept = weakref.ref(error)
            del error
            assert _in_worker(brief, (), None, 0) == Done(int)
            assert (kept() is not None) == is_there
    finally:
        gc.enable()


def collects_after(_: int) -> int:
    return gc.get_threshold()[0]


def test_a_new_worker_is_prepared_first() -> None:
    assert list(results(run_batch(prepared, [1, 2], prepare=mark))) == ["yes", "yes"]
    assert "LAB_TEST_PREPARED" not in os.environ


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 60.0) -> bool:
    """Waits only as long as need be; a busy machine takes longer."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def pid_of(_: int) -> int:
    return os.getpid()


@pytest.mark.skipif(not os.path.exists("/proc"), reason="processes are looked up in /proc")
@pytest.mark.parametrize("isolated", [True, False])
def test_who_stops_early_stops_the_workers(isolated: bool) -> None:
    outcomes = run_batch(pid_of, range(1000), jobs=2, isolated=isolated)
    pids = [next(outcomes).value for _ in range(3)]
    outcomes.close()
    assert gone(pids)


ORPHANS = """
    import os, sys, time
    from lab_utils.core.batch import run_batch
    def work(item):
        print(os.getpid(), flush=True)
        time.sleep(600)
    list(run_batch(work, range(2), jobs=2, isolated={isolated}))
"""


@pytest.mark.skipif(not os.path.exists("/proc"), reason="processes are looked up in /proc")
@pytest.mark.parametrize("isolated", [True, False])
def test_workers_end_with_a_parent_that_is_killed(isolated: bool, tmp_path: Path) -> None:
    program = textwrap.dedent(ORPHANS).format(isolated=isolated)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(alive(pid) for pid in pids)
        parent.kill()
        parent.wait()
        assert gone(pids)
