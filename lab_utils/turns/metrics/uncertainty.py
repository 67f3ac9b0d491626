"""95 % intervals of rates, means and percentiles, with the recording as the unit.

Goal: intervals that hold for few recordings too. Pauses of one call are not independent, so what counts is
how the recordings differ. `make coverage` measures how often these intervals contain the truth.
Conventions: per recording a count or sum and what it is out of, means over takes (counts may be fractions);
seconds. The population is calls like these; a rate is that of all their holds or turns, pooled.
Methods:
- The variance of a pooled rate or mean comes from the recordings' residuals, each weighed by 1 / (1 - its
  share of the whole); quantiles are Student's t, with the degrees of freedom that recordings of unequal size
  leave (Bell & McCaffrey 2002, "Bias reduction in standard errors for linear regression with multi-stage
  samples"; Imbens & Kolesár 2016, "Robust standard errors in small samples"; turns of a call correlated
  by 0.1).
- A rate: Wilson's interval at the effective sample size, n / design effect (Kish 1965; Dean & Pagano 2015,
  "Evaluating confidence interval methods for binomial proportions in clustered surveys"; Franco et al. 2019,
  "Comparative study of confidence intervals for proportions in complex sample surveys"). It is never
  narrower than that of calls correlated by `LEAST_CORRELATION`: where hardly anything was cut, a call that is
  cut often may just not have been seen yet.
- A mean latency: t on the logarithm, by the delta method, since latencies are positive and skewed. A mean
  difference: t.
- A percentile: the values at which a score test of "a share q of the turns is faster" doesn't reject
  (Woodruff 1952, "Confidence intervals for medians and other position measures"; Francisco & Fuller 1991).
  A missed end of turn is slower than any other. A limit beyond the slowest turn seen can't be told: the
  interval is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core.timeline import Floats, Ints

CONFIDENCE = 0.95
LEAST_RECORDINGS = 3
"""With fewer the spread between recordings is a guess."""
WORKING_CORRELATION = 0.1
"""Between turns of one call, for the degrees of freedom only."""
LEAST_CORRELATION = 0.05
"""The least that is assumed between holds or turns of one call: 30 recordings can't show a smaller one."""
SHOWN_BY = 30
FURTHEST = 3.0
"""A limit of a held-out latency is left open if it lies further from the figure than this factor."""

_Z = 1.959963984540054
"""`scipy.special.ndtri(0.5 + CONFIDENCE / 2)`."""

Told = Literal["two-sided", "at least", "at most", "can't be told"]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval; a limit that can't be told from these recordings is None."""

    low: float | None
    high: float | None

    @property
    def told(self) -> Told:
        """Which limits there are."""
        if self.low is None:
            return "can't be told" if self.high is None else "at most"
        return "at least" if self.high is None else "two-sided"

    def __contains__(self, value: float) -> bool:
        return (self.low is None or self.low <= value) and (self.high is None or value <= self.high)


UNTOLD = Interval(None, None)


def rate_interval(count: Floats, n: Floats, extra: float = 0.0) -> Interval:
    """The interval of a pooled rate; `count`, `n`: shape=(recordings,), `count` out of `n` each.

    `extra`: variance that comes on top of how the recordings differ (`choice_variance`).

    >>> found = rate_interval(np.array([0.0, 3.0, 1.0, 0.5, 2.0]), np.array([20.0, 25.0, 10.0, 15.0, 30.0]))
    >>> f"{found.low:.3f} to {found.high:.3f}"
    '0.022 to 0.175'
    >>> found = rate_interval(np.zeros(8), np.full(8, 25.0))
    >>> f"{found.low:.3f} to {found.high:.3f}"
    '0.000 to 0.041'
    >>> rate_interval(np.array([1.0, 2.0]), np.array([20.0, 20.0])).told
    "can't be told"
    """
    used = n > 0
    count, n = count[used], n[used]
    if len(n) < LEAST_RECORDINGS:
        return UNTOLD
    total, rate = n.sum(), count.sum() / n.sum()
    within = rate * (1 - rate)
    effect = total * _variance(count, n) / within if 0 < rate < 1 else 1.0
    assumed = 1 + LEAST_CORRELATION * min(1.0, SHOWN_BY / len(n)) * ((n**2).sum() / total - 1)
    t = _quantile(n)
    k = max(t**2 * effect, _Z**2 * assumed) / total
    middle, half = (rate + k / 2) / (1 + k), np.sqrt(within * k + k**2 / 4) / (1 + k)
    half = np.sqrt(half**2 + t**2 * extra)
    low = 0.0 if rate == 0 else max(0.0, middle - half)
    return Interval(float(low), float(1.0 if rate == 1 else min(1.0, middle + half)))


def mean_interval(total: Floats, n: Floats, extra: float = 0.0) -> Interval:
    """The interval of a pooled mean of positive values; `total`: their sum in each recording, `n`: how many.

    Both of shape=(recordings,). `extra`: variance of the logarithm that comes on top.

    >>> found = mean_interval(np.array([8.0, 12.0, 5.0, 9.0]), np.array([10.0, 12.0, 8.0, 9.0]))
    >>> f"{found.low:.3f} to {found.high:.3f}"
    '0.636 to 1.196'
    """
    used = n > 0
    total, n = total[used], n[used]
    if len(n) < LEAST_RECORDINGS or total.sum() <= 0:
        return UNTOLD
    mean = float(total.sum() / n.sum())
    factor = np.exp(_quantile(n) * np.sqrt(_variance(total, n)) / mean)
    found = Interval(float(mean / factor), float(mean * factor))
    return _widened(found, mean, _quantile(n) ** 2 * extra) if extra else found


def difference_interval(total: Floats, n: Floats) -> Interval:
    """The interval of a pooled mean of values of either sign, such as differences; else as `mean_interval`.

    >>> found = difference_interval(np.array([-1.0, 2.0, 1.0, 0.5]), np.array([10.0, 12.0, 8.0, 9.0]))
    >>> f"{found.low:.3f} to {found.high:.3f}"
    '-0.144 to 0.272'
    """
    return difference_test(total, n)[0]


def difference_test(total: Floats, n: Floats, extra: float = 0.0) -> tuple[Interval, float]:
    """`difference_interval`, and the probability of so large a difference if there is none (two-sided t).

    `extra`: variance that comes on top of how the recordings differ. The probability is NaN where nothing can
    be told.

    >>> found, p = difference_test(np.array([-1.0, 2.0, 1.0, 0.5]), np.array([10.0, 12.0, 8.0, 9.0]))
    >>> f"{found.low:.3f} to {found.high:.3f}", round(p, 3)
    ('-0.144 to 0.272', 0.39)
    """
    used = n > 0
    total, n = total[used], n[used]
    if len(n) < LEAST_RECORDINGS or not np.isfinite(extra):
        return UNTOLD, np.nan
    from scipy import special  # takes a fifth of a second, and one recording has no intervals

    mean, error = float(total.sum() / n.sum()), float(np.sqrt(_variance(total, n) + extra))
    half = _quantile(n) * error
    if error > 0:
        p = float(2 * special.stdtr(degrees_of_freedom(n), -abs(mean) / error))
    else:
        p = 1.0 if mean == 0 else 0.0
    return Interval(mean - half, mean + half), p


def percentile_interval(
    values: Sequence[Floats], weight: Sequence[float], q: float, extra: float = 0.0
) -> Interval:
    """The interval of a percentile of pooled values.

    `values[r]`: recording r's, infinity for a missed end of turn; `weight[r]`: what one of its values counts
    (1 / takes); `q` from 0 to 100; `extra`: variance of the logarithm that comes on top.

    >>> turns = [np.array([0.5, 0.6, 0.8, 1.9]) + k / 64 for k in range(9)]
    >>> percentile_interval(turns, [1.0] * 9, 50)
    Interval(low=0.63125, high=0.89375)
    >>> percentile_interval(turns, [1.0] * 9, 95).told
    'at least'
    """
    used = [r for r, one in enumerate(values) if len(one)]
    if len(used) < LEAST_RECORDINGS:
        return UNTOLD
    every = np.concatenate([values[r] for r in used])
    sizes = np.array([len(values[r]) for r in used])
    weight_of = np.array([weight[r] for r in used], dtype=np.float64)
    order = np.argsort(every, kind="stable")
    of = np.repeat(np.arange(len(used)), sizes)[order]
    ordered = every[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    slowest, n, wanted = ordered[last], sizes * weight_of, q / 100
    faster = np.cumsum(weight_of[of])[last]
    share = faster / n.sum()
    share[-1] = 1.0
    with np.errstate(invalid="ignore", divide="ignore"):
        effect = n.sum() * _growing_variance(of, weight_of, n)[last] / (share * (1 - share))
    effect = np.maximum(1.0, np.nan_to_num(effect, nan=1.0, posinf=1.0))
    margin = _quantile(n) * np.sqrt(effect * wanted * (1 - wanted) / n.sum())
    below = np.append(0.0, share[:-1])
    margin_below = np.append(margin[0], margin[:-1])
    first = int(np.argmax(share >= wanted - margin))
    latest = int(np.flatnonzero(below <= wanted + margin_below)[-1])
    low = None if wanted - margin[first] <= 0 else float(slowest[first])
    open_above = 1 - wanted <= margin[-1] or np.isinf(slowest[latest])
    found = Interval(
        low if low is None or np.isfinite(low) else None, None if open_above else float(slowest[latest])
    )
    middle = float(slowest[np.argmax(share >= wanted - 1e-12)])
    return _widened(found, middle, _quantile(n) ** 2 * extra) if extra else found


def _widened(interval: Interval, middle: float, squared: float) -> Interval:
    """An interval of positive values, made wider by the variance `squared` of the logarithm.

    A limit further away than `FURTHEST` says nothing and is left open.
    """
    if not np.isfinite([middle, squared]).all():
        return UNTOLD
    low, high = (
        None if limit is None else float(np.sqrt(np.log(limit / middle) ** 2 + squared))
        for limit in (interval.low, interval.high)
    )
    furthest = np.log(FURTHEST)
    return Interval(
        None if low is None or low > furthest else float(middle * np.exp(-low)),
        None if high is None or high > furthest else float(middle * np.exp(high)),
    )


def _variance(total: Floats, n: Floats) -> Floats:
    """The variance of pooled ratios, `total.sum(-1) / n.sum()`; `total`: shape=(..., recordings)."""
    share = n / n.sum()
    residual = total - total.sum(axis=-1, keepdims=True) * share
    return np.asarray((residual**2 / (1 - share)).sum(axis=-1) / n.sum() ** 2)


def _growing_variance(of: Ints, weight: Floats, n: Floats) -> Floats:
    """`_variance` of what has been counted, after each of some cases in order; shape=(cases,).

    `of`: the recording of each case, which counts its `weight`; both by place in `n`. The squares are written
    out, so that it takes as long as the cases, not cases times recordings.
    """
    share = n / n.sum()
    scale = 1 / (1 - share)
    by_recording = np.argsort(of, kind="stable")
    first = np.cumsum(np.bincount(of, minlength=len(n))) - np.bincount(of, minlength=len(n))
    before = np.empty(len(of))
    before[by_recording] = np.arange(len(of)) - first[of[by_recording]]
    own = weight[of]
    squares = np.cumsum(scale[of] * own**2 * (2 * before + 1))
    mixed, total = np.cumsum((scale * share)[of] * own), np.cumsum(own)
    return np.asarray((squares - 2 * total * mixed + total**2 * (scale * share**2).sum()) / n.sum() ** 2)


def _quantile(n: Floats) -> float:
    """Student's for recordings of sizes `n`."""
    from scipy import special

    return float(special.stdtrit(degrees_of_freedom(n), 0.5 + CONFIDENCE / 2))


def degrees_of_freedom(n: Floats) -> float:
    """What the variance of a pooled ratio rests on: recordings less one if all are of one size, else less.

    Bell & McCaffrey's, for turns of one recording that are correlated by `WORKING_CORRELATION`.

    >>> round(degrees_of_freedom(np.full(12, 20.0)), 6)
    11.0
    >>> round(degrees_of_freedom(np.array([100.0, 5.0, 5.0, 5.0, 5.0])), 2)
    1.14
    """
    share = n / n.sum()
    spread = n * (1 - WORKING_CORRELATION) + n**2 * WORKING_CORRELATION
    # Of the matrix diag(spread) - share spread' - spread share' + sum(spread) share share', whose rows and
    # columns are scaled by sqrt(scale): its trace, and the sum of its squares, without making it. Only the
    # row of the largest recording is made: where it outweighs the others, no digit of the sums would be left.
    scale, every, largest = 1 / (1 - share), spread.sum(), int(np.argmax(n))
    row = share[largest] * (every * share - spread) - share * spread[largest]
    row[largest] += spread[largest]
    row *= np.sqrt(scale[largest] * scale)
    share, spread, scale = (np.delete(one, largest) for one in (share, spread, scale))
    outer = every * share**2 - 2 * share * spread
    diagonal = scale * (spread + outer)
    of_shares, mixed, of_spreads = ((scale * one).sum() for one in (share**2, share * spread, spread**2))
    squares = (
        2 * of_shares * of_spreads + 2 * mixed**2 - 4 * every * of_shares * mixed + (every * of_shares) ** 2
    )
    squares += (diagonal**2 - (scale * outer) ** 2).sum() + 2 * (row**2).sum() - row[largest] ** 2
    return float((diagonal.sum() + row[largest]) ** 2 / squares)
