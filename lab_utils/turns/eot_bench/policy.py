"""What eot-bench's policies do: threshold × action delay × timeout, all of a grid at once.

A grid is scored from counts, without acting out each policy in each span. With d the duration of a hold and f
the time at which the detector fires, a hold is cut off if d > timeout, or if d > action_delay and d > f; and
f < d holds for just those thresholds that lie below the highest score given before d. The latencies of a
policy add up to S(timeout) - S(action_delay) + n action_delay, S(x) being the sum of min(f, x) over the ends
of turn; f rises with the threshold in steps, wherever a score is higher than all before it.
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
    least = np.array(thresholds, dtype=np.float64)
    waits_s = np.unique(np.array((*action_delays, *timeouts), dtype=np.float64))
    pairs = [(a, t) for a in action_delays for t in timeouts if t + TOLERANCE >= a]
    delay_s, timeout_s = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    delay, timeout = np.searchsorted(waits_s, delay_s), np.searchsorted(waits_s, timeout_s)

    beyond = scores.duration_s[scores.is_hold] > waits_s[:, None] + TOLERANCE
    in_time = scores.time_s + TOLERANCE < scores.duration_s[scores.of_span]
    fires = scores.highest_where(in_time)[scores.is_hold] > least[:, None]
    fired = fires.astype(np.float64) @ beyond.T.astype(np.float64)
    cut = beyond.sum(axis=1)[timeout] + np.maximum(0, fired[:, delay] - fired[:, timeout])
    waited_s = _waited(scores, least, waits_s)
    latency_s = waited_s[:, timeout] + scores.n_turns * delay_s - waited_s[:, delay]
    late = _late(scores, least, waits_s)[:, timeout]
    columns = {
        "threshold": np.repeat(least, len(pairs)),
        "action_delay": np.tile(delay_s, len(least)),
        "timeout": np.tile(timeout_s, len(least)),
    }
    return _table(scores, columns, (cut.ravel(), latency_s.ravel(), late.ravel()))


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
    return pd.DataFrame({**columns, **rates, "n_holds": n_holds, "n_turns": n_turns})


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


def _late(scores: Scores, least: Floats, waits_s: Floats) -> Ints:
    """In how many turns the detector has not fired after each wait; shape=(thresholds, waits)."""
    highest = np.full((len(waits_s) + 1, len(scores.is_hold)), -1.0)
    wait = np.searchsorted(waits_s + TOLERANCE, scores.time_s)
    np.maximum.at(highest, (wait, scores.of_span), scores.p)
    by_then = np.sort(np.maximum.accumulate(highest[:-1], axis=0)[:, ~scores.is_hold], axis=1)
    return np.stack([np.searchsorted(one, least, side="right") for one in by_then], axis=1)


def _waited(scores: Scores, least: Floats, waits_s: Floats) -> Floats:
    """Sum over turns of the time until the detector fires, at most each wait; shape=(thresholds, waits)."""
    of_span, time_s, p = _steps(scores)
    first = np.diff(of_span, prepend=-1) > 0
    last = np.append(first[1:], True)[: len(first)]
    next_s = np.where(last, np.inf, np.append(time_s[1:], np.inf)[: len(time_s)])
    never = scores.n_turns - int(first.sum())
    least_s = np.minimum(time_s[first, None], waits_s).sum(axis=0) + never * waits_s
    longer_s = np.minimum(next_s[:, None], waits_s) - np.minimum(time_s[:, None], waits_s)
    by_p = np.argsort(p, kind="stable")
    more_s = np.concatenate((np.zeros((1, len(waits_s))), longer_s[by_p].cumsum(axis=0)))
    waited_s: Floats = least_s + more_s[np.searchsorted(p[by_p], least, side="right")]
    return waited_s


def _steps(scores: Scores) -> tuple[Ints, Floats, Floats]:
    """Span, time and p of the scores in turns that are higher than all before: there the fire time moves on.

    By span, then by time.
    """
    of_turn = np.flatnonzero(~scores.is_hold[scores.of_span])
    keys = (-scores.p, scores.time_s, scores.of_span)
    order = of_turn[np.lexsort([key[of_turn] for key in keys])]
    of_span, p = scores.of_span[order], scores.p[order]
    before = pd.Series(p).groupby(of_span).cummax().shift(fill_value=-1.0).to_numpy()
    step = (p > before) | (np.diff(of_span, prepend=-1) > 0)
    return of_span[step], scores.time_s[order][step], p[step]
