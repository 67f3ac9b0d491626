"""The commits of a session beside those of a replay that was given the same traces and transcripts.

Commits at or after the end of the audio can't be compared: the end of a session makes them come earlier.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..core.session_log import SessionLog
from ..core.traces import Cause, Commits

TOLERANCE_S = 1e-3
"""Two commits of the same cause agree if they are at most this far apart."""


@dataclass(frozen=True)
class Moment:
    """What is compared of a commit."""

    time_s: float
    cause: Cause


def both_sides(
    replayed: Commits, log: SessionLog, until_s: float
) -> tuple[tuple[Moment, ...], tuple[Moment, ...]]:
    """The commits of a replay and of a session before `until_s`."""
    ours = map(Moment, replayed.time_s.tolist(), replayed.cause)
    theirs = (Moment(event.time_s, event.data["cause"]) for event in log.of_kind("commit"))
    before_s = until_s - TOLERANCE_S
    return tuple(m for m in ours if m.time_s < before_s), tuple(m for m in theirs if m.time_s < before_s)


def commit_pairs(replayed: Commits, log: SessionLog, until_s: float = np.inf) -> pd.DataFrame:
    """The commits of a replay and of a session before `until_s`: the first with the first, and so on.

    Columns: replay_s, session_s, difference_s (session - replay, to the nanosecond), replay_cause,
    session_cause, agrees (the same cause, within `TOLERANCE_S`). Where one side has no such commit, its time
    and the difference are NaN, its cause is "" and `agrees` is False.
    """
    sides = []
    for name, moments in zip(("replay", "session"), both_sides(replayed, log, until_s), strict=True):
        rows = [(moment.time_s, moment.cause) for moment in moments]
        sides.append(pd.DataFrame(rows, columns=[f"{name}_s", f"{name}_cause"]).astype({f"{name}_s": float}))
    table = pd.concat(sides, axis=1)
    causes = ["replay_cause", "session_cause"]
    table[causes] = table[causes].astype(object).where(table[causes].notna(), "")
    difference_s = table["session_s"] - table["replay_s"]
    same = table["replay_cause"] == table["session_cause"]
    table["difference_s"] = difference_s.round(9) + 0.0
    table["agrees"] = same & (difference_s.abs() <= TOLERANCE_S)
    return table[["replay_s", "session_s", "difference_s", *causes, "agrees"]]
