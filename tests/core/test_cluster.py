"""On a Dask cluster: the same outcomes in the same order, and clear words where a cluster doesn't fit."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
import s3fs
import soundfile
from moto.server import ThreadedMotoServer
from paths import SAMPLES
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.batch import Done, Failed, Skipped, WorkerDied, on_cluster, run_batch
from lab_utils.core.batch.cluster import current, on_client
from lab_utils.core.settings import Settings
from lab_utils.turns.cache import TraceCache
from lab_utils.turns.profile import Profile, save_profile
from lab_utils.workflows.study import measure

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow
GRID = {"vad": ["livekit", "silero"], "min_delay": [0.3, 0.6], "max_delay": [1.0, 2.5]}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3 server on loopback, which the cluster's workers know by their environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patched:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patched.setenv(name, "of-a-test")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patched.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3fs.S3FileSystem.clear_instance_cache()  # one that has connected stays with its server
        boto3.client("s3").create_bucket(Bucket="traces-of-clusters")
        yield "s3://traces-of-clusters/lab"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.fixture(scope="module")
def two_workers(store: str) -> Iterator[str]:
    """A scheduler with two workers, each a process."""
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(**options, dashboard_address=":0") as cluster,
    ):
        yield cluster.scheduler_address


@pytest.fixture
def address(two_workers: str) -> str:
    """Once both are there again, which the test before may have killed."""
    with distributed.Client(two_workers, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=60)
    return two_workers


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
        ends_its_worker(item)
    return item


def ends_its_worker(_: int) -> int:
    """Kills the Dask worker beside which this process is."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
    raise AssertionError("this process ends with its worker")


def ends_its_process(_: int) -> int:
    return os.kill(os.getpid(), signal.SIGKILL) or 0


def is_main_thread(_: int) -> bool:
    return threading.current_thread() is threading.main_thread()


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


def traces(cache: Path | str) -> dict[str, bytes]:
    """The entries of a cache, but what tells of files by their age."""
    entries = [path for path in TraceCache.at(cache).entries() if "-line-" not in path.name]
    return {path.name: path.read_bytes() for path in entries if not path.name.endswith("-known.npz")}


def _parent(_: int) -> int:
    return os.getppid()


def test_a_sweep_on_a_cluster_gives_the_same_figures_and_traces(
    address: str, store: str, tmp_path: Path
) -> None:
    """Its workers share a store with this process, and no folder for traces."""
    calls = []
    for number in range(2):  # short ones, which the package has no traces of
        audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
        calls.append(tmp_path / f"{number}.wav")
        soundfile.write(calls[-1], audio[12 * number * rate : 12 * (number + 1) * rate], rate)
    with on_cluster(address):
        there = measure(calls, grid=GRID, phases=1, cache=store, quiet=True)
        with there.corpus.for_workers() as sent:
            assert len(pickle.dumps(sent)) < 0.5 * len(pickle.dumps(there.corpus)), "labels, no traces"
    here = measure(calls, grid=GRID, phases=1, cache=tmp_path / "here", jobs=1, quiet=True)
    pd.testing.assert_frame_equal(there.table, here.table, check_exact=True)
    assert traces(store) == traces(tmp_path / "here")
    assert len(traces(store)) > len(calls)


@pytest.mark.parametrize(
    "command",
    ["import calls --out {}/manifest.parquet", "transcribe calls --out {}",
     "check calls --profile profile.yaml --phases 1 --markdown {}/check.md"],
)  # fmt: skip
def test_a_command_spreads_its_recordings_and_gives_the_same_bytes(
    command: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calls").mkdir()
    for number in range(2):
        audio, rate = soundfile.read(SAMPLES / "02_lost_parcel.flac", dtype="int16")
        part = audio[4 * number * rate : 4 * (number + 1) * rate]
        soundfile.write(tmp_path / "calls" / f"{number}.wav", part, rate)
    save_profile(Profile(name="one", settings=Settings().replace(detector="vad")), tmp_path / "profile.yaml")
    monkeypatch.chdir(tmp_path)
    given: list[int] = []

    def on_client_(client: Any, function: Any, shared: Any, skips: Any, items: Any, **how: Any) -> Any:
        given.append(len(items))
        return on_client(client, function, shared, skips, items, **how)

    monkeypatch.setattr("lab_utils.core.batch.on_client", on_client_)
    wrote = {}
    for place, scheduler in (("there", ["--scheduler", address]), ("here", [])):
        Path(place).mkdir()
        arguments = [
            *command.format(place).split(),
            "--cache",
            str(tmp_path / f"cache-{place}"),
            "--jobs",
            "1",
        ]
        done = CliRunner().invoke(app, [*arguments, *scheduler])
        assert done.exit_code == (2 if "check" in command else 0), done.output  # they tell too little
        found = [path for path in sorted(Path(place).rglob("*")) if path.is_file()]
        wrote[place] = {str(path.relative_to(place)): path.read_bytes() for path in found}
    assert 2 in given, "as many as there are recordings"
    assert wrote["there"] == wrote["here"] != {}


def test_a_killed_worker_costs_its_item_another_try(address: str, tmp_path: Path) -> None:
    with on_cluster(address):
        found = list(run_batch(partial(dies_once, tmp_path), range(4)))
    assert found == [Done(item) for item in range(4)]
    assert (tmp_path / "died").exists()


def kills_its_own(folder: Path, item: int) -> int:
    """As `dies_once`, in the worker's own process."""
    mark = folder / "died"
    if item == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_killed_worker_does_not_take_what_all_share_with_it(address: str, tmp_path: Path) -> None:
    with on_cluster(address):
        found = list(run_batch(kills_its_own, range(4), shared=tmp_path))
    assert found == [Done(item) for item in range(4)]
    assert (tmp_path / "died").exists()


@pytest.mark.parametrize(
    ("work", "why"), [(ends_its_worker, "ended 2 workers"), (ends_its_process, "ended its process {SIGKILL")]
)
def test_an_item_that_ends_worker_after_worker_is_told(address: str, work: Any, why: str) -> None:
    with on_cluster(address):
        (found,) = run_batch(work, [1])
    assert isinstance(found, Failed)
    assert isinstance(found.error, WorkerDied)
    assert why in found.reason


def test_the_work_is_done_in_a_main_thread_where_plug_ins_can_be_loaded(address: str) -> None:
    with on_cluster(address):
        assert list(run_batch(is_main_thread, [1])) == [Done(True)]


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


def test_a_worker_with_several_threads_that_joins_later_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.core.batch.cluster._check_workers", lambda _: None)
    options = {"n_workers": 1, "threads_per_worker": 2, "processes": False, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
        on_cluster(client),
        pytest.raises(ValueError, match=r"worker inproc://.*: 2 threads, expected 1"),
    ):
        list(run_batch(doubled, [1]))


def test_a_scheduler_that_is_not_there_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab_utils.core.batch.cluster.ANSWER_S", 0.5)
    done = CliRunner().invoke(app, ["sweep", "calls", "--scheduler", "tcp://127.0.0.1:9"])
    assert done.exit_code == 1
    assert "no scheduler answers" in done.output
    assert "dask scheduler" in done.output
