"""Paired differences between detectors at operating points, corrected for being many.

Goal: tell a better detector from a lucky one.
Conventions: seconds, rates as fractions; a difference is the second detector less the first. The unit is the
recording: both met the same calls and takes, so what counts is how the recordings' differences differ.
Definitions: the mean latency over the ends of turn that both answer, in a take each; the rate of false
boundaries per hold (`metrics.changes`). What the choosing of settings adds to the variance of either
(`choice_variance`) is added, as if the two were independent, which errs on the wide side. p is two-sided by
Student's t; `p_holm` is adjusted for all comparisons of the table by Holm's step-down procedure (Holm 1979,
"A simple sequentially rejective multiple test procedure"), and tells what is beyond chance. Intervals
are 95 % each, not adjusted.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd

from ...core.timeline import Floats
from ..metrics.per_recording import PerRecording
from ..metrics.uncertainty import difference_test
from .points import Point, Reached

ALPHA = 0.05
COLUMNS = (
    "point", "metric", "first", "second", "first_value", "second_value", "difference", "low", "high", "p",
    "p_holm", "verdict",
)  # fmt: skip
Verdict = Literal["first is better", "second is better", "can't be told apart", "not compared"]


def holm(p: Floats) -> Floats:
    """p values adjusted for being many, shape=(n,); NaN stays NaN and doesn't count.

    >>> holm(np.array([0.01, 0.04, 0.03, np.nan])).round(3).tolist()
    [0.03, 0.06, 0.06, nan]
    """
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted


def differences(reached: Sequence[Reached]) -> pd.DataFrame:
    """Every pair of detectors at every point (`COLUMNS`), in the order given.

    A pair of which one does not get there is not compared: it keeps another budget.
    """
    rows = []
    for point in dict.fromkeys(one.point for one in reached):
        for first, second in combinations([one for one in reached if one.point == point], 2):
            rows.append(_row(point, first, second))
    frame = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("p_holm", "verdict")])
    frame["p_holm"] = holm(frame["p"].to_numpy(np.float64))
    frame["verdict"] = [
        _verdict(difference, p) for difference, p in zip(frame["difference"], frame["p_holm"], strict=True)
    ]
    return frame[list(COLUMNS)]


def _row(point: Point, first: Reached, second: Reached) -> dict[str, object]:
    names: dict[str, object] = {
        "point": point.name,
        "metric": point.metric,
        "first": first.detector,
        "second": second.detector,
    }
    if not (first.gets_there and second.gets_there):
        return names
    totals, n = _parts(first.taken, second.taken, point.metric)
    if not n.sum():
        return names
    values = totals.sum(axis=1) / n.sum()
    extra = sum(_extra(one, point.metric) for one in (first, second))
    interval, p = difference_test(totals[1] - totals[0], n, extra)
    return names | {
        "first_value": values[0],
        "second_value": values[1],
        "difference": values[1] - values[0],
        "low": np.nan if interval.low is None else interval.low,
        "high": np.nan if interval.high is None else interval.high,
        "p": p,
    }


def _parts(
    first: Sequence[PerRecording], second: Sequence[PerRecording], metric: str
) -> tuple[Floats, Floats]:
    """Sums of both detectors, shape=(2, recordings), and what they are out of, shape=(recordings,)."""
    if metric == "false_boundary_rate":
        counts = [[one.holds_cut for one in of] for of in (first, second)]
        return np.array(counts, dtype=np.float64), np.array([one.holds for one in first], dtype=np.float64)
    totals, n = np.zeros((2, len(first))), np.zeros(len(first))
    for k, pair in enumerate(zip(first, second, strict=True)):
        both = np.isfinite(pair[0].latency_s) & np.isfinite(pair[1].latency_s)
        totals[:, k] = [one.latency_s[both].sum() / max(1, one.takes) for one in pair]
        n[k] = both.sum() / max(1, pair[0].takes)
    return totals, n


def _extra(one: Reached, metric: str) -> float:
    """The variance that choosing adds; of a latency it is known of the logarithm."""
    extra = one.extra.get(metric, 0.0)
    return extra if metric == "false_boundary_rate" else extra * one.value**2


def _verdict(difference: float, p_holm: float) -> Verdict:
    if np.isnan(difference):
        return "not compared"
    if not p_holm < ALPHA:
        return "can't be told apart"
    return "first is better" if difference > 0 else "second is better"
