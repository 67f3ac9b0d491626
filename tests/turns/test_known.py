"""Recordings that are known by their files: read once, and again as soon as anything about them changed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from paths import SAMPLES
from recording_fixtures import RECORDINGS

from lab_utils.core.recording import Recording
from lab_utils.core.settings import Settings
from lab_utils.core.traces import Traced
from lab_utils.recordings.audio import write_wav
from lab_utils.recordings.find import find_recordings, load_recording
from lab_utils.turns import tracing
from lab_utils.turns.cache import known
from lab_utils.turns.replay import Block
from lab_utils.turns.tracing import TraceCache, trace_recordings
from lab_utils.workflows.cache import cache_status, forget

VAD_ALONE = Block.of(Settings().replace(detector="vad"))


@pytest.fixture(autouse=True)
def settled(monkeypatch) -> None:
    """Files that were written a moment ago count as old."""
    monkeypatch.setattr(known, "JUST_NOW_S", -60.0)


@pytest.fixture(scope="module")
def excerpt() -> Recording:
    return load_recording(find_recordings(SAMPLES)[0])


@pytest.fixture
def call(tmp_path, excerpt) -> Path:
    """The first 12 seconds of a sample call, without labels."""
    assert excerpt.agent is not None
    folder = tmp_path / "calls"
    folder.mkdir()
    both = np.stack((excerpt.user, excerpt.agent), axis=1)[: 12 * 16_000]
    write_wav(folder / "call.wav", both)
    return folder / "call.wav"


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """The names of recordings that were read, so far."""
    names: list[str] = []

    def counted(files):
        names.append(files.name)
        return load_recording(files)

    monkeypatch.setattr(tracing, "load_recording", counted)
    return names


def traced(call: Path, phases: int = 1) -> Traced:
    files = find_recordings(call)
    (one,) = trace_recordings(
        files, [VAD_ALONE], phases=phases, cache=call.parent.parent / "cache", jobs=1, quiet=True
    )
    assert isinstance(one, Traced)
    return one


def plain(one: Traced) -> dict:
    """All of a trace, arrays as lists."""
    heard = {
        model: [(trace.phase_samples, trace.path, trace.probabilities.tolist()) for trace in traces]
        for model, traces in one.vad.items()
    }
    waiting = [
        (
            branch.turn,
            branch.from_sample,
            {model: [p.tolist() for p in of] for model, of in branch.vad.items()},
        )
        for branch in one.branches
        for of in [branch.vad]
    ]
    facts = {name: getattr(one, name) for name in ("name", "path", "sha256", "duration_s", "labels", "notes")}
    line = {name: getattr(one, name) for name in ("band", "background", "language", "told", "tail_s")}
    return facts | line | {"vad": heard, "branches": waiting, "finals": one.finals.tolist()}


def test_a_known_recording_is_traced_alike_without_reading_it(call, read) -> None:
    first = traced(call)
    assert read == ["call"]
    assert first.labels.source == "two channels"
    assert plain(traced(call)) == plain(first)
    assert read == ["call"]


def same_size_and_time(call: Path) -> None:
    before = call.stat()
    content = bytearray(call.read_bytes())
    content[-1000:] = bytes(1000)
    call.write_bytes(content)
    os.utime(call, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(call: Path) -> None:
    other = call.with_name("other")
    other.write_bytes(call.read_bytes()[:-1000] + bytes(1000))
    os.utime(other, ns=(call.stat().st_atime_ns, call.stat().st_mtime_ns))
    other.replace(call)


def touched(call: Path) -> None:
    os.utime(call)


@pytest.mark.parametrize("change", [same_size_and_time, replaced, touched])
def test_any_change_of_a_file_has_it_read_again(call, read, change: Callable[[Path], None]) -> None:
    first = traced(call)
    time.sleep(0.02)  # a file system counts its time in ticks
    change(call)
    again = traced(call)
    assert read == ["call", "call"]
    assert (again.sha256 == first.sha256) == (change is touched)
    traced(call)
    assert read == ["call", "call"]


def test_a_file_that_changed_just_before_it_was_read_is_read_again(call, read, monkeypatch) -> None:
    monkeypatch.setattr(known, "JUST_NOW_S", 60.0)
    traced(call)
    traced(call)
    assert read == ["call", "call"]


def test_a_file_that_changes_while_it_is_read_is_not_remembered(call, monkeypatch) -> None:
    def changed_on_the_way(files):
        loaded = load_recording(files)
        time.sleep(0.02)
        os.utime(call)
        return loaded

    monkeypatch.setattr(tracing, "load_recording", changed_on_the_way)
    traced(call)
    (files,) = find_recordings(call)
    assert known.recall(TraceCache(call.parent.parent / "cache"), files) is None


def test_what_a_known_recording_lacks_is_traced_from_its_audio(call, read) -> None:
    traced(call)
    two = traced(call, phases=2)
    assert read == ["call", "call"]
    assert len(two.vad["livekit"]) == 2
    traced(call, phases=2)
    assert read == ["call", "call"]


def test_a_label_file_counts_at_once(call, read) -> None:
    first = traced(call)
    labels = {"format": "turn-labels", "version": 1, "recording": "call", "duration_s": 12.0}
    user = [
        {"speaker": "user", "start_s": 1.0, "end_s": 2.0},
        {"speaker": "user", "start_s": 3.0, "end_s": 4.0},
    ]
    pause = [{"kind": "hold", "start_s": 2.0, "end_s": 3.0}]
    file = call.with_name("call.labels.json")
    file.write_text(json.dumps(labels | {"ipus": user, "labels": pause}), encoding="utf-8")
    assert len(traced(call).labels.labels) == 1
    file.write_text(json.dumps(labels | {"ipus": user, "labels": []}), encoding="utf-8")
    assert traced(call).labels.labels == ()
    assert read == ["call", "call"]
    file.unlink()
    assert traced(call).labels == first.labels


def test_a_known_session_has_its_turns_and_settings(tmp_path, read) -> None:
    folder = tmp_path / "calls"
    shutil.copytree(RECORDINGS / "livekit" / "call-17", folder)
    first = traced(folder)
    assert first.told
    assert len(first.finals)
    assert plain(traced(folder)) == plain(first)
    assert len(read) == 1


def test_a_cache_that_has_all_traces_and_can_only_be_read_is_enough(call, read, monkeypatch) -> None:
    first = traced(call)
    for path in [*call.parents[1].rglob("*-known.npz"), *call.parents[1].rglob("*-line-*.npz")]:
        path.unlink()

    def read_only(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr("lab_utils.turns.cache.write_whole", read_only)
    assert plain(traced(call)) == plain(first)
    assert read == ["call", "call"], "it couldn't be remembered"


def test_windows_does_not_tell_when_a_file_changed(call, monkeypatch) -> None:
    (files,) = find_recordings(call)
    assert known.files_now(files) is not None
    monkeypatch.setattr(known, "os", SimpleNamespace(name="nt"))
    assert known.files_now(files) is None


def test_who_forgets_a_call_forgets_what_reading_it_told(call) -> None:
    traced(call)
    cache = call.parent.parent / "cache"
    assert cache_status(cache).recordings == 1
    forget(call, cache=cache)
    assert list(cache.rglob("*.npz")) == []


def test_samples_that_were_not_read_are_asked_for(excerpt) -> None:
    unread = known.Unread(5)
    assert len(unread) == 5
    for use in (lambda: unread[:2], lambda: np.asarray(unread), lambda: unread.min()):
        with pytest.raises(known.AudioNeeded):
            use()
    assert not isinstance(known.AudioNeeded(), Exception)
    assert replace(excerpt, user=unread).duration_s == 5 / 16_000
