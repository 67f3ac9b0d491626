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
