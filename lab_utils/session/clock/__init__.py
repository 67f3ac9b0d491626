"""A virtual clock: an event loop that jumps to its next timer, and a `time` module that follows it.

The clock stands still while a callback is ready, executor work is pending, or a thread announced by `hold()`
works. Then it jumps to the next timer. Executor results arrive in the order of submission, each after a
declared cost instead of the time that it really took. So a run depends on its input alone, not on the machine
or its load.

Only the thread that runs a `VirtualLoop` sees virtual time; all others keep real time. The identifiers that
LiveKit draws with `uuid.uuid4` are drawn from the loop's seed in that thread, so that logs are repeatable.
`install()` must run before `livekit.agents` is imported, because its classes bind `time.time` on import.
"""

from .loop import STALL_S, Deadlock, Stalled, VirtualLoop, run, run_on, unwrapped
from .virtual_time import EPOCH_S, MONOTONIC_S, install, installed, real_monotonic

__all__ = [
    "EPOCH_S",
    "MONOTONIC_S",
    "STALL_S",
    "Deadlock",
    "Stalled",
    "VirtualLoop",
    "install",
    "installed",
    "real_monotonic",
    "run",
    "run_on",
    "unwrapped",
]
