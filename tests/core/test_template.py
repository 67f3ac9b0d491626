"""Workers that are forks of a template: what they find loaded, and what ends with what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab_utils.core.batch import Done, Failed, run_batch
from lab_utils.core.batch.forking import can_fork
from lab_utils.core.batch.template import ONE_THREAD, template, template_process
from lab_utils.session import clock
from lab_utils.session.clock.loading import RUN_LOADS

pytestmark = pytest.mark.skipif(not can_fork(), reason="no templates here")
LOADS = ("colorsys", "wave")
ROOT = Path(__file__).resolve().parents[2]


def told(_: int) -> tuple[int, int, bool, str, int | None, bool]:
    """The worker's and its parent's process, what it has, and how many threads the template has."""
    loaded = all(name in sys.modules for name in LOADS)
    threads = psutil.Process(os.getppid()).num_threads()
    return (
        os.getpid(),
        os.getppid(),
        loaded,
        os.environ.get("TOLD", ""),
        threads,
        "OMP_NUM_THREADS" in os.environ,
    )


def in_template(*items: int, prepare=None, jobs: int = 2) -> list:
    return list(run_batch(told, items, jobs=jobs, isolated=True, prepare=prepare, loads=LOADS))


def values(outcomes: list) -> list:
    assert all(isinstance(one, Done) for one in outcomes), outcomes
    return [one.value for one in outcomes]


def test_workers_find_loaded_what_one_process_has_loaded_and_read_the_environment_of_now(monkeypatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    first = values(in_template(1, 2, 3))
    again = values(in_template(1))
    assert all(loaded and threads == 1 and not limited for _, _, loaded, _, threads, limited in first + again)
    (parent,) = {parent for _, parent, *_ in first + again}
    assert parent != os.getpid()
    monkeypatch.setenv("TOLD", "since then")
    ((_, other, loaded, environment, _, _),) = values(in_template(1))
    assert (other != parent, loaded, environment) == (True, True, "since then")
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT / "docs")])
    ((_, third, *_),) = values(in_template(1))
    assert third not in (parent, other)
    until = time.monotonic() + 20
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in (parent, other)):
        assert time.monotonic() < until, "templates are left that nobody needs"
        time.sleep(0.05)


def test_what_a_template_can_not_load_is_left_to_the_workers() -> None:
    (outcome,) = run_batch(abs, [-1], jobs=1, isolated=True, loads=("no_such_module", "wave"))
    assert outcome == Done(1)


def ended(item: int) -> int:
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return -item


def test_a_killed_worker_fails_alone_and_a_killed_template_is_replaced() -> None:
    outcomes = list(run_batch(ended, range(5), jobs=2, isolated=True, loads=LOADS))
    assert [one.value for one in outcomes if isinstance(one, Done)] == [0, -1, -3, -4]
    assert isinstance(outcomes[2], Failed)
    assert "SIGKILL" in outcomes[2].reason
    ((_, parent, *_),) = values(in_template(1))
    os.kill(parent, signal.SIGKILL)
    ((_, other, loaded, *_),) = values(in_template(1))
    assert (other != parent, loaded) == (True, True)


def noted(folder: str, item: int) -> int:
    """An item that tells where it is worked on, and takes a while."""
    with Path(folder, "begun").open("a") as file:
        file.write(f"{item} {os.getpid()} {os.getppid()}\n")
    time.sleep(0.2)
    return item


def test_a_template_that_is_killed_costs_what_was_in_hand(tmp_path: Path) -> None:
    found = []
    for outcome in run_batch(noted, range(8), shared=str(tmp_path), jobs=2, isolated=True, loads=LOADS):
        found.append(outcome)
        if len(found) == 3:
            os.kill(int((tmp_path / "begun").read_text().split()[2]), signal.SIGKILL)
    assert found == [Done(item) for item in range(8)]
    begun = [line.split() for line in (tmp_path / "begun").read_text().splitlines()]
    assert 8 < len(begun) <= 8 + 2 + 2  # in hand, and perhaps done a moment ago
    assert not [pid for _, pid, _ in begun if psutil.pid_exists(int(pid))]


def of_a_session(_: int) -> tuple[int, list[str], str]:
    """Threads of the template, what of its modules this worker lacks, and whose `time.time` LiveKit has."""
    return (
        psutil.Process(os.getppid()).num_threads(),
        [name for name in ("livekit.agents", *RUN_LOADS) if name not in sys.modules],
        sys.modules["time"].time.__module__,
    )


def test_a_template_of_sessions_has_one_thread_and_all_that_they_need(monkeypatch) -> None:
    for name in ONE_THREAD:
        monkeypatch.delenv(name, raising=False)
    (found,) = values(
        list(run_batch(of_a_session, [1], isolated=True, prepare=clock.install, loads=RUN_LOADS))
    )
    assert found == (1, [], "lab_utils.session.clock.virtual_time")


PROGRAM = f"""
import os, sys, time
sys.path[:0] = [{str(ROOT)!r}]
from lab_utils.core.batch import run_batch
def one(item):
    print(os.getpid(), os.getppid(), flush=True)
    time.sleep(60)
for _ in run_batch(one, range(2), jobs=2, isolated=True, loads=("wave",)):
    pass
"""


def test_workers_and_template_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        processes = {int(pid) for _ in range(2) for pid in parent.stdout.readline().split()}
        assert len(processes) == 3
        parent.kill()
        parent.wait()
        until = time.monotonic() + 20
        while left := [pid for pid in processes if psutil.pid_exists(pid)]:
            assert time.monotonic() < until, left
            time.sleep(0.05)


def test_importing_what_a_template_loads_does_nothing_elsewhere() -> None:
    before = dict(os.environ)
    template(None, LOADS)
    assert dict(os.environ) == before
    assert template_process.TOLD not in before


WITHOUT = """
from multiprocessing import context
del context.ForkServerContext, context.ForkServerProcess
import lab_utils.core.batch.pool, lab_utils.session.workers
"""


def test_workers_can_be_imported_where_multiprocessing_has_no_fork_server() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, cwd=ROOT)
