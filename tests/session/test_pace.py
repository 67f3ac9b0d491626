"""Schedules on the running loop, and their turns."""

from __future__ import annotations

import asyncio

import pytest

from lab_utils.session import clock
from lab_utils.session.clock.pace import Turn, call_at, sleep_until


def test_a_schedule_does_not_add_up_its_errors() -> None:
    async def scenario() -> list[float]:
        loop = asyncio.get_running_loop()
        start_s, reached_s = loop.time(), []
        for step in range(50):
            await sleep_until(start_s + step * 0.002)
            reached_s.append(loop.time() - start_s)
            await asyncio.sleep(0.0005)  # the work of each step
        await sleep_until(start_s)  # in the past: at once
        return [*reached_s, loop.time() - start_s]

    assert clock.run(scenario) == pytest.approx([*(step * 0.002 for step in range(50)), 0.0985], abs=1e-7)


def test_in_real_time_who_sleeps_in_turn_goes_on_not_before_the_moment() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await sleep_until(start_s + 0.02, Turn.FRAME)
        await sleep_until(start_s, Turn.FRAME)
        return loop.time() - start_s

    assert asyncio.run(scenario()) >= 0.019


def test_who_is_cancelled_while_sleeping_in_turn_is_not_woken() -> None:
    async def scenario() -> bool:
        loop = asyncio.get_running_loop()
        sleeper = asyncio.create_task(sleep_until(loop.time() + 1.0, Turn.FRAME))
        await asyncio.sleep(0.5)
        sleeper.cancel()
        await asyncio.sleep(0)
        waiting = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
        assert waiting == [], "its timer is left behind"
        await asyncio.sleep(1.0)
        return sleeper.cancelled()

    assert clock.run(scenario)


@pytest.mark.parametrize("turn", [Turn.TRANSCRIPT, Turn.FRAME, Turn.AGENT])
def test_who_sleeps_until_a_moment_in_no_turn_goes_on_last_in_it(turn: Turn) -> None:
    told: list[str] = []

    async def scenario() -> None:
        moment_s = asyncio.get_running_loop().time() + 0.5

        async def sleeps() -> None:
            await sleep_until(moment_s)
            told.append("sleeper")

        sleeper = asyncio.create_task(sleeps())
        await asyncio.sleep(0)
        call_at(asyncio.get_running_loop(), moment_s, turn, told.append, turn.name)
        await sleeper

    clock.run(scenario)
    assert told == [turn.name, "sleeper"]
