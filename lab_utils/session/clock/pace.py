"""Keeping to a schedule on the running loop."""

from __future__ import annotations

import asyncio


async def sleep_until(moment_s: float) -> None:
    """Sleep until `loop.time()` reaches `moment_s`: steps of a schedule don't add up their errors."""
    await asyncio.sleep(max(0.0, moment_s - asyncio.get_running_loop().time()))
