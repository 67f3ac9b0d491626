"""Stops code that takes too much real time, whatever it is doing."""

from __future__ import annotations

import asyncio
import selectors
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from . import clock

INSIST_S = 5.0
"""The limits are checked every so many real seconds; code that goes on is stopped again."""


class RealTimeLimit(KeyboardInterrupt):
    """Ends a loop as Ctrl-C does: it is no `Exception`, so user code that catches those doesn't catch it."""


@contextmanager
def real_time_limit(seconds: float, *, still_s: float, now: Callable[[], float]) -> Iterator[None]:
    """Raise RealTimeLimit in this thread after `seconds` real seconds (only in the main thread, on Unix).

    It is raised again every `INSIST_S`, since user code may swallow the first one, or hang while it cleans
    up. It is also raised if `now`, the session's time, has stood still for `still_s` real seconds, for
    instance in an endless reply that never returns to the loop.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    began_s = moved_s = clock.real_monotonic()
    last = now()

    def look(_: int, frame: FrameType | None) -> None:
        nonlocal moved_s, last
        real_s, session_s = clock.real_monotonic(), now()
        if session_s != last:
            moved_s, last = real_s, session_s
        if real_s - began_s >= seconds:
            raise RealTimeLimit(f"took more than {seconds:g} s of real time{_place(frame)}")
        if real_s - moved_s >= still_s and (place := _place(frame)):
            raise RealTimeLimit(f"session time stood still for {still_s:g} s of real time{place}")

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, min(INSIST_S, seconds), min(INSIST_S, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None) -> str:
    """The code line at which the thread was working, if that is outside of the loop itself."""
    machinery = (str(Path(asyncio.__file__).parent), selectors.__file__)
    while frame is not None and frame.f_code.co_filename.startswith(machinery):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(str(Path(clock.__file__).parent)):
        return ""
    return f"; it was busy at {frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"
