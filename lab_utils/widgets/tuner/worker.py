"""Long work off the kernel's thread, in steps: one job at a time, and a newer one takes its place."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

from .scorer import Deliver

Job = Callable[[Deliver], Iterator[object]]


def to_this_thread() -> Deliver:
    """What calls a function on the event loop that runs here (a kernel's), or at once where none runs."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return lambda call: call()
    return lambda call: None if loop.is_closed() else _discard(loop.call_soon_threadsafe(call))


def _discard(_: object) -> None:
    pass


class Worker:
    """Runs the last job that it was asked for. A job is left between two steps."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self._wanted: Job | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def ask(self, job: Job) -> None:
        """Run this job in place of any other."""
        with self._lock:
            self._wanted = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="tuner", daemon=True)
                self._thread.start()

    def leave(self) -> None:
        """Leave the job at hand after its present step."""
        with self._lock:
            self._wanted = None

    def now(self, job: Job) -> None:
        """Run a job to its end in this thread, in place of any other."""
        self.leave()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        for _ in job(lambda call: call()):
            pass

    def _run(self) -> None:
        done: Job | None = None
        while True:
            with self._lock:
                job = self._wanted
                if job is None or job is done:
                    self._thread = None
                    return
            for _ in job(self._deliver):
                if self._wanted is not job:
                    break
            done = job
