from __future__ import annotations

import asyncio

from lab_utils.session.clock.pace import sleep_until


def test_a_schedule_does_not_add_up_its_errors() -> None:
    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for step in range(50):
            await sleep_until(start_s + step * 0.002)
        await sleep_until(start_s)  # in the past: at once
        return loop.time() - start_s

    assert 0.098 <= asyncio.run(scenario()) < 0.15
