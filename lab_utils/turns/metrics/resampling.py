"""Percentiles, and differences between them, with their uncertainty by resampling whole recordings.

Goal: 95 % intervals of a latency, and of what one configuration saves over another, that treat the turns of
one recording (under all its draws of delays) as what they are: not independent.
Conventions: values of shape=(turns,) with NaN for "not answered"; `groups` says which recording each is of.
Definitions: a percentile of a resample is that of the pooled turns of the recordings drawn, interpolated as
numpy does. A saving at p95 is the difference of two percentiles over the same turns (those answered in both),
under the same draws; `mean` is that of the turns' own differences. Positive is faster.
With fewer than two recordings there are no intervals (NaN).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints

PERCENTILES = (50, 90, 95)
RESAMPLES = 1000


class Estimate(NamedTuple):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


NONE = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Resampling:
    """Which recordings each resample holds: the same for every figure, so that figures can be compared."""

    groups: Ints
    """Each turn's recording, 0 to `recordings` - 1; shape=(turns,)."""
    drawn: NDArray[np.int64]
    """How often each resample holds each recording, shape=(resamples, recordings)."""

    @classmethod
    def of(cls, recordings: NDArray[np.str_], seed: int = 0, resamples: int = RESAMPLES) -> Resampling:
        """`recordings`: the name of each turn's recording, shape=(turns,)."""
        names, groups = np.unique(recordings, return_inverse=True)
        n = len(names)
        draws = np.random.default_rng(seed).integers(n, size=(resamples, n)) if n else np.zeros((0, 0), int)
        drawn = np.apply_along_axis(np.bincount, 1, draws, minlength=n) if n > 1 else np.zeros((0, n), int)
        return cls(groups.astype(np.int64), drawn.astype(np.int64))

    def weights(self, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
        """How often each resample holds each chosen turn, shape=(resamples, chosen turns)."""
        return self.drawn[:, self.groups[chosen]]

    def percentile(self, values: Floats, q: float) -> Estimate:
        """A percentile of the finite values."""
        known = np.isfinite(values)
        if not known.any():
            return NONE
        resampled = weighted_percentile(values[known], self.weights(known), q)
        return _estimate(float(np.percentile(values[known], q)), resampled)

    def saved_at(self, before: Floats, after: Floats, q: float) -> Estimate:
        """The percentile of `before` minus that of `after`, over the turns that have a value in both.

        Positive: `after` is faster.
        """
        both = np.isfinite(before) & np.isfinite(after)
        if not both.any():
            return NONE
        weights = self.weights(both)
        sides = [
            (float(np.percentile(x[both], q)), weighted_percentile(x[both], weights, q))
            for x in (before, after)
        ]
        return _estimate(sides[0][0] - sides[1][0], sides[0][1] - sides[1][1])

    def saved_mean(self, before: Floats, after: Floats) -> Estimate:
        """The mean of the turns' own savings."""
        both = np.isfinite(before) & np.isfinite(after)
        if not both.any():
            return NONE
        difference, weights = before[both] - after[both], self.weights(both)
        with np.errstate(invalid="ignore"):
            resampled = weights @ difference / weights.sum(axis=1)
        return _estimate(float(difference.mean()), resampled)


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
    above = np.minimum(below + 1, np.maximum(total - 1, 0))
    low, high = (
        ordered[np.minimum((reached <= index[:, None]).sum(axis=1), len(ordered) - 1)]
        for index in (below, above)
    )
    return np.where(total > 0, low + (place - below) * (high - low), np.nan)


def _estimate(value: float, resampled: Floats) -> Estimate:
    known = resampled[np.isfinite(resampled)]
    if not len(known):
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(known, (2.5, 97.5)).tolist()
    return Estimate(value, low, high)
