"""Workers that are forks of a template: what they find loaded, and what ends with what."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from lab_utils.core.batch import Done, Failed, run_batch
from lab_utils.core.batch.forking import THREADS, can_fork
from lab_utils.core.batch.template import Template, template
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


def await_end(processes: set[int]) -> None:
    """Wait until nothing of these processes is left, zombies neither."""
    until = time.monotonic() + 20
    while left := [pid for pid in processes if psutil.pid_exists(pid)]:
        assert time.monotonic() < until, left
        template(None, LOADS)
        time.sleep(0.05)


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
    await_end({parent, other})


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
    await_end({int(pid) for _, pid, _ in begun})


def of_a_session(_: int) -> tuple[list[str], str, str]:
    """Modules that are lacking here, whose `time.time` LiveKit has, and threads from now on."""
    return (
        [name for name in ("livekit.agents", *RUN_LOADS) if name not in sys.modules],
        sys.modules["time"].time.__module__,
        os.environ["OPENBLAS_NUM_THREADS"],
    )


def test_a_template_of_sessions_has_one_thread_and_all_that_they_need(monkeypatch) -> None:
    for name in THREADS:
        monkeypatch.setenv(name, "2")
    others = children()
    sessions = template(clock.install, RUN_LOADS)
    (new,) = (psutil.Process(pid) for pid in children() - others)
    threads = set()
    with ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(sessions.serves)
        while not loaded.done():  # OpenBLAS ends its threads before the first fork
            threads.add(new.num_threads())
            time.sleep(0.01)
    outcomes = list(run_batch(of_a_session, [1], isolated=True, prepare=clock.install, loads=RUN_LOADS))
    assert values(outcomes) == [([], "lab_utils.session.clock.virtual_time", "2")]
    assert threads | {new.num_threads()} == {1}


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
        await_end(processes)


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children()}


class MadeSlowly(Template):
    def __init__(self, *arguments) -> None:
        time.sleep(0.05)
        super().__init__(*arguments)


def test_threads_that_ask_at_once_get_one_template_and_leave_the_environment_alone(monkeypatch) -> None:
    monkeypatch.setattr("lab_utils.core.batch.template.Template", MadeSlowly)
    monkeypatch.setenv("TOLD", "asked at once")
    before, others = dict(os.environ), children()
    with ThreadPoolExecutor(4) as threads:
        assert len({id(one) for one in threads.map(lambda _: template(None, LOADS), range(60))}) == 1
    assert dict(os.environ) == before
    assert len(children() - others) == 1


def test_a_template_that_somebody_else_has_waited_for_is_replaced() -> None:
    ((_, parent, *_),) = values(in_template(1))
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    ((_, other, loaded, *_),) = values(in_template(1))
    assert (other != parent, loaded) == (True, True)


def test_a_template_takes_no_notice_of_an_interrupt_from_its_first_moment_on(monkeypatch) -> None:
    monkeypatch.setenv("TOLD", "interrupted")
    others = children()
    template(None, LOADS)
    (new,) = children() - others
    os.kill(new, signal.SIGINT)
    assert [parent for _, parent, *_ in values(in_template(1))] == [new]


def drawn(_: int) -> tuple[float, int]:
    time.sleep(0.3)  # so that each worker has one
    return float(np.random.random()), os.umask(0)


def test_forks_draw_numbers_of_their_own_and_have_the_parents_umask_of_now() -> None:
    values(list(run_batch(abs, [1], isolated=True, loads=("numpy.random",))))
    before = os.umask(0o027)
    try:
        one, other = values(list(run_batch(drawn, [1, 2], jobs=2, isolated=True, loads=("numpy.random",))))
    finally:
        os.umask(before)
    assert one[0] != other[0]
    assert (one[1], other[1]) == (0o027, 0o027)


def test_workers_write_where_the_parent_does_now(tmp_path: Path) -> None:
    template(None, LOADS)
    before = os.dup(1)
    with (tmp_path / "written").open("wb") as file:
        os.dup2(file.fileno(), 1)
        try:
            values(list(run_batch(partial(os.write, 1), [b"by a worker"], isolated=True, loads=LOADS)))
        finally:
            os.dup2(before, 1)
            os.close(before)
    assert (tmp_path / "written").read_bytes() == b"by a worker"


@pytest.mark.parametrize("code", ["raise SystemExit", "import os; os._exit(3)"])
def test_a_module_that_ends_its_process_leaves_loading_to_the_workers(code, monkeypatch, tmp_path) -> None:
    (tmp_path / "ends_its_process.py").write_text(code)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert list(run_batch(abs, [-1], isolated=True, loads=("ends_its_process",))) == [Done(1)]


SLOW = """
import time
from pathlib import Path
Path(__file__).with_suffix(".begun").touch()
time.sleep(10)
"""
FAILS = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[1])
from lab_utils.core.batch.template import Template, template
template(None, ("slow",))
while not Path(sys.argv[1], "slow.begun").exists():
    time.sleep(0.01)
"""


def test_who_reads_a_command_does_not_wait_for_what_it_was_loading(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-c", FAILS, str(tmp_path)]
    begun_s = time.monotonic()
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    assert time.monotonic() - begun_s < 10


ELSEWHERE = f"""
import os, sys
sys.path[:] = {sys.path!r} + [{str(ROOT)!r}]
from lab_utils.core.batch import run_batch
def forked(parent):
    return os.getppid() != parent and "wave" in sys.modules
for outcome in run_batch(forked, [os.getpid()], isolated=True, loads=("wave",)):
    assert outcome.value
"""


def test_a_template_is_found_by_the_import_path_of_its_parent(tmp_path) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", ELSEWHERE], check=True, cwd=tmp_path)


def test_a_template_can_be_asked_where_paths_of_temporary_files_are_long(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 25)
    folder.mkdir()
    told = os.environ | {"TMPDIR": str(folder)}
    subprocess.run([sys.executable, "-c", ELSEWHERE], check=True, env=told)


WITHOUT = """
from multiprocessing import context
del context.ForkServerContext, context.ForkServerProcess
import lab_utils.core.batch.pool, lab_utils.session.workers
"""


def test_workers_can_be_imported_where_multiprocessing_has_no_fork_server() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT], check=True, cwd=ROOT)
