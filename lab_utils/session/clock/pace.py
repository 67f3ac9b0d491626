"""Keeping to a schedule on the running loop, and the order of what is due at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from typing import Any


class Turn(IntEnum):
    """Who comes first where several things are due at one moment of a virtual loop: each, and all that it
    leads to at that moment, before the next. `ANYTHING` is whatever else waits for a time, such as a commit.

    A real clock never shows two equal moments, so any order could come; a replay needs one.
    """

    ANYTHING = 0
    TRANSCRIPT = 1
    FRAME = 2
    AGENT = 3


def call_at(
    loop: asyncio.AbstractEventLoop, moment_s: float, turn: Turn, callback: Callable[..., Any], *args: Any
) -> asyncio.TimerHandle:
    """`loop.call_at`, in its turn on a `VirtualLoop`."""
    in_turn: Callable[..., asyncio.TimerHandle] | None = getattr(loop, "call_in_turn", None)
    if in_turn is None:
        return loop.call_at(moment_s, callback, *args)
    return in_turn(moment_s, turn, callback, *args)


async def sleep_until(moment_s: float, turn: Turn = Turn.ANYTHING) -> None:
    """Sleep until `loop.time()` reaches `moment_s`, and go on in turn.

    The errors of a schedule's steps don't add up, as those of repeated `asyncio.sleep` do.
    """
    loop = asyncio.get_running_loop()
    if moment_s <= loop.time():
        await asyncio.sleep(0)
        return
    reached = loop.create_future()
    timer = call_at(loop, moment_s, turn, _reach, reached)
    try:
        await reached
    finally:
        timer.cancel()


def _reach(reached: asyncio.Future[None]) -> None:
    if not reached.done():
        reached.set_result(None)
