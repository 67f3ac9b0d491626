"""Ending what takes too much real time, whatever it is busy with."""

from __future__ import annotations

import asyncio
import selectors
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from . import clock

INSIST_S = 5.0
"""Real seconds after which what has reached its limit is stopped again."""


class RealTimeLimit(KeyboardInterrupt):
    """As Ctrl-C does, it ends a loop even where user code catches every Exception."""


@contextmanager
def real_time_limit(seconds: float) -> Iterator[None]:
    """Raise RealTimeLimit in this thread after so many real seconds (main thread on Unix only).

    And again every few seconds, for the first one may be swallowed, or the cleaning up after it hang.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def expire(_: int, frame: FrameType | None) -> None:
        raise RealTimeLimit(_place(frame))

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, INSIST_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(frame: FrameType | None) -> str:
    """Where the loop's thread was busy, if that was outside of the loop itself."""
    machinery = (str(Path(asyncio.__file__).parent), selectors.__file__)
    while frame is not None and frame.f_code.co_filename.startswith(machinery):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(str(Path(clock.__file__).parent)):
        return ""
    return f"; it was busy at {frame.f_code.co_filename}:{frame.f_lineno} ({frame.f_code.co_name})"
