"""What eot-bench's policies do: threshold × action delay × timeout, all of a grid at once.

A grid is scored from counts, without acting out each policy in each span. With d the duration of a hold and f
the time at which the detector fires, a hold is cut off if d > timeout, or if d > action_delay and d > f; and
f < d holds for just those thresholds that lie below the highest score given before d. The latencies of a
policy add up to S(timeout) - S(action_delay) + n action_delay, S(x) being the sum of min(f, x) over the ends
of turn; f rises with the threshold in steps, wherever a score is higher than all before it.

All of it is counted by rank: that of a score is how many of the grid's thresholds lie below it, so it fires
for those. Counts by rank and by wait, summed along both, tell what happens under every threshold and wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...core.timeline import Floats, Ints
from .quality import diagnostics
from .spans import HOLD_LIMITS_S, TOLERANCE, Limits, Scores, counted_scores, fire_times

THRESHOLDS = tuple(k / 100 for k in range(101))
ACTION_DELAYS = tuple(k / 10 for k in range(2, 11))
TIMEOUTS = tuple(k / 2 for k in range(2, 8))
VAD_DELAYS = (*ACTION_DELAYS, *TIMEOUTS[1:])
FINE_VAD_DELAYS = tuple(k / 100 for k in range(20, 501))  # of eot-bench's published baseline (1600, 1000 ms)
CUTOFF_BUDGETS = (0.02, 0.05, 0.10)
LATENCY_BUDGETS = (0.3, 0.6)
FRONTIER_BUDGETS = tuple(k / 1000 for k in range(101))
ROUNDED = 9
"""Decimals within which figures are equal: sums in another order differ in the last bit."""
TIES = ("mean_latency", "false_cutoff_rate", "timeout_rate", "timeout", "action_delay", "threshold")


def outcomes(spans: pd.DataFrame, threshold: float, action_delay: float, timeout: float) -> pd.DataFrame:
    """What one policy does in each span: columns fire_s, cut_off, latency_s (NaN in holds) and timed_out."""
    (fire_s,) = fire_times(spans, [threshold])
    is_hold, duration_s = spans["is_hold"].to_numpy(np.bool_), spans["duration_s"].to_numpy(np.float64)
    act_s = np.maximum(action_delay, fire_s)
    cut_off = (duration_s > act_s + TOLERANCE) | (duration_s > timeout + TOLERANCE)
    in_time = act_s <= timeout + TOLERANCE
    frame = pd.DataFrame({"fire_s": fire_s, "cut_off": cut_off & is_hold}, index=spans.index)
    latency_s = np.where(is_hold, np.nan, np.where(in_time, act_s, timeout))
    return frame.assign(latency_s=latency_s, timed_out=~in_time & ~is_hold)


def score_grid(
    spans: pd.DataFrame | Scores,
    thresholds: Sequence[float] = THRESHOLDS,
    action_delays: Sequence[float] = ACTION_DELAYS,
    timeouts: Sequence[float] = TIMEOUTS,
    limits_s: Limits = HOLD_LIMITS_S,
) -> pd.DataFrame:
    """The figures of every policy of the grid, in the order of the arguments.

    Columns: threshold, action_delay, timeout, false_cutoff_rate, mean_latency (capped at the timeout),
    timeout_rate, n_holds, n_turns. What has no denominator is NaN.
    """
    scores = counted_scores(spans, limits_s)
    least, place = np.unique(np.array(thresholds, dtype=np.float64), return_inverse=True)
    waits_s = np.unique(np.array((*action_delays, *timeouts), dtype=np.float64))
    pairs = [(a, t) for a in action_delays for t in timeouts if t + TOLERANCE >= a]
    delay_s, timeout_s = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    delay, timeout = np.searchsorted(waits_s, delay_s), np.searchsorted(waits_s, timeout_s)

    beyond, fired = _cut(scores, least, waits_s)
    cut = beyond[timeout] + np.maximum(0, fired[:, delay] - fired[:, timeout])
    waited_s, late = _waited(scores, least, waits_s)
    latency_s = waited_s[:, timeout] + scores.n_turns * delay_s - waited_s[:, delay]
    sums = (cut[place].ravel(), latency_s[place].ravel(), late[place][:, timeout].ravel())
    columns = {
        "threshold": np.repeat(least[place], len(pairs)),
        "action_delay": np.tile(delay_s, len(place)),
        "timeout": np.tile(timeout_s, len(place)),
    }
    return _table(scores, columns, sums)


def vad_baseline(
    spans: pd.DataFrame | Scores, delays: Sequence[float] = VAD_DELAYS, limits_s: Limits = HOLD_LIMITS_S
) -> pd.DataFrame:
    """Silence alone, acting after each delay: the columns of `score_grid`, with threshold NaN."""
    scores, delay_s = counted_scores(spans, limits_s), np.array(delays, dtype=np.float64)
    cut = (scores.duration_s[scores.is_hold] > delay_s[:, None] + TOLERANCE).sum(axis=1)
    columns = {"threshold": np.full(len(delay_s), np.nan), "action_delay": delay_s, "timeout": delay_s}
    return _table(scores, columns, (cut, scores.n_turns * delay_s, np.zeros(len(delay_s))))


def operating_points(table: pd.DataFrame, most: Sequence[float] = CUTOFF_BUDGETS) -> pd.DataFrame:
    """The row of least latency within each budget of cutoffs, by budget; NaN where none is within it."""
    return _best(table, TIES, "false_cutoff_rate", most)


def fewest_cutoffs(table: pd.DataFrame, most: Sequence[float] = LATENCY_BUDGETS) -> pd.DataFrame:
    """The row of fewest cutoffs within each budget of mean latency (s), by budget; NaN where none is."""
    ties = ("false_cutoff_rate", "mean_latency", "-threshold", "action_delay", "timeout")
    return _best(table, ties, "mean_latency", most)


def summary(spans: pd.DataFrame | Scores) -> dict[str, Any]:
    """What eot-bench tells of one detector.

    `operating_points` at 2, 5 and 10 % cutoffs, `fewest_cutoffs` at 300 and 600 ms, each policy with its
    figures; `mean_frontier_latency_0_10`, the mean of the least latencies within 0, 0.1, … 10 % cutoffs;
    n_holds and n_turns, that they rest on; and `diagnostics`.
    """
    scores = counted_scores(spans)
    table = score_grid(scores)
    along = operating_points(table, (*FRONTIER_BUDGETS, *CUTOFF_BUDGETS))
    return {
        "operating_points": along.iloc[len(FRONTIER_BUDGETS) :].to_dict("index"),
        "fewest_cutoffs": fewest_cutoffs(table).to_dict("index"),
        "mean_frontier_latency_0_10": float(along["mean_latency"].iloc[: len(FRONTIER_BUDGETS)].mean()),
        "n_holds": scores.n_holds,
        "n_turns": scores.n_turns,
        **diagnostics(scores),
    }


def _table(scores: Scores, columns: dict[str, Floats], sums: tuple[Any, Any, Any]) -> pd.DataFrame:
    """Policies, and the sums over holds, turns and turns as shares of them."""
    n_holds, n_turns = scores.n_holds, scores.n_turns
    cut, latency_s, late = sums
    rates = {
        "false_cutoff_rate": cut / (n_holds or np.nan),
        "mean_latency": latency_s / (n_turns or np.nan),
        "timeout_rate": late / (n_turns or np.nan),
    }
    return pd.DataFrame({**columns, **rates, "n_holds": n_holds, "n_turns": n_turns}, copy=False)


def _best(table: pd.DataFrame, order: Sequence[str], held: str, most: Sequence[float]) -> pd.DataFrame:
    """For each budget of `held` the first row, in this order, that keeps it; a minus turns a column round."""
    columns = {str(name): column.to_numpy() for name, column in table.items()}
    known = ~np.isnan(columns["false_cutoff_rate"]) & ~np.isnan(columns["mean_latency"])
    rows = np.flatnonzero(known & (columns[held] <= max(most) + TOLERANCE))
    keys = [columns[name.lstrip("-")][rows].round(ROUNDED) for name in order]
    turned = [-key if name.startswith("-") else key for name, key in zip(order, keys, strict=True)]
    rows = rows[np.lexsort(turned[::-1])]
    keeps = columns[held][rows] <= np.array(most)[:, None] + TOLERANCE
    kept = np.concatenate((keeps, np.ones((len(most), 1), dtype=np.bool_)), axis=1)
    best = np.append(rows, -1)[kept.argmax(axis=1)]
    return table.reset_index(drop=True).reindex(best).set_axis(pd.Index(most, name="most"))


def _cut(scores: Scores, least: Floats, waits_s: Floats) -> tuple[Ints, Ints]:
    """How many holds last longer than each wait, and in how many of these the detector fires before they end.

    shape=(waits,) and (thresholds, waits).
    """
    in_time = scores.time_s + TOLERANCE < scores.duration_s[scores.of_span]
    highest = scores.highest_of(np.where(in_time, scores.p, -1.0))[scores.is_hold]
    rank, width = np.searchsorted(least, highest), len(waits_s) + 1
    outlasts = np.searchsorted(waits_s + TOLERANCE, scores.duration_s[scores.is_hold])
    shape = len(least) + 1, width
    counts = np.bincount(rank * width + outlasts, minlength=shape[0] * width).reshape(shape)
    longer = counts[:, ::-1].cumsum(axis=1)[:, -2::-1]
    return longer.sum(axis=0), longer[::-1].cumsum(axis=0)[-2::-1]


def _waited(scores: Scores, least: Floats, waits_s: Floats) -> tuple[Floats, Ints]:
    """Sum over turns of the time until the detector fires, at most each wait; and how many it comes late for.

    shape=(thresholds, waits), both.
    """
    of_span, time_s, before, rank = _steps(scores, least)
    width = len(waits_s) + 1
    wait = np.searchsorted(waits_s + TOLERANCE, time_s)

    def by_then(weights: Floats) -> Floats:
        """Sums over what has fired by each wait; a step fires for thresholds from the rank before on."""
        begun, ended = (
            np.bincount(row * width + wait, weights, minlength=(len(least) + 1) * width)
            for row in (before, rank)
        )
        fires = (begun - ended).reshape(-1, width).cumsum(axis=0)[:-1, :-1]
        total: Floats = fires.cumsum(axis=1)
        return total

    late = scores.n_turns - by_then(np.ones(len(of_span)))
    waited_s: Floats = by_then(time_s) + late * waits_s
    return waited_s, late.astype(np.int64)


def _steps(scores: Scores, least: Floats) -> tuple[Ints, Floats, Ints, Ints]:
    """Span, time, rank before and rank of the scores in turns that outrank all before; in order.

    There the fire time moves on.
    """
    first = np.diff(scores.of_span, prepend=-1) > 0
    rises = first | (np.diff(scores.p, prepend=-1.0) > 0)
    some = np.flatnonzero(rises & ~scores.is_hold[scores.of_span])
    of_span, rank = scores.of_span[some], np.searchsorted(least, scores.p[some])
    floor = of_span * (len(least) + 1)  # so that the ranks of a span exceed those of all spans before
    highest = np.maximum.accumulate(rank + floor) - floor
    before = np.where(first[some], 0, np.append(0, highest)[:-1])
    step = np.flatnonzero(highest > before)
    return of_span[step], scores.time_s[some[step]], before[step], rank[step]
