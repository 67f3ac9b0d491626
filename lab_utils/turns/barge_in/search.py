"""The knobs of `interruption`: settings to try, the frontier, the choice, and what it does elsewhere.

Conventions: rows as `figures.summarize` makes them beside the knobs; rates in [0, 1], times in seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.settings import InterruptionSettings
from ..metrics import pareto_frontier
from .figures import Scores, summarize

KNOBS = tuple(InterruptionSettings.model_fields)
DEFAULT_GRID: Mapping[str, Sequence[Any]] = {
    "min_duration": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5),
    "min_words": (0, 1, 2, 3, 4),
    "resume_false_interruption": (True, False),
    "false_interruption_timeout": (0.5, 1.0, 2.0, 3.0),
}
MOST_FALSELY_STOPPED = 0.1
"""Of the sounds to talk through, unless another budget is given."""


def grid_settings(grid: Mapping[str, Sequence[Any]] | None = None) -> list[InterruptionSettings]:
    """The settings of a grid, LiveKit's default first, each once. Raises ValueError for what can't be set.

    What changes nothing is tried once: a timeout where nothing is resumed.

    >>> found = grid_settings({"min_duration": [0.3, 0.5], "resume_false_interruption": [True, False]})
    >>> [(one.min_duration, one.resume_false_interruption) for one in found]
    [(0.5, True), (0.3, True), (0.3, False), (0.5, False)]
    """
    grid = DEFAULT_GRID if grid is None else grid
    if "mode" in grid:
        raise ValueError(
            "mode can't be tried: adaptive interruption needs LiveKit's cloud, and all here is mode vad; "
            "import session reports, whose overlap events tell what adaptive interruption did"
        )
    if unknown := sorted(set(grid) - set(KNOBS)):
        raise ValueError(f"unknown knob of interruption: {', '.join(unknown)}; expected {', '.join(KNOBS)}")
    found = {InterruptionSettings(): None}
    for values in itertools.product(*grid.values()):
        one = InterruptionSettings(**dict(zip(grid, values, strict=True)))
        if not (one.resume_false_interruption and one.false_interruption_timeout is not None):
            one = one.model_copy(
                update={"false_interruption_timeout": 2.0, "resume_false_interruption": False}
            )
        found[one] = None
    return list(found)


def table_of(settings: Sequence[InterruptionSettings], scores: Scores) -> pd.DataFrame:
    """One row for each setting: its knobs and its figures."""
    knobs = pd.DataFrame([one.model_dump() for one in settings], columns=list(KNOBS))
    return pd.concat([knobs, summarize(scores)], axis=1)


def frontier(table: pd.DataFrame) -> list[int]:
    """Rows that no other beats in false stops and restricted time to yield."""
    found = pareto_frontier(table["falsely_stopped_rate"].to_numpy(), table["yield_restricted"].to_numpy())
    return [int(row) for row in found]


class NoneSelective(InputError):
    """No setting falsely stops few enough sounds."""


def choose(table: pd.DataFrame, most: float = MOST_FALSELY_STOPPED) -> int:
    """The row that yields soonest of those that falsely stop at most this share of the sounds.

    Ties break by false stops, those for good, talk-over, and the first row (LiveKit's default). Where all
    onsets are of one sort, there is nothing to trade, and ValueError says so. Raises NoneSelective.
    """
    if table[["falsely_stopped_rate", "yield_restricted"]].isna().any(axis=None):
        lacking = "sounds to talk through" if table["falsely_stopped_rate"].isna().any() else "interruptions"
        raise ValueError(f"there are no {lacking} among the onsets, so there is nothing to trade; add some")
    within = table[table["falsely_stopped_rate"] <= most + 1e-12]
    if within.empty:
        least = table["falsely_stopped_rate"].min()
        raise NoneSelective(
            f"no setting falsely stops at most {most:.0%} of the sounds; the least in this grid is "
            f"{least:.0%}. Allow more (--max-falsely-stopped), or widen the grid"
        )
    keys = ["yield_restricted", "falsely_stopped_rate", "stopped_for_good_rate", "talk_over_mean"]
    rounded = within[keys].round(9)
    return int(rounded.sort_values(keys, kind="stable").index[0])


def choose_or_nearest(table: pd.DataFrame, most: float = MOST_FALSELY_STOPPED) -> int:
    """`choose`, or the soonest of those that falsely stop the least."""
    try:
        return choose(table, most)
    except NoneSelective:
        return choose(table, float(table["falsely_stopped_rate"].min()))


def held_out(settings: Sequence[InterruptionSettings], scores: Scores, most: float) -> Scores | None:
    """Each recording's onsets under the setting chosen on the others, as the scores of one setting.

    None where the others of some recording have no interruption, or no sound to talk through.
    """
    of = np.array(scores.of)
    parts: list[Scores] = []
    for name in dict.fromkeys(scores.of):
        others = scores.part(of != name)
        if not (0 < np.count_nonzero(others.interrupts) < len(others.onsets)):
            return None
        row = choose_or_nearest(table_of(settings, others), most)
        parts.append(scores.part(of == name).under(row))
    return Scores.joined(parts)
