"""The `time` module and `uuid.uuid4` as the thread of a virtual loop sees them."""

from __future__ import annotations

import random
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

EPOCH_S = 1_000_000.0
"""`time.time()` at the start; small, so that a float resolves nanoseconds."""
MONOTONIC_S = 1_000.0
"""`time.monotonic()` and `loop.time()` at the start."""

_REAL = {
    name: getattr(time, name)
    for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep")
}
_real_uuid4 = uuid.uuid4
real_monotonic: Callable[[], float] = _REAL["monotonic"]
here = threading.local()
"""`here.clock`: the clock of the virtual loop that this thread runs, if it runs one."""


class VirtualTime:
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


def _follows_clock(name: str, reading: Callable[[VirtualTime], Any]) -> Callable[..., Any]:
    real = _REAL[name]

    def read() -> Any:
        clock = getattr(here, "clock", None)
        return real() if clock is None else reading(clock)

    read.__name__ = name
    return read


def _sleep(seconds: float, /) -> None:
    clock = getattr(here, "clock", None)
    if clock is None:
        _REAL["sleep"](seconds)
    else:
        clock.now_s += float(seconds)  # blocks the loop, as a blocking sleep in the loop's thread does


def _uuid4() -> uuid.UUID:
    clock = getattr(here, "clock", None)
    return _real_uuid4() if clock is None else uuid.UUID(int=clock.random.getrandbits(128), version=4)


def install() -> None:
    """Make the `time` module follow virtual clocks. Raises RuntimeError if LiveKit was imported before."""
    if time.sleep is _sleep:
        return
    if "livekit.agents" in sys.modules:
        raise RuntimeError(
            "livekit.agents has been imported, and has bound the real clock: run offline sessions through "
            "lab_utils.session.workers, which start processes of their own, or call clock.install() first"
        )
    for name in ("monotonic", "perf_counter"):
        setattr(time, name, _follows_clock(name, lambda clock: clock.now_s))
        setattr(time, f"{name}_ns", _follows_clock(f"{name}_ns", VirtualTime.monotonic_ns))
    time.time = _follows_clock("time", lambda clock: EPOCH_S + (clock.now_s - MONOTONIC_S))
    time.time_ns = _follows_clock("time_ns", lambda clock: int((EPOCH_S + (clock.now_s - MONOTONIC_S)) * 1e9))
    time.sleep = _sleep  # type: ignore[assignment]
    uuid.uuid4 = _uuid4


def installed() -> bool:
    """Whether `install` has run in this process."""
    return time.sleep is _sleep
