"""How often Python looks for objects that only refer to each other."""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000


def collect_seldom() -> None:
    """Look once in `NEW_OBJECTS`, for this process, where Python looks once in 700.

    What modules define as they load, half a million objects with LiveKit's, stays for good: looking through
    it again and again takes a seventh of a start.
    """
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
