"""A virtual clock: an event loop that jumps to its next timer, and a `time` module that follows it.

Time stands still while anything can still happen at the present moment: a callback is ready, executor work or
a thread announced by `hold()` is pending. Then the clock jumps to the next timer. Executor results arrive in
the order of submission, each after a declared cost instead of the time it really took, so that a run depends
on its input alone, not on the machine or its load.

Only the thread that runs a `VirtualLoop` sees virtual time; all others keep real time. The identifiers that
LiveKit draws with `uuid.uuid4` are drawn from the loop's seed in that thread, so that logs are repeatable.
`install()` must run before `livekit.agents` is imported, because its classes bind `time.time` on import.
"""

from __future__ import annotations

import asyncio
import functools
import queue
import random
import selectors
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_S = 1_000_000.0
"""`time.time()` at the start; small, so that a float of it resolves a nanosecond."""
MONOTONIC_S = 1_000.0
"""`time.monotonic()` and `loop.time()` at the start."""
PATIENCE_S = 5.0
"""Real seconds to wait for a foreign thread when nothing else is left to do."""
STALL_S = 120.0
"""Real seconds that executor work or a spinning task may take without the clock moving on."""
SPINS_BETWEEN_CHECKS = 10_000
NAMED_TASKS = 5
"""So many of the tasks that wait are named in a message."""
FAREWELL_S = 10.0
"""Seconds (of the loop) that tasks may take to end when they are cancelled after a run."""

_REAL = {
    name: getattr(time, name)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")
}
_real_uuid4 = uuid.uuid4
real_monotonic: Callable[[], float] = _REAL["monotonic"]
_here = threading.local()


class Deadlock(RuntimeError):
    """Nothing is left that could ever happen; the message names the tasks that wait."""


class Stalled(RuntimeError):
    """The clock stood still for too long in real time; the message names what held it."""


class _Clock:
    """Virtual time and random identifiers of one loop."""

    def __init__(self, seed: int) -> None:
        self.now_s = MONOTONIC_S
        self.readings = 0
        self.random = random.Random(seed)

    def monotonic_ns(self) -> int:
        # Strictly increasing, as no real clock repeats itself: LiveKit breaks heap ties with it
        # (agent_activity.py:2039), and equal values kill its scheduler.
        self.readings += 1
        return int(self.now_s * 1e9) + self.readings


def _follows_clock(name: str, reading: Callable[[_Clock], Any]) -> Callable[..., Any]:
    real = _REAL[name]

    def read() -> Any:
        clock = getattr(_here, "clock", None)
        return real() if clock is None else reading(clock)

    read.__name__ = name
    return read


def _sleep(seconds: float, /) -> None:
    clock = getattr(_here, "clock", None)
    if clock is None:
        _REAL["sleep"](seconds)
    else:
        clock.now_s += float(seconds)  # a blocking sleep in the loop's thread really blocks the loop


def _uuid4() -> uuid.UUID:
    clock = getattr(_here, "clock", None)
    return _real_uuid4() if clock is None else uuid.UUID(int=clock.random.getrandbits(128), version=4)


def install() -> None:
    """Let the `time` module follow virtual clocks. Raises RuntimeError if LiveKit was imported before."""
    if time.sleep is _sleep:
        return
    if "livekit.agents" in sys.modules:
        raise RuntimeError(
            "livekit.agents has been imported, and has bound the real clock: run offline sessions through "
            "simulation.workers, which start processes of their own, or call clock.install() first"
        )
    for name in ("monotonic", "perf_counter"):
        setattr(time, name, _follows_clock(name, lambda clock: clock.now_s))
        setattr(time, f"{name}_ns", _follows_clock(f"{name}_ns", _Clock.monotonic_ns))
    time.time = _follows_clock("time", lambda clock: EPOCH_S + (clock.now_s - MONOTONIC_S))
    time.time_ns = _follows_clock("time_ns", lambda clock: int((EPOCH_S + (clock.now_s - MONOTONIC_S)) * 1e9))
    time.sleep = _sleep  # type: ignore[assignment]
    uuid.uuid4 = _uuid4


def installed() -> bool:
    """Whether `install` has run in this process."""
    return time.sleep is _sleep


class _DaemonThreads(Executor):
    """As many threads as there is work at a time; daemons, so that work that hangs keeps no process alive."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._busy = 0

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            self._busy += 1
            if self._busy > self._threads:
                self._threads += 1
                name = f"virtual-loop-{self._threads}"
                threading.Thread(target=self._serve, name=name, daemon=True).start()
        self._work.put((future, functools.partial(fn, *args, **kwargs)))
        return future

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            future, call = item
            # Not a local of this loop while it waits for more work: it may hold a whole session.
            del item
            error, result = None, None
            try:
                result = call()
            except BaseException as caught:
                error = caught
            with self._lock:
                self._busy -= 1
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)
            del future, call, error, result

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let idle threads end, and the others when their work does; waits for none of them."""
        for _ in range(self._threads):
            self._work.put(None)


@dataclass
class _Job:
    submitted_s: float
    function: Callable[..., Any]
    work: Future[Any]
    answer: asyncio.Future[Any]


class _Selector(selectors.DefaultSelector):
    """Asks the loop what to do where another selector would wait for real time to pass."""

    idle: Callable[[float | None], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        # While callbacks are ready, I/O can wait: it comes from other threads, at no moment of this clock.
        events = super().select(0) if timeout != 0 else []
        if not events:
            self.idle(timeout)
        return events

    def wait(self, real_s: float) -> bool:
        """Whether some thread wakes the loop within `real_s` real seconds."""
        return bool(super().select(real_s))


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual time.

    `cost_s` gives the virtual seconds charged for a function that runs in an executor; by default none.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        cost_s: Callable[[Callable[..., Any]], float] | None = None,
        patience_s: float = PATIENCE_S,
        stall_s: float = STALL_S,
    ) -> None:
        self._clock = _Clock(seed)
        self._cost_s = cost_s or (lambda function: 0.0)
        self._patience_s, self._stall_s = patience_s, stall_s
        self._jobs: deque[_Job] = deque()
        self._held: list[str] = []
        self._spins, self._moved_at = 0, real_monotonic()
        self._waiter = _Selector()
        self._waiter.idle = self._idle
        super().__init__(self._waiter)
        self._threads = _DaemonThreads()

    def time(self) -> float:
        """Virtual seconds; the same as `time.monotonic()` in this loop's thread."""
        return self._clock.now_s

    def run_forever(self) -> None:
        before = getattr(_here, "clock", None)
        _here.clock = self._clock
        self._moved_at = real_monotonic()
        try:
            super().run_forever()
        finally:
            _here.clock = before

    @contextmanager
    def hold(self, why: str) -> Iterator[None]:
        """Freeze the clock while a thread that the loop doesn't know of works for us."""
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
        super().close()

    def _wake(self, _: Future[Any]) -> None:
        if not self.is_closed():
            self.call_soon_threadsafe(lambda: None)

    def _idle(self, timeout: float | None) -> None:
        """Called without I/O to handle; `timeout` is 0 while callbacks are ready, None without any timer."""
        if timeout == 0:
            self._spins += 1
            if self._spins % SPINS_BETWEEN_CHECKS == 0 and real_monotonic() - self._moved_at > self._stall_s:
                raise Stalled(f"tasks run on and on at one moment: {_waiting(self)}")
        elif self._jobs:
            if self._jobs[0].work.done():
                self._deliver(self._jobs.popleft())
            elif not self._waiter.wait(self._stall_s):
                names = ", ".join(_name(job.function) for job in self._jobs)
                self._jobs.clear()
                raise Stalled(f"executor work takes over {self._stall_s:g} s: {names}")
        elif self._held:
            if not self._waiter.wait(self._stall_s):
                raise Stalled(f"a thread takes over {self._stall_s:g} s: {', '.join(self._held)}")
        elif timeout is None:
            if not self._waiter.wait(self._patience_s):
                raise Deadlock(f"nothing is left to happen, and these wait: {_waiting(self)}")
        else:
            self._clock.now_s += float(timeout)  # a timer set with a numpy number must not spread it
            self._moved_at = real_monotonic()

    def _deliver(self, job: _Job) -> None:
        at_s = max(self.time(), job.submitted_s + self._cost_s(job.function))
        self.call_at(at_s, _answer, job.answer, job.work)


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
    """The loop's unfinished tasks and the line each waits at; those outside of installed packages first."""
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
    """Run `main()` on a loop that is closed afterwards, within bounds that `asyncio.run` doesn't have.

    Tasks that are left over are cancelled; those that ignore it for `FAREWELL_S` are abandoned. Threads that
    still work are not waited for.
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
            # What was abandoned is known: nobody needs to hear of it again when it is collected.
            for task in asyncio.all_tasks(loop):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            loop.close()
