"""Threads for the executor work of a virtual loop."""

from __future__ import annotations

import functools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

T = TypeVar("T")


class DaemonThreads(Executor):
    """As many threads as calls at a time. They are daemons: a call that hangs keeps no process alive."""

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
            # Don't keep the finished item while waiting for the next: it may hold a whole session in memory.
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
        """Let idle threads end now, and busy threads after their work. Doesn't wait for them."""
        for _ in range(self._threads):
            self._work.put(None)
