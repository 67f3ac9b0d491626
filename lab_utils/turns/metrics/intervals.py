"""Labels as intervals that say what a commit means, and the meaning of each commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.labels import Labels
from ...core.timeline import Floats, Ints
from ...core.traces import Commits

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 5.0

HOLD, LONG_HOLD, SPEECH, CUT_OFF, BACKCHANNEL, END_OF_TURN = range(6)
INTERVAL_NAMES = ("hold", "unscored_hold", "speech", "cut_off", "backchannel", "end_of_turn")


@dataclass(frozen=True)
class Intervals:
    """What a commit means, by when it comes: disjoint spans in time order, all shape=(intervals,)."""

    start_s: Floats
    end_s: Floats
    kind: Ints
    """Index into `INTERVAL_NAMES`."""
    turn: Ints
    """Number of the user turn, in order; `n_turns` for speech after the last labelled end of turn."""
    n_turns: int

    def count(self, kind: int) -> int:
        return int(np.count_nonzero(self.kind == kind))


def intervals(
    labels: Labels,
    tail_s: float = 0.0,
    shortest_hold_s: float = SHORTEST_HOLD_S,
    longest_hold_s: float = LONGEST_HOLD_S,
) -> Intervals:
    """Labels as intervals; `tail_s` is the silence that was added after the recording."""
    rows: list[tuple[float, float, int]] = []
    backchannels = labels.of_kind("backchannel")
    user = labels.spans("user")
    is_backchannel = np.zeros(len(user), dtype=np.bool_)
    for start_s, end_s in backchannels:
        is_backchannel |= (user[:, 0] < end_s) & (user[:, 1] > start_s)
    end_of_all_s = labels.duration_s + tail_s
    user_starts = np.sort(np.concatenate((user[~is_backchannel, 0], backchannels[:, 0])))
    for start_s, end_s in labels.of_kind("hold"):
        scored = shortest_hold_s <= round(end_s - start_s, 9) <= longest_hold_s
        rows.append((start_s, end_s, HOLD if scored else LONG_HOLD))
    rows += [(start_s, end_s, CUT_OFF) for start_s, end_s in labels.of_kind("cut_off")]
    rows += [(start_s, end_s, SPEECH) for start_s, end_s in user[~is_backchannel]]
    turn_ends = labels.of_kind("shift")[:, 0]
    for kind, begins in ((END_OF_TURN, turn_ends), (BACKCHANNEL, backchannels[:, 0])):
        for start_s in begins:
            side: Literal["left", "right"] = "right" if kind == BACKCHANNEL else "left"
            later = user_starts[np.searchsorted(user_starts, start_s, side=side) :]
            rows.append((start_s, float(later[0]) if len(later) else end_of_all_s, kind))
    starts, ends, kinds = np.array(sorted(rows), dtype=np.float64).reshape(-1, 3).T
    ends[:-1] = np.minimum(ends[:-1], starts[1:])  # rounded labels may overlap a little
    turn = np.searchsorted(turn_ends, starts, side="left").astype(np.int64)
    return Intervals(starts, ends, kinds.astype(np.int64), turn, len(turn_ends))


def attribute(commits: Commits, marks: Intervals) -> pd.DataFrame:
    """What each commit of one setting means: one row per commit (columns: see `attributes`)."""
    return pd.DataFrame(attributes(commits, marks))


def attributes(commits: Commits, marks: Intervals) -> dict[str, NDArray[Any]]:
    """What each commit of one setting means, as columns of shape=(commits,).

    commit_s, cause, probability, label (an interval name, or "other"), label_start_s, latency_s (of
    the first commit of an end of turn, else NaN) and false_boundary (in a scored hold, or in speech before
    the end of a turn).
    """
    place = np.searchsorted(marks.start_s, commits.time_s, side="right") - 1
    inside = (place >= 0) & (commits.time_s < np.append(marks.end_s, -np.inf)[place])
    kind = np.where(inside, np.append(marks.kind, 0)[place], -1)
    start_s = np.where(inside, np.append(marks.start_s, np.nan)[place], np.nan)
    in_turn = np.append(marks.turn, marks.n_turns)[place] < marks.n_turns
    ends = kind == END_OF_TURN
    first = ends & ~pd.Series(np.where(ends, place, -1 - np.arange(len(place)))).duplicated().to_numpy()
    return {
        "commit_s": commits.time_s,
        "cause": np.array(commits.cause, dtype=object),
        "probability": commits.probability,
        "label": np.array([*INTERVAL_NAMES, "other"], dtype=object)[kind],
        "label_start_s": start_s,
        "latency_s": np.where(first, commits.time_s - start_s, np.nan),
        "false_boundary": (kind == HOLD) | ((kind == SPEECH) & in_turn),
    }
