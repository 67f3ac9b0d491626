"""Sessions on a cluster give what they give on this machine, to the byte, and so do their commands."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import soundfile
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.batch import Done, WorkerDied, on_cluster
from lab_utils.session.faults import beside
from lab_utils.session.workers import in_workers

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two workers, each a process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    for number in range(2):
        audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
        part = audio[8 * number * rate : 8 * (number + 1) * rate]
        soundfile.write(folder / f"{number}.wav", part, rate)
    return folder


def lab(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.*")) if p.is_file()}


def both(address: str, folder: Path, *arguments: object) -> tuple[Path, Path]:
    """What a command writes here and on the cluster, which also makes the traces."""
    for place, more in (("there", ("--scheduler", address)), ("here", ())):
        lab(*arguments, "--out", folder / place, "--cache", folder / "cache", *more)
    return folder / "here", folder / "there"


def test_a_run_on_a_cluster_gives_the_same_bytes(
    address: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a recording whose path is relative to where the command is given."""
    monkeypatch.chdir(calls)
    here, there = both(address, tmp_path, "run", "0.wav")
    assert files(here) == files(there)
    assert len(files(here)) > 6


def test_a_proof_on_a_cluster_gives_the_same_bytes(address: str, calls: Path, tmp_path: Path) -> None:
    here, there = both(address, tmp_path, "verify", calls, "--settings", 2)
    assert here.read_bytes() == there.read_bytes()
    assert b'"mismatches": 0' in here.read_bytes()


@pytest.mark.parametrize("command", ["run", "verify", "techniques", "compare", "barge-in"])
def test_a_scheduler_that_is_not_there_is_told(
    command: str, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_utils.core.batch.cluster.ANSWER_S", 0.5)
    where = ["--out", str(tmp_path / "out"), "--scheduler", "tcp://127.0.0.1:9"]
    done = CliRunner().invoke(app, [command, str(calls), *where])
    assert done.exit_code == 1
    assert "tcp://127.0.0.1:9: no scheduler answers" in done.output


def told(what: str) -> tuple[str, float, int, str]:
    """What it is given, the virtual time, this process and where relative paths start."""
    print("as printed:", what)
    if what == "wrong":
        raise KeyError("wrong")
    if what == "stay":
        select.select([], [], [], 600)  # real seconds
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    start = time.monotonic()
    return what, start, os.getpid(), os.getcwd()


def test_each_worker_keeps_one_process_for_a_run(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(items: list[str]) -> list[Any]:
        return list(in_workers(told, [(item,) for item in items], 1))

    with on_cluster(address):
        found = run(["a", "wrong", "b", "kill", "c", "d"])
        again = run(["a", "b"])
    plain = [one[0] if isinstance(one, tuple) else type(one) for one in found]
    assert plain == ["a", KeyError, "b", WorkerDied, "c", "d"]
    assert "SIGKILL" in str(found[3])
    assert "as printed: b" in capfd.readouterr().err
    done = [one for one in found if isinstance(one, tuple)]
    assert all(one[1] < 1e6 + 1 for one in done), "a clock of their own"
    assert len({one[2] for one in done}) <= 3, "one for each of two workers, and one more after the kill"
    assert not {one[2] for one in done} & {one[2] for one in again}, "the next run, of other code, has others"
    assert {one[3] for one in done} == {str(tmp_path)}
    wait_until_gone([one[2] for one in (*done, *again)])


def test_who_stops_early_ends_what_is_under_way(address: str) -> None:
    with on_cluster(address):
        answers = in_workers(told, [("a",), ("stay",), ("stay",)], 1)
        first = next(answers)
        start = time.monotonic()
        answers.close()
        assert time.monotonic() - start < 60
        assert [one[0] for one in in_workers(told, [("b",)], 1)] == ["b"], "workers are free again"
    wait_until_gone([first[2]])


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while left := [pid for pid in pids if psutil.pid_exists(pid)]:
        assert time.monotonic() < deadline, f"left running: {left}"
        time.sleep(0.1)


class Fake:
    """A process beside a worker that begins and ends at once."""

    def __init__(self, run: Any) -> None:
        self.run = run.name
        self.ended = 0

    def outcome(self, function: Any, call: Any) -> tuple[Done[Any], str]:
        return Done(function(*call[1])), ""

    def end(self) -> None:
        self.ended += 1


class EndedMeanwhile(list[Any]):
    """The run is ended in another thread as soon as its process is there."""

    def append(self, one: Fake) -> None:
        super().append(one)
        self.other = threading.Thread(target=beside._end, args=(one.run,))
        self.other.start()
        self.other.join(0.2)


def test_a_run_that_ends_while_its_process_is_looked_up_costs_no_other_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, made = EndedMeanwhile(), []

    def counted(run: Any) -> Fake:
        made.append(Fake(run))
        return made[-1]

    monkeypatch.setattr(beside, "_here", here)
    monkeypatch.setattr(beside, "_Sessions", counted)
    run = SimpleNamespace(name="a")
    for number in range(2):
        assert beside._beside_worker(run, str, (number, ("done",))) == (Done("done"), "")
        here.other.join()
    assert [one.ended for one in made] == [1, 1]
    assert not here
