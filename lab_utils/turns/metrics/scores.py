"""Names of rates and latencies, percentiles, and the frontier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints

PERCENTILES = (50, 90, 95)
LATENCIES = ("latency_mean", *(f"latency_p{q}" for q in PERCENTILES))
RATES = ("false_boundary_rate", "false_boundary_rate_per_turn", "timeout_rate", "missed_rate")


def percentile(ordered: Floats, q: float) -> Floats:
    """Percentile of each row of sorted values, some perhaps infinite; shape=(rows,), NaN without values.

    Interpolated between neighbours as numpy does by default; infinite as soon as an infinite one counts.

    >>> percentile(np.array([[0.5, 0.7, 0.9, np.inf]]), 50).round(3).tolist()
    [0.8]
    >>> percentile(np.array([[0.5, 0.7, 0.9, np.inf]]), 95).tolist()
    [inf]
    """
    n = ordered.shape[1]
    if not n:
        return np.full(len(ordered), np.nan)
    below = rank_below(n, q)
    return interpolated(n, q, ordered[:, below], ordered[:, min(below + 1, n - 1)])


def rank_below(n: int, q: float) -> int:
    """The rank, from 0, of the last of `n` values that a percentile isn't below.

    >>> rank_below(5, 50), rank_below(4, 95)
    (2, 2)
    """
    return int((n - 1) * (q / 100))


def interpolated(n: int, q: float, low: Floats, high: Floats) -> Floats:
    """A percentile of `n` values from the one at `rank_below` and the next.

    >>> interpolated(4, 50, np.array([1.0]), np.array([3.0])).tolist()
    [2.0]
    """
    share = (n - 1) * (q / 100) - rank_below(n, q)
    if share == 0:
        return low.copy()
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(high), np.inf, low + share * (high - low))


_COARSE, _FINE = 2.0**26, 2.0**31


def exact_parts(values: Floats) -> tuple[Floats, Floats]:
    """Finite values in two parts, of which sums are exact in any order, up to two million values of a minute.

    A value is a whole number of 2**-26 and one of 2**-57, which is as fine as values from 1/32 are.

    >>> coarse, fine = exact_parts(np.array([0.1, 0.2, 0.3]))
    >>> float(joined_parts(coarse.sum(), fine.sum()))
    0.6
    """
    scaled = values * _COARSE
    coarse = np.rint(scaled)
    return coarse, np.rint((scaled - coarse) * _FINE)


def joined_parts(coarse: Floats, fine: Floats) -> Floats:
    """What sums of `exact_parts` are together, rounded once.

    >>> float(joined_parts(*exact_parts(np.array(0.7))))
    0.7
    """
    return np.asarray((coarse + fine / _FINE) / _COARSE)


def weighted_percentile(values: Floats, weights: NDArray[np.int64], q: float) -> Floats:
    """`np.percentile(np.repeat(values, row), q)` for each row of `weights`; NaN for a row of zeros.

    `values`: shape=(n,), finite; `weights`: shape=(rows, n). Returns shape=(rows,).

    >>> weighted_percentile(np.array([1.0, 2.0, 9.0]), np.array([[1, 1, 1], [0, 3, 1]]), 50).tolist()
    [2.0, 2.0]
    """
    order = np.argsort(values, kind="stable")
    ordered, reached = values[order], np.cumsum(weights[:, order], axis=1)
    total = reached[:, -1]
    place = np.maximum(total - 1, 0) * (q / 100)
    below = np.floor(place)
    above = below + 1
    low, high = (
        ordered[np.minimum((reached <= index[:, None]).sum(axis=1), len(ordered) - 1)]
        for index in (below, above)
    )
    return np.where(total > 0, low + (place - below) * (high - low), np.nan)


def pareto_frontier(rate: Floats, latency_s: Floats) -> Ints:
    """Rows that no other row beats: ascending rate, strictly descending latency.

    Rows with a NaN are left out; of equal rows the first is taken.

    >>> pareto_frontier(np.array([0.2, 0.1, 0.2, 0.1]), np.array([0.5, 0.9, 0.6, 1.0])).tolist()
    [1, 0]
    """
    usable = np.flatnonzero(np.isfinite(rate) & np.isfinite(latency_s))
    order = usable[np.lexsort((usable, latency_s[usable], rate[usable]))]
    best_before = np.minimum.accumulate(np.append(np.inf, latency_s[order]))[:-1]
    return order[latency_s[order] < best_before]


def hypervolume(
    rate: Floats, latency_s: Floats, worst_rate: float = 1.0, worst_latency_s: float = 5.0
) -> float:
    """Area, in s, of the pairs of rate and latency that beat a reference and are beaten by some setting.

    The usual measure of a whole Pareto frontier; a larger one is better. Rows with a NaN, or beyond the
    reference point, count for nothing.

    >>> hypervolume(np.array([0.0, 0.5]), np.array([2.0, 1.0]))
    3.5
    """
    best = pareto_frontier(rate, latency_s)
    best = best[(rate[best] < worst_rate) & (latency_s[best] < worst_latency_s)]
    width = np.diff(np.append(rate[best], worst_rate))
    return float(np.sum(width * (worst_latency_s - latency_s[best])))
