"""How often Python looks for objects that only refer to each other."""

from __future__ import annotations

import gc
import time

NEW_OBJECTS = 50_000
EVERY_CPU_S = 30.0
"""A worker looks through all there is once in so many seconds of CPU, which takes it a tenth of one."""
_looked_at_s = 0.0


def collect_seldom() -> None:
    """Look once in `NEW_OBJECTS`, for this process, where Python looks once in 700.

    What modules define as they load, half a million objects with LiveKit's, stays for good: looking through
    it again and again takes a seventh of a start.
    """
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])


def collect_now_and_then() -> None:
    """Between two items: what has lived for long is hardly looked at any more, and may hold a recording."""
    global _looked_at_s
    if time.process_time() - _looked_at_s >= EVERY_CPU_S:
        gc.collect()
        _looked_at_s = time.process_time()
