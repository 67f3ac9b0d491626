"""A caller who holds a button while they talk: pressed and released where a recording's labels say so.

For push-to-talk agents, in open loop. Unlike a real one, the simulated microphone stays open between
presses; by the labels the caller says nothing but backchannels then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...core.labels import Labels
from ..clock.pace import sleep_until
from .turns import caller_turns

EARLY_S = 0.2
LATE_S = 0.1
"""People press a little before they speak, and let go a little after."""


class Hold(NamedTuple):
    """One press of the button, from down to up; recording seconds."""

    down_s: float
    up_s: float


def holds(labels: Labels, *, early_s: float = EARLY_S, late_s: float = LATE_S) -> tuple[Hold, ...]:
    """One hold for each turn of the caller, backchannels left out, in order and not overlapping.

    A hold lasts from `early_s` before a turn's first speech to `late_s` after its last speech. Where two
    turns are too close for that, the second hold begins when the first one ends. Raises ValueError for
    negative times.
    """
    if not (early_s >= 0 and late_s >= 0):
        raise ValueError(f"early_s is {early_s} and late_s {late_s}; expected seconds from 0")
    found: list[Hold] = []
    turns = [turn for turn in caller_turns(labels) if not turn.backchannel]
    for index, turn in enumerate(turns):
        next_s = turns[index + 1].start_s if index + 1 < len(turns) else labels.duration_s
        up_s = max(turn.end_s, min(turn.end_s + late_s, next_s))
        first_s = found[-1].up_s if found else 0.0
        found.append(Hold(max(first_s, turn.start_s - early_s), up_s))
    return tuple(found)


async def operate(
    button: Sequence[Hold], start_s: float, down: Callable[[], object], up: Callable[[], object]
) -> None:
    """Call `down` and `up` at their moments; `start_s`: the loop's time of the recording's first sample."""
    for hold in button:
        await sleep_until(start_s + hold.down_s)
        down()
        await sleep_until(start_s + hold.up_s)
        up()
