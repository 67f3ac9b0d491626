"""What work does to its worker stays its own: memory, loops, output, processes, threads, patched time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from lab_utils.core.batch import RaisedInWorker, WorkerDied
from lab_utils.session.faults.leftovers import put_right
from lab_utils.session.faults.watch import OUTPUT_BYTES, Watch, at_most
from lab_utils.session.workers import in_workers

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="process groups and signals of Unix"),
    pytest.mark.slow,
]
PATIENCE_S = 30.0


def stays(process: psutil.Process) -> bool:
    """Whether it is there for the next workers, too: a template, of which this process is the parent."""
    command = " ".join(process.cmdline())
    return "resource_tracker" in command or ("template_process" in command and process.ppid() == os.getpid())


def after(fault: Callable[[], Any], processes: int = 1, **options: Any) -> list[Any]:
    """What came of three items, of which the second commits a fault; and no process of theirs is left."""
    before = set(psutil.Process().children(recursive=True))

    def work(number: int) -> Any:
        if number == 1:
            fault()
        return number, time.time.__module__, os.getpid()

    results = list(in_workers(work, ((number,) for number in range(3)), processes, **options))
    until_s = time.monotonic() + PATIENCE_S
    while left := [one for one in psutil.Process().children(recursive=True) if one not in before]:
        left = [one for one in left if not stays(one)]
        if not left:
            break
        assert time.monotonic() < until_s, left
        time.sleep(0.1)
    for number in (0, 2):
        assert results[number][:2] == (number, "lab_utils.session.clock.virtual_time"), results
    return results


def test_too_much_memory_ends_its_item_only() -> None:
    def grows() -> None:
        kept = []
        while True:
            kept.append(bytearray(50_000_000))
            time.sleep(0.05)

    results = after(grows, memory_gb=0.6)
    assert isinstance(results[1], WorkerDied)
    assert str(results[1]) == "it took more than 0.6 GB of memory (--memory-limit)"


def test_memory_of_what_it_starts_counts() -> None:
    def starts() -> None:
        code = "import time; b = bytearray(700_000_000); time.sleep(60)"
        subprocess.run([sys.executable, "-c", code], check=False)

    results = after(starts, memory_gb=0.6)
    assert "more than 0.6 GB of memory" in str(results[1])


def test_what_nothing_in_the_worker_can_stop_is_ended_from_outside() -> None:
    def insists() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        with at_most(1.0):
            while True:
                try:
                    while True:
                        pass
                except BaseException:
                    continue

    results = after(insists)
    assert isinstance(results[1], WorkerDied)
    assert str(results[1]) == "it could not be stopped after 1 s of real time"


def test_output_is_shortened_and_comes_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    def prints() -> None:
        for _ in range(20_000):
            print("x" * 999)
        subprocess.run(["echo", "from a process"], check=False)

    results = after(prints)
    assert results[1][0] == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert OUTPUT_BYTES < len(err) < OUTPUT_BYTES + 200
    left_out = re.search(r"… at least ([\d,]+) more bytes of output left out\n$", err)
    assert left_out is not None
    assert 1_000_000 < int(left_out[1].replace(",", "")) <= 19_980_015


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_its_own_is_its_own(error: type[BaseException]) -> None:
    def raises() -> None:
        raise error("mine")

    results = after(raises)
    assert isinstance(results[1], RaisedInWorker)
    assert str(results[1]) == f"{error.__name__}: mine"


def test_a_copy_of_the_worker_ends_with_its_item() -> None:
    results = after(os.fork)
    assert results[1][0] == 1


def test_processes_that_it_leaves_are_ended() -> None:
    def leaves() -> None:
        subprocess.Popen(["sleep", "1000"])
        subprocess.Popen(["sleep", "1000"], start_new_session=True)

    assert after(leaves)[1][0] == 1


def test_a_worker_that_ends_itself_takes_what_it_started_with_it() -> None:
    def leaves_and_ends() -> None:
        subprocess.Popen(["sleep", "1000"])
        time.sleep(0.5)
        os._exit(3)

    results = after(leaves_and_ends)
    assert str(results[1]) == "it ended its process {EXIT(3)}"


def test_patched_time_and_threads_are_gone_for_the_next() -> None:
    def patches() -> None:
        time.time = lambda: 0.0
        time.sleep = print

    def spins() -> None:
        def forever() -> None:
            while True:
                pass

        threading.Thread(target=forever).start()

    for fault in (patches, spins):
        results = after(fault)
        assert results[1][0] == 1
        assert results[0][2] == results[1][2] != results[2][2], "the next has a process of its own"


def test_what_is_left_is_named_and_put_right() -> None:
    real, folder = time.time, os.getcwd()
    with put_right() as left:
        time.time = lambda: 0.0
        os.chdir("/")
        child = subprocess.Popen(["sleep", "1000"])
    assert time.time is real
    assert os.getcwd() == folder
    assert not psutil.pid_exists(child.pid)
    child.wait()
    assert left == ["time.time replaced"]
    with put_right() as left:
        pass
    assert left == []


def test_a_memory_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the memory limit is 0 GB; expected more than 0"):
        Watch(0)
