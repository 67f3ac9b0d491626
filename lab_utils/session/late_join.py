"""A caller who speaks before the room is joined: when their first words reach the agent.

The client opens its audio path when the caller begins to speak, which takes `join_s`. Where the agent speaks
first, the path has long been open. Two clients:

- prebuffered (`preConnectBuffer`, `withPreConnectAudio`): what is said meanwhile is kept, and arrives in one
  burst when the path is open. From then on all audio arrives in time.
- not prebuffered: the audio waits in the client, and the stream is late by `join_s` until the caller has been
  silent for `CATCH_UP_S`: then the receiver's jitter buffer has dropped enough silence to catch up. So the
  whole first turn is late, and later turns are not. (No speech is lost; a client that drops audio is worse.)

Seconds count from the stream's first sample.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..core.timeline import Floats

Arrival = Callable[[float], float]
"""Second at which audio is spoken -> second at which it reaches the agent; never earlier, in order."""

CATCH_UP_S = 1.0
"""Assumed: longer than the pauses inside most turns, shorter than the wait for an agent's reply."""


def in_time(spoken_s: float) -> float:
    """Audio reaches the agent as it is spoken."""
    return spoken_s


def since(offset_s: float, arrives: Arrival) -> Arrival:
    """`arrives` for seconds that count from the stream's second `offset_s` instead of its first sample."""
    if arrives is in_time:
        return in_time  # without rounding
    return lambda spoken_s: arrives(spoken_s + offset_s) - offset_s


@dataclass(frozen=True)
class LateJoin:
    """The `Arrival` (call it as a function) of a call whose caller speaks before the room is joined."""

    from_s: float
    """The caller's first word."""
    join_s: float
    buffered: bool
    caught_up_s: float
    """Not buffered: what is spoken from here on arrives in time."""

    def __call__(self, spoken_s: float) -> float:
        if spoken_s <= self.from_s:
            return spoken_s
        if self.buffered:
            return max(spoken_s, self.from_s + self.join_s)
        return min(spoken_s + self.join_s, max(spoken_s, self.caught_up_s))


def late_join(speech: Floats, join_s: float, *, buffered: bool) -> LateJoin:
    """The arrival for a caller who speaks first; `speech`: the caller's, shape=(n, 2), in order of start."""
    if not len(speech):
        return LateJoin(math.inf, join_s, buffered, math.inf)
    silent_from_s = float(speech[0, 1])
    for start_s, end_s in speech[1:].tolist():
        if start_s - silent_from_s >= max(CATCH_UP_S, join_s):
            break
        silent_from_s = max(silent_from_s, end_s)
    return LateJoin(float(speech[0, 0]), join_s, buffered, silent_from_s + max(CATCH_UP_S, join_s))
