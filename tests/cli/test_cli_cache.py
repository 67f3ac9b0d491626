"""`lab cache` and `lab forget` on a call whose traces were made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from paths import SAMPLES
from typer.testing import CliRunner, Result

from lab_utils.cli import app
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.turns.cache import FINISHED, TraceCache


def lab(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def call(tmp_path: Path) -> Path:
    (tmp_path / "calls").mkdir()
    for path in SAMPLES.glob("01_*"):
        shutil.copy(path, tmp_path / "calls")
    return next((tmp_path / "calls").glob("*.flac"))


@pytest.fixture
def cache(call: Path, tmp_path: Path) -> TraceCache:
    """Two entries of the call, one of another's."""
    cache = TraceCache(tmp_path / "cache")
    sha256 = load_recording(find_recordings(call)[0]).sha256
    for address in (f"{sha256}-livekit-0", f"{sha256}-agent-words", "0" * 64 + "-livekit-0"):
        cache.store(address, probabilities=np.zeros(10))
    return cache


@pytest.mark.slow
def test_status_and_verify_tell_what_there_is(cache: TraceCache) -> None:
    answer = json.loads(lab("cache", "status", "--cache", cache.folder, "--json").stdout)
    assert (answer["entries"], answer["recordings"]) == (3, 2)
    assert answer["bytes"] == sum(path.stat().st_size for path in cache.entries())
    assert "3 entries of 2 recordings" in lab("cache", "status", "--cache", cache.folder).stdout
    assert lab("cache", "verify", "--cache", cache.folder).exit_code == 0
    next(cache.entries()).write_bytes(b"x")
    result = lab("cache", "verify", "--cache", cache.folder)
    assert result.exit_code == 1
    assert "2 entries are intact, 1 are not" in result.stdout


@pytest.mark.slow
def test_prune_removes_damaged_entries_and_what_is_too_much(cache: TraceCache) -> None:
    next(cache.entries()).write_bytes(b"x")
    assert "1 entries removed" in lab("cache", "prune", "--cache", cache.folder).stdout
    assert "2 entries removed" in lab("cache", "prune", "--largest-mb", 0, "--cache", cache.folder).stdout
    assert list(cache.entries()) == []


def test_forget_removes_what_was_derived_and_lists_it(cache: TraceCache, call: Path, tmp_path: Path) -> None:
    session = tmp_path / "out" / call.stem
    session.mkdir(parents=True)
    (session / "session.json").write_text("{}")
    (tmp_path / "out" / "summary.json").write_text("{}")
    cache.store(f"{'f' * 64}{FINISHED}", told=np.zeros(1, np.uint8))  # it may be about this call
    command = ("forget", call, "--in", tmp_path / "out", "--cache", cache.folder, "--json")
    answer = json.loads(lab(*command).stdout)
    assert len(answer["removed"]) == 4
    assert str(session / "session.json") in answer["removed"]
    assert not session.exists()
    assert str(call) in answer["stays"]
    assert call.exists()
    assert [path.stem for path in cache.entries()] == ["0" * 64 + "-livekit-0"]
    assert json.loads(lab(*command).stdout)["removed"] == []


def test_what_is_no_recording_can_t_be_forgotten(tmp_path: Path) -> None:
    result = lab("forget", tmp_path / "nothing.wav")
    assert result.exit_code == 1
    assert "what was made of it can't be told" in result.stderr
