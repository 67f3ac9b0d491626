"""On a Dask cluster: the same outcomes in the same order, and clear words where a cluster doesn't fit."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from paths import SAMPLE_CALLS
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.batch import Done, Failed, Skipped, WorkerDied, on_cluster, run_batch
from lab_utils.core.batch.cluster import current
from lab_utils.workflows.study import measure

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
GRID = {"min_delay": [0.3, 0.6], "max_delay": [1.0, 2.5]}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A scheduler with two workers, each a process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(**options, dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


def doubled(item: int) -> int:
    if item == 3:
        raise ValueError("three can't be used")
    if item == 4:
        raise KeyError("four")
    return 2 * item


def scaled(factors: np.ndarray, item: int) -> float:
    return float(factors[item])


def dies_once(folder: Path, item: int) -> int:
    """The first time that item 1 is worked on, its worker is killed."""
    mark = folder / "died"
    if item == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def dies(item: int) -> int:
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_outcomes_are_those_of_this_machine_and_in_its_order(address: str) -> None:
    here = list(run_batch(doubled, range(6)))
    with on_cluster(address):
        there = list(run_batch(doubled, range(6)))
        factors = np.arange(8.0)
        shared = list(run_batch(scaled, range(8), shared=factors))
    assert [type(one) for one in there] == [Done, Done, Done, Skipped, Failed, Done]
    assert [repr(one) for one in there] == [repr(one) for one in here]
    assert shared == [Done(value) for value in factors]
    assert current() is None


def test_isolated_work_stays_on_this_machine(address: str) -> None:
    with on_cluster(address):
        (one,) = run_batch(_parent, [0], isolated=True)
    assert isinstance(one, Done)
    assert one.value == os.getpid()


def traces(folder: Path) -> dict[str, str]:
    """What a cache holds: path and hash of each file."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _parent(_: int) -> int:
    return os.getppid()


def test_a_sweep_on_a_cluster_gives_the_same_figures(address: str, tmp_path: Path) -> None:
    calls = [SAMPLE_CALLS / "demo" / f"{name}.flac" for name in ("14_clinic_appointment", "20_library_books")]
    with on_cluster(address):
        there = measure(calls, grid=GRID, phases=1, cache=tmp_path / "there", quiet=True)
    here = measure(calls, grid=GRID, phases=1, cache=tmp_path / "here", jobs=1, quiet=True)
    pd.testing.assert_frame_equal(there.table, here.table, check_exact=True)
    kept = {place: traces(tmp_path / place) for place in ("there", "here")}
    assert kept["there"] == kept["here"]
    assert len(kept["here"]) > len(calls)


def test_a_killed_worker_costs_its_item_another_try(address: str, tmp_path: Path) -> None:
    with on_cluster(address):
        found = list(run_batch(partial(dies_once, tmp_path), range(4)))
    assert found == [Done(item) for item in range(4)]
    assert (tmp_path / "died").exists()


def test_an_item_that_kills_worker_after_worker_is_told(address: str) -> None:
    with on_cluster(address):
        (found,) = run_batch(dies, [1])
    assert isinstance(found, Failed)
    assert isinstance(found.error, WorkerDied)
    assert "ended 2 workers" in found.reason


def test_a_worker_with_another_version_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.core.batch.cluster.version", lambda _: "9.9.9")  # here, not in the workers
    match = r"worker .*: livekit-turn-lab .*, expected 9\.9\.9; install the same"
    with pytest.raises(ValueError, match=match), on_cluster(address):
        pass


def test_a_worker_with_several_threads_is_refused() -> None:
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
        pytest.raises(ValueError, match="2 threads, expected 1"),
        on_cluster(client),
    ):
        pass


def test_a_scheduler_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.core.batch.cluster.ANSWER_S", 0.5)
    done = CliRunner().invoke(app, ["sweep", "calls", "--scheduler", "tcp://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "no scheduler answers" in done.output
    assert "dask scheduler" in done.output
