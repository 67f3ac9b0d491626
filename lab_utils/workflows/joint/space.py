"""Where a joint search looks, and where it begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from ...core.settings import Conditions
from ...latency.joint.configuration import EVERY_ONE, SWITCHES
from ...latency.reply.records import NotCovered
from ...latency.reply.scope import check_covered
from ...session.providers.schema import Providers
from ...turns.grid import DEFAULT_GRID
from ...turns.search import Space
from ..study.choice import settings_of_row

JOINT_GRID: Final[dict[str, list[Any]]] = DEFAULT_GRID | {
    "min_delay": [0.0, 2.0],
    "max_delay": [0.8, 5.0],
    "unlikely_threshold": [0.05, 0.95],
    "wait_shape": [None, "linear", "early", "late"],
    "extra_delay_numbers": [0.0, 1.5],
}
"""In place of `DEFAULT_GRID`: a reply is being made during a wait, so that waits cost less than they last."""
WAITS: Final = 6
"""Starting points for each detector: evenly over the range of `min_delay`."""


def joint_space(
    grid: Mapping[str, Sequence[Any]] | None, conditions: Conditions, providers: Providers
) -> Space:
    """What a grid spans, with techniques and levers. Begins with all of them on and longer and longer waits.

    Raises NotCovered for a knob or provider that the closed form of a reply doesn't cover.
    """
    space = Space(Space.of(JOINT_GRID if grid is None else grid).knobs, SWITCHES)
    if "extra_delay_asked" in space.knobs:
        raise NotCovered(
            "extra_delay_asked goes by what the agent asks, and the simulated agent asks other things than "
            "the recorded one; leave it out"
        )
    corners = space.corners
    for corner in range(len(corners)):  # before the work, not after
        check_covered(settings_of_row(corners, corner), conditions, EVERY_ONE, providers)
    starts = [space.beginning_along(name, WAITS).starts for name in ("min_delay", "max_delay")]
    return replace(space, starts=tuple(chain(*starts)))
