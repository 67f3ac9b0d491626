"""Asking within a limit: what hangs, fails or won't be cancelled costs the limit and nothing else."""

import asyncio
import contextlib
import contextvars

import pytest
from virtual import on_virtual_clock

from lab_utils.latency.extras.bounded import ask, checked_limit

where = contextvars.ContextVar("where", default="nowhere")


async def slow() -> str:
    await asyncio.sleep(0.2)
    return "yes"


async def raises() -> str:
    raise ValueError("no key")


async def deaf() -> str:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


def others() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {asyncio.current_task()}


@on_virtual_clock
async def test_an_answer_in_time_is_given_with_the_time_it_took() -> None:
    answer = await ask(slow, 1.0)
    assert (answer.outcome, answer.value, answer.error) == ("done", "yes", "")
    assert answer.took_s == pytest.approx(0.2)


@on_virtual_clock
async def test_a_late_answer_is_given_up_at_the_limit_and_its_task_ends() -> None:
    answer = await ask(slow, 0.1)
    assert (answer.outcome, answer.value, answer.took_s) == ("timed_out", None, pytest.approx(0.1))
    await asyncio.sleep(0)
    assert not others()


@on_virtual_clock
async def test_an_error_is_told_and_not_raised() -> None:
    answer = await ask(raises, 1.0)
    assert (answer.outcome, answer.error) == ("failed", "ValueError: no key")


@on_virtual_clock
async def test_a_function_that_raises_before_it_is_awaited_is_told_too() -> None:
    def breaks():
        raise RuntimeError("at once")

    assert (await ask(breaks, 1.0)).error == "RuntimeError: at once"


@on_virtual_clock
async def test_one_that_ignores_being_cancelled_is_left_behind() -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert (await ask(deaf, 0.1)).outcome == "timed_out"
    assert loop.time() - begun == pytest.approx(0.1)


@on_virtual_clock
async def test_whoever_asks_may_be_cancelled_and_the_question_goes_with_them() -> None:
    asking = asyncio.ensure_future(ask(slow, 10.0))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0)
    assert not others()


@on_virtual_clock
async def test_a_question_runs_in_the_context_it_is_given() -> None:
    async def look() -> str:
        return where.get()

    there = contextvars.copy_context()
    there.run(where.set, "there")
    assert (await ask(look, 1.0, context=there)).value == "there"
    assert (await ask(look, 1.0)).value == "nowhere"


@pytest.mark.parametrize("limit_s", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(limit_s: float) -> None:
    with pytest.raises(ValueError, match=r"budget_s is .*; expected a finite number of seconds above 0"):
        checked_limit("budget_s", limit_s)
