"""The event loop on virtual time."""

from __future__ import annotations

import asyncio
import functools
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from typing import Any, TypeVar

from .threads import DaemonThreads
from .virtual_time import VirtualTime, here, real_monotonic

T = TypeVar("T")

FOREIGN_THREAD_S = 5.0
"""Real seconds to wait for a foreign thread when nothing else is left to do."""
STALL_S = 120.0
"""Real seconds that executor work or a busy task may take while the clock stands still."""
SPINS_BETWEEN_CHECKS = 10_000
MOVES_BETWEEN_POLLS = 64
"""How often the clock moves between two looks at the system, where no file is watched."""
MOST_CANCELLED = 100
"""So many timers may be cancelled and kept, and half of all."""
DIGITS = 8
"""Timers are set to 10 ns, so that what is due at one moment is due at one number."""
NAMED_TASKS = 5
"""At most this many waiting tasks are named in a message."""
FAREWELL_S = 10.0
"""Seconds (of the loop) that tasks may take to end when they are cancelled after a run."""


class Deadlock(RuntimeError):
    """Nothing is left that could ever happen; the message names the tasks that wait."""


class Stalled(RuntimeError):
    """The clock stood still for too long in real time; the message names what held it."""


@dataclass
class _Job:
    submitted_s: float
    function: Callable[..., Any]
    work: Future[Any]
    answer: asyncio.Future[Any]


_Timer = tuple[float, int, int, asyncio.TimerHandle]
"""Its moment, its number in the order in which timers were set, its turn (negated) and itself."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    What is due at one moment comes in the order of its turns (`pace.Turn`), in one turn in the order in which
    it was set; each with all that it leads to at that moment before the next.

    `cost_s` gives the virtual seconds charged for a function that runs in an executor; by default none.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        cost_s: Callable[[Callable[..., Any]], float] | None = None,
        foreign_thread_s: float = FOREIGN_THREAD_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._clock = VirtualTime(seed)
        self._cost_s = cost_s or (lambda function: 0.0)
        self._foreign_thread_s, self._stall_s = foreign_thread_s, stall_s
        self._jobs: deque[_Job] = deque()
        self._timers: list[_Timer] = []  # a heap
        self._cancelled_timers = 0
        self._due: list[tuple[int, int, asyncio.TimerHandle]] = []  # a heap; their moment is now
        self._set = itertools.count()
        self._held: list[str] = []
        self._spins, self._moves, self._moved_at = 0, 0, real_monotonic()
        super().__init__()
        self._threads = DaemonThreads()
        # As asyncio's method, in C: a session makes 150 a second.
        self.create_future = functools.partial(asyncio.Future, loop=self)  # type: ignore[method-assign]

    def time(self) -> float:
        """Virtual seconds; the same as `time.monotonic()` in this loop's thread."""
        return self._clock.now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if self._debug:  # type: ignore[attr-defined]
            return super().call_soon(callback, *args, context=context)  # which checks more
        self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_in_turn(when, 0, callback, *args, context=context)

    def call_in_turn(
        self, when: float, turn: int, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """`call_at`; what has the higher turn comes first among what is due at that moment."""
        self._check_closed()  # type: ignore[attr-defined]
        moment_s = round(float(when), DIGITS)
        timer = asyncio.TimerHandle(moment_s, callback, args, self, context)
        timer._scheduled = True  # type: ignore[attr-defined]
        heapq.heappush(self._timers, (moment_s, next(self._set), -turn, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by a timer that is being cancelled."""
        self._cancelled_timers += handle._scheduled  # type: ignore[attr-defined]

    def _run_once(self) -> None:
        """One round: all that is ready, then the timers that are due; where there are none, the clock moves.

        In place of asyncio's, which asks the system in each round for what has come meanwhile.
        """
        ready, timers = self._ready, self._timers  # type: ignore[attr-defined]
        while timers and timers[0][3]._cancelled:  # type: ignore[attr-defined]
            self._take_timer()
        if ready or self._stopping or (timers and timers[0][0] <= self._clock.now_s):  # type: ignore[attr-defined]
            self._spins += 1
            if self._spins % SPINS_BETWEEN_CHECKS == 0 and real_monotonic() - self._moved_at > self._stall_s:
                raise Stalled(f"tasks run on and on at one moment: {_waiting(self)}")
        else:
            self._idle()
        due = []
        until_s = self._clock.now_s + self._clock_resolution  # type: ignore[attr-defined]
        while timers and timers[0][0] < until_s:
            due.append(self._take_timer())
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()
        if due:
            self._come_due(due)

    def _take_timer(self) -> tuple[int, int, asyncio.TimerHandle]:
        """The next timer, after its turn and its number."""
        _, number, turn, timer = heapq.heappop(self._timers)
        timer._scheduled = False  # type: ignore[attr-defined]
        self._cancelled_timers -= timer._cancelled  # type: ignore[attr-defined]
        return turn, number, timer

    def _come_due(self, due: list[tuple[int, int, asyncio.TimerHandle]]) -> None:
        """Timers have reached their moment. Each waits for its turn if anything else is left to do."""
        if len(due) == 1 and not self._due and not self._ready:  # type: ignore[attr-defined]
            self._due = due
            self._go_on()
        else:
            for one in due:
                heapq.heappush(self._due, one)

    def _go_on(self) -> None:
        """The next of what is due at this moment, now that nothing else is left to do."""
        timer = heapq.heappop(self._due)[2]
        if not timer.cancelled():
            timer._run()  # type: ignore[attr-defined]

    def run_forever(self) -> None:
        before = getattr(here, "clock", None)
        here.clock = self._clock
        self._moved_at = real_monotonic()
        try:
            super().run_forever()
        finally:
            here.clock = before

    @contextmanager
    def hold(self, why: str) -> Iterator[None]:
        """Stop the clock while a thread that the loop doesn't know of works for this session."""
        self._held.append(why)
        try:
            yield
        finally:
            self._held.remove(why)

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        self._check_closed()  # type: ignore[attr-defined]
        work = (executor or self._threads).submit(func, *args)
        answer: asyncio.Future[T] = self.create_future()
        self._jobs.append(_Job(self.time(), func, work, answer))
        work.add_done_callback(self._wake)
        return answer

    def close(self) -> None:
        if not self.is_closed() and not self.is_running():
            self._threads.shutdown()
        self._timers.clear()
        self._due.clear()
        super().close()

    def _wake(self, _: Future[Any]) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(lambda: None)

    def _idle(self) -> None:
        """Nothing is ready, and no timer is due: see what goes on, or move the clock to the next timer."""
        self._moves += 1
        if self._cancelled_timers > max(MOST_CANCELLED, len(self._timers) // 2):
            self._timers[:] = [timer for timer in self._timers if not timer[3]._cancelled]  # type: ignore[attr-defined]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0
        # Other threads put what they have for the loop among what is ready: this is for files and signals.
        if (len(self._selector.get_map()) > 1 or not self._moves % MOVES_BETWEEN_POLLS) and self._hears(0):  # type: ignore[attr-defined]
            return
        if self._jobs:
            if self._jobs[0].work.done():
                self._deliver(self._jobs.popleft())
            elif not self._hears(self._stall_s):
                names = ", ".join(_name(job.function) for job in self._jobs)
                self._jobs.clear()
                raise Stalled(f"executor work takes over {self._stall_s:g} s: {names}")
        elif self._held:
            if not self._hears(self._stall_s):
                raise Stalled(f"a thread takes over {self._stall_s:g} s: {', '.join(self._held)}")
        elif self._due:
            self._go_on()
        elif not self._timers:
            if not self._hears(self._foreign_thread_s):
                raise Deadlock(f"nothing is left to happen, and these wait: {_waiting(self)}")
        else:
            self._clock.now_s = max(self._clock.now_s, self._timers[0][0])
            self._moved_at = real_monotonic()

    def _hears(self, real_s: float) -> bool:
        """Whether there is I/O, or another thread wakes the loop, within real seconds."""
        events = self._selector.select(real_s)  # type: ignore[attr-defined]
        self._process_events(events)  # type: ignore[attr-defined]
        return bool(events)

    def _deliver(self, job: _Job) -> None:
        at_s = max(self.time(), job.submitted_s + self._cost_s(job.function))
        if at_s > self.time():
            self.call_at(at_s, _answer, job.answer, job.work)
        else:
            self.call_soon(_answer, job.answer, job.work)


def _answer(answer: asyncio.Future[Any], work: Future[Any]) -> None:
    if answer.done():
        return
    if work.cancelled():
        answer.cancel()
    elif (error := work.exception()) is not None:
        answer.set_exception(error)
    else:
        answer.set_result(work.result())


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    """The loop's unfinished tasks and the code line each waits at; first those outside installed packages."""
    found = []
    for task in asyncio.all_tasks(loop):
        frames = task.get_stack()
        where = f" at {frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else ""
        found.append(f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')}{where})")
    found.sort(key=lambda text: ("site-packages" in text, text))
    more = [f"{len(found) - NAMED_TASKS} more"] if len(found) > NAMED_TASKS else []
    return "; ".join(found[:NAMED_TASKS] + more) or "no task"


def _name(function: Callable[..., Any]) -> str:
    return getattr(unwrapped(function), "__qualname__", repr(function))


def unwrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, without the `functools.partial` that `asyncio.to_thread` puts around it."""
    arguments = getattr(function, "args", ())
    return arguments[0] if arguments and callable(arguments[0]) else function


def run(main: Callable[[], Coroutine[Any, Any, T]], **loop_options: Any) -> T:
    """Run `main()` on a new `VirtualLoop` (its options as keywords) in this thread, and clean up after it."""
    return run_on(VirtualLoop(**loop_options), main)


def run_on(loop: asyncio.AbstractEventLoop, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` on a loop and close the loop. Unlike `asyncio.run`, the cleaning up has a time limit.

    Tasks that are left over are cancelled. Those that haven't ended `FAREWELL_S` later are abandoned. Threads
    that still work are not waited for.
    """
    try:
        return loop.run_until_complete(main())
    finally:
        try:
            if left := asyncio.all_tasks(loop):
                for task in left:
                    task.cancel()
                loop.run_until_complete(asyncio.wait(left, timeout=FAREWELL_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            # These tasks are abandoned on purpose: asyncio need not warn when they are collected.
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()
