"""The slow twin of `VirtualLoop`: asyncio's own rounds and timers, on a selector that lets no time pass."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

from lab_utils.session.clock import Deadlock, Stalled, VirtualLoop
from lab_utils.session.clock.loop import DIGITS

Asyncio: Any = asyncio.SelectorEventLoop


class SlowLoop(VirtualLoop):
    """Only what moves the clock is its own: the selector's `select`."""

    _run_once = Asyncio._run_once
    _timer_handle_cancelled = Asyncio._timer_handle_cancelled
    call_soon = Asyncio.call_soon

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.create_future = lambda: Asyncio.create_future(self)
        self._look: Callable[[float], list[Any]] = self._selector.select
        self._selector.select = self._select
        self._waiting: list[Any] = []

    def call_in_turn(self, when, turn, callback, *args, context=None):
        moment_s = round(float(when), DIGITS)
        timer = Asyncio.call_at(self, moment_s, self._reach, context=context)
        timer._args = (-turn, next(self._set), timer, callback, args)
        return timer

    def _reach(self, *waiting: Any) -> None:
        if self._waiting or self._ready:
            heapq.heappush(self._waiting, waiting)
        else:
            _, _, _, callback, args = waiting
            callback(*args)

    def _continue(self) -> None:
        _, _, timer, callback, args = heapq.heappop(self._waiting)
        if not timer.cancelled():
            timer._context.run(callback, *args)

    def _select(self, timeout: float | None = None) -> list[Any]:
        events = self._look(0)
        if events or timeout == 0:
            return events
        if self._jobs:
            if self._jobs[0].work.done():
                self._deliver(self._jobs.popleft())
            elif not self._look(self._stall_s):
                raise Stalled
        elif self._held:
            if not self._look(self._stall_s):
                raise Stalled
        elif self._waiting:
            self.call_soon(self._continue)
        elif timeout is None:
            if not self._look(self._foreign_thread_s):
                raise Deadlock
        else:
            self._clock.now_s = round(self._clock.now_s + timeout, DIGITS)
        return []
