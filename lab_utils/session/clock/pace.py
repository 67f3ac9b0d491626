"""Keeping to a schedule on the running loop."""

from __future__ import annotations

import asyncio


async def sleep_until(moment_s: float) -> None:
    """Sleep until `loop.time()` reaches `moment_s`, so that the errors of a schedule's steps don't add up."""
    await asyncio.sleep(max(0.0, moment_s - asyncio.get_running_loop().time()))
