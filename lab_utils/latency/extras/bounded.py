"""Wait for a slow coroutine within a time limit, whatever it does.

`asyncio.wait_for` waits for ever for a coroutine that ignores being cancelled, and raises the coroutine's
exceptions. Neither may break a turn. No limit helps against code that blocks the event loop: call such code
with `asyncio.to_thread`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """The outcome of a question."""

    outcome: Literal["done", "failed", "timed_out"]
    value: T | None
    """The answer if the outcome is "done", else None."""
    error: str
    """What went wrong, or ""."""
    took_s: float
    """Seconds until the answer came, or was given up."""


async def ask(
    question: Callable[[], Awaitable[T]], limit_s: float, *, context: Context | None = None
) -> Answer[T]:
    """The answer, or why there is none, after at most `limit_s` seconds. Never raises the question's errors.

    `context`: the context variables (such as OpenTelemetry's current span) of the question; by default the
    caller's. If the caller is cancelled, the question is cancelled too.
    """
    loop = asyncio.get_running_loop()
    begun_s = loop.time()

    async def put() -> T:
        return await question()

    task = loop.create_task(put(), name="ask", context=context)
    try:
        await asyncio.wait({task}, timeout=limit_s)
    finally:
        if not task.done():
            task.add_done_callback(_heard)
            task.cancel()
    took_s = loop.time() - begun_s
    if not task.done():
        return Answer("timed_out", None, f"no answer within {limit_s:g} s", took_s)
    if task.cancelled():
        return Answer("failed", None, "it cancelled itself", took_s)
    if (error := task.exception()) is not None:
        return Answer("failed", None, f"{type(error).__name__}: {error}", took_s)
    return Answer("done", task.result(), "", took_s)


def _heard(task: asyncio.Task[T]) -> None:
    """Take the exception of an abandoned task: otherwise asyncio would warn that it was never retrieved."""
    if not task.cancelled():
        task.exception()


def checked_limit(name: str, limit_s: float) -> float:
    """The limit itself. Raises ValueError unless it is a finite number of seconds above 0."""
    if not 0 < limit_s < float("inf"):
        raise ValueError(f"{name} is {limit_s}; expected a finite number of seconds above 0, such as 0.1")
    return limit_s
