"""Figures of one setting, each with its 95 % interval and what it rests on.

Goal: one table for the command line, profiles, plots and widgets. Conventions and definitions as in
`turns.metrics`; intervals as in `uncertainty`, by recording.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ...core.timeline import Floats
from .per_recording import PerRecording
from .scores import PERCENTILES, RATES, percentile
from .uncertainty import UNTOLD, Interval, mean_interval, percentile_interval, rate_interval

COLUMNS = ("value", "low", "high", "told", "n")
BOUNDS = {
    "false_boundary_rate_at_most": "false_boundary_rate",
    "false_boundary_rate_per_turn_at_most": "false_boundary_rate_per_turn",
}
"""Upper bounds, were every pause cut that the recorded agent cut off, and what they are bounds of."""


def figures(recordings: Sequence[PerRecording], extra: Mapping[str, float] | None = None) -> pd.DataFrame:
    """What one setting did on some recordings: a frame indexed by metric, of columns `COLUMNS`.

    `low`, `high`: the 95 % interval, NaN for a limit that can't be told; `told` says which can (`Told`). `n`:
    holds (scored, or cut off by the recorded agent), user turns, or for the mean latency committed turns. A
    value without a case is NaN; a percentile that falls among missed ends of turn is infinite. `extra`: by
    figure, variance that comes on top of how the recordings differ (`turns.held_out.choice_variance`).
    Without an interval: the longest wait, coin flips, and commits in no label (a take's mean, over `n`
    recordings).

    >>> calls = [
    ...     PerRecording(
    ...         holds=20,
    ...         holds_cut=k,
    ...         holds_cut_at_most=k,
    ...         turns=10,
    ...         turns_cut=k,
    ...         turns_cut_at_most=k,
    ...         timeouts=0,
    ...         missed=0,
    ...         in_no_label=0,
    ...         latency_s=np.full((1, 10), 0.6),
    ...     )
    ...     for k in (0.0, 1.0, 4.0)
    ... ]
    >>> table = figures(calls)
    >>> print(table.loc[["false_boundary_rate", "latency_p95"], ["value", "told", "n"]])
                            value       told   n
    false_boundary_rate  0.083333  two-sided  60
    latency_p95          0.600000   at least  30
    """
    on_top = defaultdict(float, extra or {})
    holds, turns = (_column(recordings, name) for name in ("holds", "turns"))
    counts = dict(zip(RATES, ("holds_cut", "turns_cut", "timeouts", "missed"), strict=True))
    rows: dict[str, tuple[float, Interval, int]] = {}
    for name, count in counts.items():
        of = holds if count == "holds_cut" else turns
        hit = _column(recordings, count)
        rows[name] = (_ratio(hit.sum(), of.sum()), rate_interval(hit, of, on_top[name]), round(of.sum()))
    rows |= _latencies(recordings, turns, on_top)
    rows |= _others(recordings, holds, turns)
    return pd.DataFrame(
        [
            (value, _limit(interval.low), _limit(interval.high), interval.told, n)
            for value, interval, n in rows.values()
        ],
        index=list(rows),
        columns=list(COLUMNS),
    )


def _latencies(
    recordings: Sequence[PerRecording], turns: Floats, on_top: Mapping[str, float]
) -> dict[str, tuple[float, Interval, int]]:
    """Mean and percentiles of the latency."""
    rows: dict[str, tuple[float, Interval, int]] = {}
    latency_s = [one.latency_s.ravel() for one in recordings]
    weight = [1 / max(1, one.takes) for one in recordings]
    committed = turns - _column(recordings, "missed")
    total = np.array(
        [w * s[np.isfinite(s)].sum() for s, w in zip(latency_s, weight, strict=True)], dtype=np.float64
    )
    mean = _ratio(total.sum(), committed.sum())
    mean_within = mean_interval(total, committed, on_top["latency_mean"])
    rows["latency_mean"] = (mean, mean_within, round(committed.sum()))
    pooled = np.sort(np.concatenate([np.zeros(0), *latency_s]))
    for q in PERCENTILES:
        value = float(percentile(pooled[None, :], q)[0])
        on_share = on_top[f"latency_p{q}"]
        interval = percentile_interval(latency_s, weight, q, on_share) if len(pooled) else UNTOLD
        rows[f"latency_p{q}"] = (value, interval, round(turns.sum()))
    return rows


def _others(
    recordings: Sequence[PerRecording], holds: Floats, turns: Floats
) -> dict[str, tuple[float, Interval, int]]:
    """Bounds of the rates, and figures without an interval."""
    rows: dict[str, tuple[float, Interval, int]] = {}
    counts = ("holds_cut_at_most", "turns_cut_at_most")
    for name, count, of in zip(BOUNDS, counts, (holds, turns), strict=True):
        hit = _column(recordings, count)
        rows[name] = (_ratio(hit.sum(), of.sum()), rate_interval(hit, of), round(of.sum()))
    longest_s = max((one.latency_s.max() for one in recordings if one.latency_s.size), default=np.nan)
    flipped = _column(recordings, "flipped").sum()
    n_holds, n_turns = round(holds.sum()), round(turns.sum())
    rows["longest_wait"] = (float(longest_s), UNTOLD, n_turns)
    rows["coin_flips"] = (_ratio(flipped, n_holds), UNTOLD, n_holds)
    in_no_label = float(_column(recordings, "in_no_label").sum())
    rows["commits_in_no_label"] = (in_no_label, UNTOLD, len(recordings))
    return rows


def _column(recordings: Sequence[PerRecording], name: str) -> Floats:
    return np.array([getattr(one, name) for one in recordings], dtype=np.float64)


def _ratio(count: float, n: float) -> float:
    return float(count / n) if n > 0 else np.nan


def _limit(limit: float | None) -> float:
    return np.nan if limit is None else limit
