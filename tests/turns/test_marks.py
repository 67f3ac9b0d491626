"""Marks of runs at work on the same pieces: whose counts, who removes it, and which work is the same."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from paths import SAMPLES

from lab_utils.core.settings import Settings
from lab_utils.recordings.find import RecordingFiles, find_recordings
from lab_utils.turns import tracing
from lab_utils.turns.cache import TraceCache, marks
from lab_utils.turns.cache.marks import Mark
from lab_utils.turns.replay import Block

PIECES = [f"piece {number}" for number in range(8)]


def test_runs_at_once_begin_in_places_of_their_own(tmp_path: Path) -> None:
    cache = TraceCache(tmp_path)
    with ExitStack() as stack:
        held = [stack.enter_context(closing(Mark(cache, PIECES))) for _ in range(4)]
        orders = [tuple(mark.in_order(PIECES)) for mark in held]
        assert orders[:2] == [tuple(PIECES), tuple(reversed(PIECES))]
        assert len(set(orders)) == 4
        assert all(sorted(order) == PIECES for order in orders)
        held[1].close()
        again = stack.enter_context(closing(Mark(cache, PIECES)))
        other = stack.enter_context(closing(Mark(cache, PIECES[1:])))
        assert (again.number, other.number) == (1, 0)
    assert list(cache.entries()) == []


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[marks._Holder]:
    with closing(Mark(TraceCache(tmp_path), PIECES)) as mark:
        found = mark._holder()
        assert found is not None
        yield found


def test_a_mark_counts_while_its_run_lives(holder: marks._Holder) -> None:
    assert holder.lives
    assert not replace(holder, started_s=holder.started_s - 60).lives, "another process had this number"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 30
    while psutil.Process(ended.pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
        time.sleep(0.01)
    started_s = psutil.Process(ended.pid).create_time()
    for _ in range(2):  # also while nobody has asked for its exit code
        assert not replace(holder, pid=ended.pid, started_s=started_s).lives
        ended.wait()
    elsewhere = replace(holder, host="elsewhere", pid=ended.pid)
    assert elsewhere.lives
    assert not replace(elsewhere, at_s=elsewhere.at_s - marks.ELSEWHERE_S - 1).lives


def test_a_mark_is_renewed_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Mark(TraceCache(tmp_path), PIECES)) as mark:
        first = mark._holder()
        mark.renew()
        assert mark._holder() == first
        monkeypatch.setattr(marks, "RENEWED_S", -1.0)
        mark.renew()
        second = mark._holder()
        assert first is not None
        assert second is not None
        assert second.at_s > first.at_s


def test_a_run_leaves_anothers_mark(tmp_path: Path) -> None:
    cache = TraceCache(tmp_path)
    first, second = Mark(cache, PIECES), Mark(cache, PIECES[:1])
    first._address = second._address  # as where both began at one moment
    first.close()
    assert len(list(cache.entries())) == 2
    second.close()
    assert len(list(cache.entries())) == 1


def test_where_no_mark_can_be_kept_a_run_begins_at_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closing(Mark(TraceCache(tmp_path / "file"), PIECES)) as mark:
        assert mark.number == 0
        mark.renew()


# --- of tracing -----------------------------------------------------------------------------------------

BLOCKS = [Block.of(Settings().replace(detector="vad", vad="silero"))]


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of recordings as they are traced, which is made up."""
    names: list[str] = []

    def trace(*arguments: Any) -> str:
        names.append(arguments[-1].name)
        return names[-1]

    monkeypatch.setattr(tracing, "_trace_one", trace)
    return names


def run(files: list[RecordingFiles], cache: Path, blocks: list[Block] = BLOCKS) -> Iterator[Any]:
    return tracing.trace_recordings(files, blocks, phases=1, cache=cache, jobs=1, quiet=True)


def test_the_same_tracing_is_told_by_whole_paths_and_what_is_traced(
    tmp_path: Path, traced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(SAMPLES)
    files, relative = find_recordings(SAMPLES), find_recordings(Path())
    names = [one.name for one in files]
    assert len(names) > 1
    first = run(files, tmp_path)
    next(first)
    for more, blocks, expected in (
        (relative, BLOCKS, [*reversed(names), *names]),
        (files, [Block.of(Settings())], names),
    ):
        traced.clear()
        list(run(more, tmp_path, blocks))
        assert traced == expected
    os.chdir("..")
    list(first)
    assert list(tmp_path.glob("??/*.npz")) == []


def test_what_cannot_be_kept_is_not_traced_twice(
    tmp_path: Path, traced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is room for a mark alone."""
    made: list[str] = []

    def full(*arguments: Any) -> None:
        made.append(arguments[-1].name)
        raise ValueError("traces can't be kept")

    files = find_recordings(SAMPLES)
    first = run(files, tmp_path)
    next(first)
    monkeypatch.setattr(tracing, "_trace_one", full)
    list(run(files, tmp_path))
    assert made == [files[-1].name, *(one.name for one in files)]
    first.close()
