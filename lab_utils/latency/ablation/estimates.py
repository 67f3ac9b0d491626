"""Percentiles of latency, and what one configuration saves over another, with 95 % intervals.

Conventions: values have shape=(turns,), NaN for "not answered". Intervals are by recording, since the turns
of one recording (with all its sets of random delays) are not independent. A limit that can't be computed from
these recordings is NaN.
Definitions: a saving at p95 is the difference of two percentiles over the same turns (those answered in both
configurations); `saved_mean` is the mean over turns of each turn's difference. Positive is faster.
Methods: percentiles of one configuration get their intervals as all other figures (`metrics.uncertainty`).
There is no such formula for a difference of percentiles: its interval is a bootstrap over whole recordings,
with the same resamples for both configurations. The fewer recordings there are, the more extreme percentiles
of the resampled differences bound the interval (the expanded percentile interval of Hesterberg 2015, "What
teachers should know about the bootstrap"). Only turns at least as slow as the percentile count here, since
the percentile depends on these. The interval is given if both percentiles have both limits, and with at least
`LEAST_FOR_SAVINGS` recordings: with fewer it contains the true value too seldom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...turns.metrics import weighted_percentile
from ...turns.metrics.uncertainty import (
    CONFIDENCE,
    UNTOLD,
    Interval,
    degrees_of_freedom,
    difference_interval,
    percentile_interval,
)

PERCENTILES = (50, 90, 95)
RESAMPLES = 1000
LEAST_FOR_SAVINGS = 5
"""Least number of recordings for an interval of a saving; measured, see docs/intervals.md."""


class Estimate(NamedTuple):
    """A figure with its 95 % interval; a limit that can't be computed is NaN."""

    value: float
    low: float
    high: float


NONE = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Estimator:
    """Estimates over the turns of some recordings. All use the same resamples, to be comparable."""

    groups: Ints
    """The number of each turn's recording, 0 to `recordings` - 1; shape=(turns,)."""
    drawn: NDArray[np.int64]
    """How often each resample contains each recording, shape=(resamples, recordings)."""

    @classmethod
    def of(cls, recordings: NDArray[np.str_], seed: int = 0, resamples: int = RESAMPLES) -> Estimator:
        """`recordings`: the name of each turn's recording, shape=(turns,)."""
        names, groups = np.unique(recordings, return_inverse=True)
        n = len(names)
        draws = np.random.default_rng(seed).integers(n, size=(resamples, n)) if n else np.zeros((0, 0), int)
        drawn = np.apply_along_axis(np.bincount, 1, draws, minlength=n) if n > 1 else np.zeros((0, n), int)
        return cls(groups.astype(np.int64), drawn.astype(np.int64))

    def percentile(self, values: Floats, q: float) -> Estimate:
        """A percentile of the finite values."""
        known = np.isfinite(values)
        if not known.any():
            return NONE
        each = [values[known & (self.groups == group)] for group in range(self.drawn.shape[1])]
        interval = percentile_interval(each, [1.0] * len(each), q)
        return told(float(np.percentile(values[known], q)), interval)

    def saved_at(self, before: Floats, after: Floats, q: float) -> Estimate:
        """Percentile `q` of `before` minus percentile `q` of `after`, over the turns with a value in both."""
        both = np.isfinite(before) & np.isfinite(after)
        if not both.any():
            return NONE
        sides = [np.where(both, one, np.nan) for one in (before, after)]
        levels = [self.percentile(one, q) for one in sides]
        value = levels[0].value - levels[1].value
        slow = np.any([one >= level.value for one, level in zip(sides, levels, strict=True)], axis=0)
        n = np.bincount(self.groups[slow]).astype(np.float64)
        n = n[n > 0]
        if (
            len(np.unique(self.groups[both])) < LEAST_FOR_SAVINGS
            or len(n) < 2
            or not np.isfinite(levels).all()
        ):
            return told(value, UNTOLD)
        weights = self.drawn[:, self.groups[both]]
        resampled = [weighted_percentile(one[both], weights, q) for one in sides]
        low, high = np.nanpercentile(resampled[0] - resampled[1], expanded_percentiles(n)).tolist()
        return Estimate(value, low, high)

    def saved_mean(self, before: Floats, after: Floats) -> Estimate:
        """The mean of `before` - `after`, over the turns with a value in both."""
        both = np.isfinite(before) & np.isfinite(after)
        if not both.any():
            return NONE
        difference, groups = before[both] - after[both], self.groups[both]
        total = np.bincount(groups, difference).astype(np.float64)
        n = np.bincount(groups).astype(np.float64)
        interval = difference_interval(total, n)
        return told(float(difference.mean()), interval)


def expanded_percentiles(n: Floats) -> tuple[float, float]:
    """The percentiles of the resamples that bound a 95 % interval; `n`: turns of each recording.

    >>> low, high = expanded_percentiles(np.full(12, 20.0))
    >>> f"{low:.2f} to {high:.2f}"
    '1.08 to 98.92'
    """
    from scipy import special  # takes a fifth of a second

    t = special.stdtrit(degrees_of_freedom(n), 0.5 + CONFIDENCE / 2)
    outside = 100 * float(special.ndtr(-t * np.sqrt(len(n) / (len(n) - 1))))
    return outside, 100 - outside


def told(value: float, interval: Interval) -> Estimate:
    """A figure with an interval of `metrics.uncertainty`.

    >>> told(0.5, UNTOLD)
    Estimate(value=0.5, low=nan, high=nan)
    """
    low, high = (np.nan if limit is None else limit for limit in (interval.low, interval.high))
    return Estimate(value, low, high)
