"""Traces in a store by URL: an S3 server on loopback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import numpy as np
import pytest
import s3fs
from moto.server import ThreadedMotoServer
from paths import SAMPLES
from two_runs import OneOfTwo, made, two_runs
from typer.testing import CliRunner

from lab_utils.cli import app
from lab_utils.core.files.places import place_of
from lab_utils.turns.cache import TraceCache, cache_folder

pytestmark = pytest.mark.slow
BUCKET = "traces-of-tests"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def keys(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of-a-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    s3fs.S3FileSystem.clear_instance_cache()  # one that has connected stays with its server


@pytest.fixture(scope="module")
def bucket(address: str) -> str:
    keys = {"aws_access_key_id": "of-a-test", "aws_secret_access_key": "of-a-test"}
    boto3.client("s3", endpoint_url=address, region_name="us-east-1", **keys).create_bucket(Bucket=BUCKET)
    return f"s3://{BUCKET}/lab"


def test_what_one_machine_keeps_another_finds(bucket: str) -> None:
    values = np.linspace(0, 1, 50)
    one, other = TraceCache.at(bucket), TraceCache.at(bucket)
    assert other.load("ab-x", ["p"]) is None
    one.store("ab-x", p=values)
    (found,) = other.load("ab-x", ["p"]) or [None]
    np.testing.assert_array_equal(found, values)
    next(iter(other.entries())).write_bytes(b"half an upl")
    assert one.load("ab-x", ["p"]) is None
    one.store("ab-x", p=values)
    assert other.load("ab-x", ["p"]) is not None
    assert len(other.prune(0)) == 1


def test_a_sweep_from_a_store_gives_the_same_bytes_and_the_next_one_only_reads(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_SHIPPED_TRACES", "0")
    monkeypatch.setattr("lab_utils.turns.cache.known.JUST_NOW_S", 1e9)  # the folder knows no file, either
    calls, grid = tmp_path / "calls", tmp_path / "grid.yaml"
    calls.mkdir()
    for path in SAMPLES.glob("03_blocked_card.*"):
        shutil.copy(path, calls)
    grid.write_text("min_delay: [0.3, 0.6]\ndetector: [vad]\n")

    def sweep(cache: str, out: str, jobs: int) -> dict[str, bytes]:
        options = ["--grid", grid, "--phases", 1, "--jobs", jobs, "--out", tmp_path / out, "--cache", cache]
        result = CliRunner().invoke(app, ["sweep", str(calls), *map(str, options)])
        assert result.exit_code == 0, result.output
        files = {path.name: path.read_bytes() for path in sorted((tmp_path / out).iterdir())}
        assert files.pop("profile.yaml")  # it tells the moment
        return files

    here = sweep(str(tmp_path / "cache"), "here", 1)
    assert sweep(bucket, "store", 2) == here
    kept = {str(path): path.stat().st_mtime for path in TraceCache.at(bucket).entries()}
    assert len(kept) == len(list(TraceCache(tmp_path / "cache").entries())) > 0
    assert sweep(bucket, "again", 1) == here
    assert {str(path): path.stat().st_mtime for path in TraceCache.at(bucket).entries()} == kept
    half = next(iter(TraceCache.at(bucket).entries()))
    whole = half.read_bytes()
    half.write_bytes(whole[: len(whole) // 2])
    kept.pop(str(half))
    assert sweep(bucket, "after half an upload", 1) == here
    assert half.read_bytes() == whole
    found = {str(path): path.stat().st_mtime for path in TraceCache.at(bucket).entries()}
    assert found.items() >= kept.items(), "one entry is made again, the others are read"
    assert len(found) == len(kept) + 1


def test_two_runs_at_once_share_their_pieces_in_a_store(bucket: str) -> None:
    def by_turns(first: OneOfTwo, second: OneOfTwo) -> None:
        for _ in range(6):
            first.step()
            second.step()

    came = two_runs(f"{bucket}-two", 6, by_turns)
    assert came[0] == came[1]
    assert sorted(made) == list(range(6))
    assert len(TraceCache.at(f"{bucket}-two").finished()) == 6


def test_commands_look_after_a_store(bucket: str) -> None:
    TraceCache.at(bucket).store("cd-y", p=np.zeros(3))
    result = CliRunner().invoke(app, ["cache", "status", "--cache", bucket, "--json"])
    assert json.loads(result.output)["entries"] >= 1, result.output
    result = CliRunner().invoke(app, ["cache", "verify", "--cache", bucket])
    assert result.exit_code == 0
    assert "0 are not" in result.output


def test_a_store_that_cannot_be_used_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TraceCache.at("s3://no-such-bucket-here/lab")
    with pytest.raises(ValueError, match=r"no-such-bucket-here/lab: traces can't be kept \(.*bucket"):
        cache.store("ab-x", p=np.zeros(3))
    with pytest.raises(
        ValueError, match=r"^nosuch://x: can't be reached \(ValueError: Unsupported filesystem"
    ):
        place_of("nosuch://x")
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    result = CliRunner().invoke(app, ["cache", "status", "--cache", "s3://nobody/there"])
    assert result.exit_code != 0
    assert "s3://nobody/there: can't be reached" in " ".join(result.output.split())
    assert "Traceback" not in result.output


def test_the_environment_may_name_a_store_and_a_path_stays_a_path(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_CACHE", bucket)
    assert str(cache_folder(None)) == bucket
    assert cache_folder(str(tmp_path)) == tmp_path
    assert cache_folder(f"file://{tmp_path}") == tmp_path
