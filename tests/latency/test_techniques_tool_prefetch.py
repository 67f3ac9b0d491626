"""The prefetch by itself: whatever happens in whatever order, no stale answer and no task left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import ToolError

from lab_utils.latency.techniques.notes import Note, notes_in
from lab_utils.latency.techniques.tool_prefetch import Prefetch


def silent(*_: Any) -> None:
    """Notes nothing."""


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a loop of its own, at whose end nothing may be running."""

    async def checked() -> None:
        await scenario()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(checked())


async def look_up(query: str) -> str:
    await asyncio.sleep(0)
    if "bad" in query:
        raise ConnectionError(query)
    return f"found {query}"


async def hangs(_: str) -> str:
    await asyncio.Event().wait()
    raise AssertionError


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "take", "cancel", "settle", "wait"]),
        st.sampled_from(["orders", "invoices"]),
        st.sampled_from(["7", "8", "bad 9"]),
    )
)


@given(STEPS)
def test_no_sequence_gives_a_stale_answer_or_leaves_a_task(steps: list[tuple[str, str, str]]) -> None:
    async def scenario() -> None:
        prefetch = Prefetch(silent)
        for step, tool, query in steps:
            if step == "start":
                prefetch.start(tool, query, lambda q, tool=tool: look_up(f"{tool} {q}"))  # type: ignore[misc]
            elif step == "take":
                try:
                    found = await prefetch.take(tool, query, lambda q, tool=tool: look_up(f"{tool} {q}"))  # type: ignore[misc]
                except ToolError:
                    assert "bad" in query
                else:
                    assert found == f"found {tool} {query}"
            elif step == "cancel":
                prefetch.cancel("unused")
            elif step == "settle":
                prefetch.settle(frozenset({tool}))
            else:
                await asyncio.sleep(0)
            ahead = prefetch.running
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert prefetch.running <= max(ahead, 1)
        await prefetch.aclose()
        assert prefetch.running == 0

    run(scenario)


def test_a_start_for_another_query_ends_the_look_up_before_it() -> None:
    notes: list[tuple[str, ...]] = []

    async def scenario() -> None:
        prefetch = Prefetch(lambda *note: notes.append(note))
        prefetch.start("orders", "7", hangs)
        await asyncio.sleep(0)
        prefetch.start("orders", "8", look_up)
        for _ in range(50):
            await asyncio.sleep(0)
        assert prefetch.running == 0, "the first one hangs if it isn't cancelled"
        assert await prefetch.take("orders", "8", look_up) == "found 8"

    run(scenario)
    assert [note[1] for note in notes] == ["prefetched", "unused", "prefetched", "hit"]


def test_a_call_of_another_query_ends_the_look_up_ahead() -> None:
    notes: list[tuple[str, ...]] = []

    async def scenario() -> None:
        prefetch = Prefetch(lambda *note: notes.append(note))
        prefetch.start("orders", "7", hangs)
        await asyncio.sleep(0)
        assert await prefetch.take("orders", "8", look_up) == "found 8"
        for _ in range(50):
            await asyncio.sleep(0)
        assert prefetch.running == 0, "it hangs if it isn't cancelled"

    run(scenario)
    assert [note[1] for note in notes] == ["prefetched", "cancelled", "called cold"]


@pytest.mark.parametrize(
    ("called", "told"),
    [({"orders"}, []), ({"orders", "invoices"}, []), ({"invoices"}, ["cancelled"]), (set(), ["unused"])],
)
def test_an_answer_that_called_no_such_tool_ends_the_look_up_ahead(called: set[str], told: list[str]) -> None:
    notes: list[tuple[str, ...]] = []

    async def scenario() -> None:
        prefetch = Prefetch(lambda *note: notes.append(note))
        prefetch.settle(frozenset(called))  # nothing runs yet
        prefetch.start("orders", "7", hangs)
        await asyncio.sleep(0)
        prefetch.settle(frozenset(called))
        await asyncio.sleep(0.01)
        assert prefetch.running == (0 if told else 1)
        await prefetch.aclose()

    run(scenario)
    assert [note[1] for note in notes][1:] == (told or ["unused"])


def test_a_start_for_another_tool_ends_the_look_up_before_it() -> None:
    async def scenario() -> None:
        prefetch = Prefetch(silent)
        prefetch.start("orders", "7", hangs)
        prefetch.start("invoices", "7", look_up)
        assert await prefetch.take("invoices", "7", look_up) == "found 7"
        assert prefetch.running == 0

    run(scenario)


def test_two_starts_of_the_same_query_are_one_call() -> None:
    calls: list[str] = []

    async def counted(query: str) -> str:
        calls.append(query)
        return query

    async def scenario() -> None:
        prefetch = Prefetch(silent)
        prefetch.start("orders", "A seven", counted)
        prefetch.start("orders", "a seven.", counted)
        assert await prefetch.take("orders", "A SEVEN", counted) == "A seven"
        assert calls == ["A seven"]
        await prefetch.take("orders", "A seven", counted)  # asked for again, it is called again
        assert calls == ["A seven", "A seven"]

    run(scenario)


def test_a_tool_that_is_cancelled_cancels_what_runs_ahead() -> None:
    async def scenario() -> None:
        prefetch = Prefetch(silent)
        prefetch.start("orders", "7", hangs)
        taking = asyncio.create_task(prefetch.take("orders", "7", hangs))
        await asyncio.sleep(0.01)
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        await asyncio.sleep(0)
        assert prefetch.running == 0

    run(scenario)


def test_what_hangs_is_given_up_after_its_time_limit_ahead_and_cold() -> None:
    log: list[Note] = []

    async def scenario() -> None:
        prefetch = Prefetch(notes_in(log), timeout_s=0.05)
        prefetch.start("orders", "7", hangs)
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(ToolError, match=r"orders is not available: no answer within 0\.05 s"):
            await prefetch.take("orders", "7", hangs)
        assert asyncio.get_running_loop().time() - begun_s < 2.0

    run(scenario)
    assert [note.what for note in log] == [
        "prefetched", "failed ahead: no answer within 0.05 s", "called cold",
    ]  # fmt: skip


def test_a_look_up_that_ignores_being_cancelled_does_not_hold_up_the_end() -> None:
    async def scenario() -> None:
        release = asyncio.Event()

        async def stubborn(_: str) -> str:
            while not release.is_set():
                try:
                    await release.wait()
                except asyncio.CancelledError:
                    continue
            return "late"

        prefetch = Prefetch(silent)
        prefetch.start("orders", "7", stubborn)
        await asyncio.sleep(0)
        begun_s = asyncio.get_running_loop().time()
        await prefetch.aclose()
        assert asyncio.get_running_loop().time() - begun_s < 5.0
        assert prefetch.running == 0
        release.set()
        await asyncio.sleep(0.01)

    run(scenario)


def test_leaking_keeps_every_look_up_running_and_takes_the_last_one() -> None:
    async def scenario() -> None:
        prefetch = Prefetch(silent, leaks=True)
        for query in ("1", "2", "3"):
            prefetch.start("orders", query, hangs)
        prefetch.cancel("unused")
        await prefetch.aclose()
        assert prefetch.running == 3
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)
        prefetch.start("orders", "4", look_up)
        assert await prefetch.take("invoices", "5", look_up) == "found 4"  # of the wrong tool and query

    run(scenario)


def test_a_time_limit_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="timeout_s is 0; expected a finite number of seconds above 0"):
        Prefetch(silent, timeout_s=0)
