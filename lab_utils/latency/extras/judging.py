"""Judge turns: inline, where the reply waits for the verdict, or async, where it doesn't wait.

LiveKit surface: `await judging.turn(text)` in `Agent.on_user_turn_completed`, `await judging.aclose()` in
`Agent.on_exit`. LiveKit judges nothing by itself, and awaits that hook before the agent speaks: an LLM judge
there adds its whole latency to every turn. Use inline only if the verdict must be able to stop the reply, and
with a fast classifier.

A judge that hangs, fails or is too slow costs at most `limit_s` per turn inline, and nothing async: turns
that don't fit into the queue are dropped, with a verdict "dropped". No task is left after `aclose`.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from .bounded import Answer, ask, checked_limit

Judge = Callable[[str], Awaitable[object]]
"""Takes what is to be judged (a user's turn), returns a verdict of any kind."""
JudgeOutcome = Literal["done", "failed", "timed_out", "dropped", "cancelled"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of judging one turn."""

    text: str
    outcome: JudgeOutcome
    """"dropped": the queue was full or closed; "cancelled": the session ended first."""
    result: object
    """What the judge returned, if the outcome is "done"."""
    error: str
    at_s: float
    """`time.time()` when `Judging.turn` was called."""
    waited_s: float
    """Seconds in the queue."""
    took_s: float
    """Seconds with the judge."""


@dataclass(frozen=True)
class _Waiting:
    text: str
    at_s: float
    handed_in_s: float
    context: contextvars.Context


class Judging:
    """Has turns judged; `verdicts` holds the outcomes, in the order in which they became known."""

    def __init__(
        self,
        judge: Judge,
        *,
        inline: bool = False,
        limit_s: float = 5.0,
        max_waiting: int = 32,
        drain_s: float = 1.0,
    ) -> None:
        """Judge each turn within `limit_s`.

        Async, one turn is judged at a time and up to `max_waiting` turns are queued; `aclose` waits `drain_s`
        for the rest. Raises ValueError for limits that aren't finite and above 0.
        """
        if max_waiting < 1:
            raise ValueError(f"max_waiting is {max_waiting}; expected 1 or more turns that may wait")
        if not 0 <= drain_s < float("inf"):
            raise ValueError(f"drain_s is {drain_s}; expected seconds from 0 (0: cancel what is not done)")
        self._judge, self._inline = judge, inline
        self._limit_s = checked_limit("limit_s", limit_s)
        self._max_waiting, self._drain_s = max_waiting, drain_s
        self._queue: deque[_Waiting] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._closed = False
        self.verdicts: list[Verdict] = []

    async def turn(self, text: str) -> Verdict | None:
        """Judge a turn. Returns its verdict (inline), or None at once (async). Raises none of its errors."""
        waiting = _Waiting(text, time.time(), _now_s(), contextvars.copy_context())
        if self._closed:
            return self._settle(waiting, "dropped", error="judging is closed")
        if self._inline:
            return await self._judged(waiting)
        if len(self._queue) >= self._max_waiting:
            self._settle(waiting, "dropped", error=f"{self._max_waiting} turns wait already")
            return None
        self._queue.append(waiting)
        if self._worker is None or self._worker.done():
            # In a new context: otherwise the first turn's span would be the parent of all later spans.
            self._worker = asyncio.get_running_loop().create_task(
                self._work(), name="judging", context=contextvars.Context()
            )
        return None

    async def aclose(self) -> None:
        """Accept no more turns, judge queued ones within `drain_s`, cancel the rest. May be called twice."""
        self._closed = True
        if self._worker is not None and not self._worker.done():
            try:
                await asyncio.wait({self._worker}, timeout=self._drain_s)
            finally:
                self._worker.cancel()
            await asyncio.wait({self._worker})
        while self._queue:
            self._settle(self._queue.popleft(), "cancelled", error="the session ended first")

    async def _work(self) -> None:
        while self._queue:
            await self._judged(self._queue.popleft())

    async def _judged(self, waiting: _Waiting) -> Verdict:
        begun_s = _now_s()
        try:
            answer = await ask(lambda: self._judge(waiting.text), self._limit_s, context=waiting.context)
        except asyncio.CancelledError:
            self._settle(waiting, "cancelled", begun_s=begun_s, error="the session ended first")
            raise
        return self._settle(waiting, answer.outcome, begun_s=begun_s, error=answer.error, answer=answer)

    def _settle(
        self,
        waiting: _Waiting,
        outcome: JudgeOutcome,
        *,
        error: str = "",
        begun_s: float | None = None,
        answer: Answer[object] | None = None,
    ) -> Verdict:
        now_s = _now_s()
        begun_s = now_s if begun_s is None else begun_s
        verdict = Verdict(
            text=waiting.text,
            outcome=outcome,
            result=answer.value if answer else None,
            error=error,
            at_s=waiting.at_s,
            waited_s=begun_s - waiting.handed_in_s,
            took_s=now_s - begun_s,
        )
        self.verdicts.append(verdict)
        return verdict


def _now_s() -> float:
    return asyncio.get_running_loop().time()
