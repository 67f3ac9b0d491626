"""What a killed command goes on from: finished pieces that are whole, of the same work, and no others."""

from __future__ import annotations

import errno
import math
import os
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from two_runs import OneOfTwo, killed_run, meanwhile, two_runs
from two_runs import call as called_by_two
from two_runs import made as made_by_two
from upath import UPath

from lab_utils.core.files.places import Folder
from lab_utils.turns.cache import FINISHED_S, TraceCache
from lab_utils.turns.cache.finished import Kept, Run, came_to_its_end, going_on

CALLS = [(number,) for number in range(8)]
made: list[int] = []
"""The calls that were made, not read."""


@dataclass(frozen=True)
class Came:
    """What a call comes to."""

    number: int
    values: tuple[float, ...]
    more: dict[str, Any]
    failure: str = ""


def call(number: int) -> Came:
    made.append(number)
    if number == 5:
        return Came(number, (), {}, failure="it broke")
    return Came(number, (number / 7, math.inf), {"nan": math.nan, "text": "é", "n": number, "is": True})


@dataclass
class Seen:
    """Of one command."""

    came: list[Came]
    told: list[str]
    made: list[int]


def command(cache: Folder, calls: list[Any] = CALLS, *, killed_after: int | None = None) -> Seen:
    """All calls, by a command that ends well unless it is killed after so many."""
    made.clear()
    told: list[str] = []
    with going_on(cache, told.append) as of:
        run = Run(call, calls, Kept(Came, came_to_its_end), "call")
        answers = run.all(run.work(*arguments) for arguments in run.rest)
        came = [next(answers) for _ in range(len(calls) if killed_after is None else killed_after)]
        if killed_after is None:
            of.remove()
    return Seen(came, told, list(made))


def plain(came: list[Came]) -> list[str]:
    return [repr(one) for one in came]


EXPECTED = plain([call(number) for (number,) in CALLS])


@pytest.fixture
def store() -> Iterator[UPath]:
    place = UPath("memory://finished/traces")
    yield place
    place.fs.rm(place.path, recursive=True)


@pytest.fixture(params=["folder", "store"])
def cache(request: pytest.FixtureRequest, tmp_path: Path, store: UPath) -> Folder:
    (store / "there").write_bytes(b"")
    return tmp_path if request.param == "folder" else store


def finished(cache: Folder) -> list[Any]:
    return TraceCache.at(cache).finished()


def test_a_killed_command_goes_on_and_the_one_after_it_begins_anew(cache: Folder) -> None:
    assert command(cache, killed_after=3).made == [0, 1, 2]
    assert len(finished(cache)) == 3
    again = command(cache)
    assert again.made == [3, 4, 5, 6, 7]
    assert plain(again.came) == EXPECTED
    assert again.told == ["going on: 3 of 8 calls were finished before"]
    assert finished(cache) == []
    anew = command(cache)
    assert (anew.made, anew.told) == ([number for (number,) in CALLS], [])


def test_only_the_same_work_is_gone_on_from_and_a_failed_session_is_not(tmp_path: Path) -> None:
    command(tmp_path, killed_after=7)
    assert len(finished(tmp_path)) == 6, "without the one that broke"
    assert command(tmp_path, [(7,), (2,), (9,)], killed_after=3).made == [7, 9]
    assert command(tmp_path, [(3,)]).made == [3], "a single one is asked for to be run"
    assert command(tmp_path).made == [5]


@pytest.mark.parametrize("damage", ["flipped", "cut off", "another's", "empty"])
def test_a_damaged_entry_costs_its_session(damage: str, tmp_path: Path) -> None:
    command(tmp_path, killed_after=5)
    torn, *_, other = finished(tmp_path)
    content = bytearray(torn.read_bytes())
    if damage == "flipped":
        content[random.Random(0).randrange(50, 150)] ^= 4
    whole = {"another's": other.read_bytes(), "cut off": content[: len(content) // 2], "empty": b""}
    torn.write_bytes(whole.get(damage, content))
    again = command(tmp_path)
    assert plain(again.came) == EXPECTED
    assert len(again.made) == 4, "the three that were left, and this one"


def test_what_is_not_what_was_kept_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a change that left the key as it was."""
    command(tmp_path, killed_after=5)
    monkeypatch.setattr(Kept, "read", lambda self, text: (_ for _ in ()).throw(ValueError("other fields")))
    assert command(tmp_path, killed_after=8).made == [number for (number,) in CALLS]


def test_a_store_that_can_only_be_read_is_gone_on_from_and_nothing_is_lost(
    store: UPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(store, killed_after=3)

    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    opened = MemoryFileSystem._open
    monkeypatch.setattr(
        MemoryFileSystem,
        "_open",
        lambda self, path, mode="rb", **how: opened(self, path, mode, **how) if mode == "rb" else refused(),
    )
    monkeypatch.setattr(MemoryFileSystem, "rm_file", refused)
    again = command(store)
    assert again.made == [3, 4, 5, 6, 7]
    assert plain(again.came) == EXPECTED
    going, why = again.told
    assert "3 of 8" in going
    assert why.startswith("a run that is killed would begin again: ")
    assert "Read-only file system" in why


def test_where_nothing_can_be_kept_every_session_is_run_and_that_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for _ in range(2):
        seen = command(tmp_path / "file" / "cache", killed_after=8)
        assert plain(seen.came) == EXPECTED
        assert len(seen.told) == 1
        assert "can't be kept (Not a directory)" in seen.told[0]


def test_what_has_no_key_is_made_anew_and_that_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with going_on(tmp_path, told.append):
        run = Run(repr, [(len,), (print,)], Kept(str), "call")
        assert list(run.all(run.work(*one) for one in run.rest)) == [repr(len), repr(print)]
    assert "nothing tells a builtin_function_or_method from another one" in told[0]


def test_words_of_a_call_are_kept_on_this_machine_alone(cache: Folder) -> None:
    told: list[str] = []
    with going_on(cache, told.append):
        run = Run(call, CALLS, Kept(Came, quotes=True), "call")
        assert plain(list(run.all(run.work(*one) for one in run.rest))) == EXPECTED
    here = isinstance(cache, Path)
    assert len(finished(cache)) == (len(CALLS) if here else 0)
    assert [f"may quote a call, which isn't kept in a store such as {cache}" in one for one in told] == (
        [] if here else [True]
    )


def test_workers_that_keep_it_elsewhere_are_told_of_once(tmp_path: Path) -> None:
    """As those of a cluster whose folder of this name is another one."""
    told: list[str] = []
    with going_on(tmp_path, told.append):
        run = Run(call, CALLS, Kept(Came), "call")
        elsewhere = replace(run.work, cache=TraceCache(tmp_path / "theirs"))
        assert plain(list(run.all(elsewhere(*one) for one in run.rest))) == EXPECTED
    assert told == [
        f"a run that is killed would begin again: what workers keep in {tmp_path} isn't found here; "
        "name a --cache for all"
    ]


def overwritten(file: Path) -> str:
    """Whoever works on it finds another content than there was when the run began."""
    file.write_text(f"{file.read_text()} and more")
    return file.read_text()


def test_what_was_made_of_a_file_that_changed_meanwhile_is_not_kept(tmp_path: Path) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        file.write_text("as it was")
    told: list[str] = []
    with going_on(tmp_path, told.append):
        run = Run(overwritten, [(file,) for file in files], Kept(str), "call")
        assert next(run.all(run.work(*one) for one in run.rest)) == "as it was and more"
        files[0].write_text("as it was")
        assert len(Run(overwritten, [(file,) for file in files], Kept(str), "call").rest) == 2
    assert finished(tmp_path) == []
    assert told == [
        "a run that is killed would begin again: a file changed meanwhile, or workers see other times or "
        "inodes of it",
    ]


def test_outside_of_a_command_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_CACHE", str(tmp_path))
    run = Run(call, CALLS, Kept(Came), "call")
    assert plain(list(run.all(run.work(*one) for one in run.rest))) == EXPECTED
    assert finished(tmp_path) == []


def test_what_nobody_goes_on_from_is_pruned_after_a_week_and_isnt_told_as_a_recording(tmp_path: Path) -> None:
    command(tmp_path, killed_after=3)
    old, ahead, young = finished(tmp_path)
    for path, at_s in ((old, -FINISHED_S - 60), (ahead, FINISHED_S + 60)):
        os.utime(path, (time.time() + at_s, time.time() + at_s))
    from lab_utils.workflows.cache import cache_status

    assert (cache_status(tmp_path).entries, cache_status(tmp_path).recordings) == (3, 0)
    assert sorted(TraceCache(tmp_path).prune(10**9)) == sorted([old, ahead])
    assert finished(tmp_path) == [young]
    assert TraceCache(tmp_path).prune(0) == [young]


def test_a_store_that_tells_no_time_keeps_what_is_finished(store: UPath) -> None:
    command(store, killed_after=3)
    assert {path.stat().st_mtime for path in finished(store)} == {0}
    assert TraceCache(store).prune(10**9) == []
    assert command(store, killed_after=7).made == [3, 4, 5, 6]


def by_turns(first: OneOfTwo, second: OneOfTwo) -> None:
    for _ in CALLS:
        first.step()
        second.step()


def second_is_slow(first: OneOfTwo, second: OneOfTwo) -> None:
    second.step()
    for _ in CALLS:
        first.step()


@pytest.mark.parametrize("turns", [by_turns, second_is_slow])
def test_two_runs_at_once_share_the_calls_and_the_next_one_finds_all(cache: Folder, turns: Any) -> None:
    came = two_runs(cache, len(CALLS), turns)
    assert came == [[f"{number} squared is {number**2}" for (number,) in CALLS]] * 2
    assert sorted(made_by_two) == [number for (number,) in CALLS], "none twice: no call is in two hands here"
    assert len(finished(cache)) == len(CALLS), "each leaves them to the other"
    made_by_two.clear()
    told: list[str] = []
    with going_on(cache, told.append) as after:
        run = Run(called_by_two, CALLS, Kept(str), "call")
        assert list(run.all(run.work(*one) for one in run.rest)) == came[0]
        after.remove()
    assert told == ["going on: 8 of 8 calls were finished before"]
    assert (made_by_two, finished(cache)) == ([], [])


def test_a_call_in_two_hands_is_made_twice(cache: Folder) -> None:
    def meet(first: OneOfTwo, second: OneOfTwo) -> None:
        for _ in CALLS[1:]:
            second.step()
        meanwhile.append(second.step)
        first.step()

    came = two_runs(cache, len(CALLS), meet)
    assert came == [[f"{number} squared is {number**2}" for (number,) in CALLS]] * 2
    assert made_by_two == [7, 6, 5, 4, 3, 2, 1, 0, 0]


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_run_is_no_other_run(tmp_path: Path) -> None:
    """One run after it begins where it was; two runs share the rest."""
    killed_run(tmp_path / "alone", len(CALLS), 2)
    shutil.copytree(tmp_path / "alone", tmp_path / "two")
    with going_on(tmp_path / "alone", print) as after:
        assert [number for _, number in Run(called_by_two, CALLS, Kept(str), "call").rest] == list(
            range(2, 8)
        )
        after.remove()
    assert list((tmp_path / "alone").glob("??/*.npz")) == [], "its mark is gone, too"
    came = two_runs(tmp_path / "two", len(CALLS), by_turns)
    assert came == [[f"{number} squared is {number**2}" for (number,) in CALLS]] * 2
    assert made_by_two == [2, 7, 3, 6, 4, 5]


def test_paid_calls_are_made_in_order_beside_another_run_which_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    with going_on(tmp_path, print), going_on(tmp_path, told.append):
        orders = [[one[1] for one in Run(call, CALLS, Kept(Came), "call", paid=True).rest] for _ in range(2)]
    assert orders == [list(range(8))] * 2
    assert told == ["another run of this is under way: a call that both have in hand is paid for twice"]


def test_calls_that_are_alike_are_no_other_run(tmp_path: Path) -> None:
    assert command(tmp_path, [(1,), (2,), (1,)]).made == [1, 2]
    assert finished(tmp_path) == []
