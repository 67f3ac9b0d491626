"""What changes from one setting to another on the same recordings, with paired 95 % intervals.

Goal: tell a change from chance. Both settings met the same pauses, so what counts is how the recordings'
differences differ (`uncertainty.difference_interval`), which is far less than how the recordings do.
Conventions: seconds, rates as fractions; a difference is after less before.
Definitions: the rate of false boundaries per hold; the mean latency over the ends of turn that both settings
answer, in a take each; the share of missed ends of turn. p95 has no such interval: it is given as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...core.timeline import Floats
from .per_recording import PerRecording
from .scores import percentile
from .uncertainty import UNTOLD, Interval, difference_interval

Verdict = Literal["unchanged", "within chance", "beyond chance", "can't be told"]


@dataclass(frozen=True)
class Difference:
    """A figure before and after; NaN where there is no case."""

    before: float
    after: float
    difference: float
    interval: Interval = UNTOLD
    """95 %, of the difference."""

    @property
    def verdict(self) -> Verdict:
        """Whether the recordings tell the difference from none."""
        if self.difference == 0 or np.isnan(self.difference):
            return "unchanged"
        if self.interval.told != "two-sided":
            return "can't be told"
        return "within chance" if 0.0 in self.interval else "beyond chance"


@dataclass(frozen=True)
class Change:
    """From one setting to another."""

    recordings: int
    false_boundary_rate: Difference
    latency_mean: Difference
    latency_p95: Difference
    missed_rate: Difference


def change(before: Sequence[PerRecording], after: Sequence[PerRecording]) -> Change:
    """What changed; both hold the same recordings in the same order, with the same takes.

    Raises ValueError for others.

    >>> def call(cut, latency_s):
    ...     return PerRecording(
    ...         holds=20,
    ...         holds_cut=cut,
    ...         holds_cut_at_most=cut,
    ...         turns=4,
    ...         turns_cut=0.0,
    ...         turns_cut_at_most=0.0,
    ...         timeouts=0.0,
    ...         missed=0.0,
    ...         in_no_label=0.0,
    ...         latency_s=np.full((1, 4), latency_s),
    ...     )
    >>> found = change([call(k, 0.5) for k in (4, 5, 6)], [call(k, 0.75) for k in (1, 2, 2)])
    >>> round(found.false_boundary_rate.difference, 3), found.false_boundary_rate.verdict
    (-0.167, 'beyond chance')
    >>> found.latency_mean.difference, found.latency_p95.after
    (0.25, 0.75)
    """
    if [(one.holds, one.latency_s.shape) for one in before] != [
        (one.holds, one.latency_s.shape) for one in after
    ]:
        raise ValueError(
            f"expected two settings on the same recordings in the same order, got {len(before)} recordings "
            f"and {len(after)}, or others"
        )
    holds = _column(before, "holds")
    turns = _column(before, "turns")
    return Change(
        recordings=len(before),
        false_boundary_rate=_of_counts(_column(before, "holds_cut"), _column(after, "holds_cut"), holds),
        latency_mean=_of_latencies(before, after),
        latency_p95=_of_p95(before, after),
        missed_rate=_of_counts(_column(before, "missed"), _column(after, "missed"), turns),
    )


def _of_counts(before: Floats, after: Floats, n: Floats) -> Difference:
    if not n.sum():
        return Difference(np.nan, np.nan, np.nan)
    old, new = float(before.sum() / n.sum()), float(after.sum() / n.sum())
    return Difference(old, new, new - old, difference_interval(after - before, n))


def _of_latencies(before: Sequence[PerRecording], after: Sequence[PerRecording]) -> Difference:
    totals, n = np.zeros((2, len(before))), np.zeros(len(before))
    for k, (one, other) in enumerate(zip(before, after, strict=True)):
        both = np.isfinite(one.latency_s) & np.isfinite(other.latency_s)
        totals[:, k] = [part.latency_s[both].sum() / max(1, one.takes) for part in (one, other)]
        n[k] = both.sum() / max(1, one.takes)
    return _of_counts(totals[0], totals[1], n)


def _of_p95(before: Sequence[PerRecording], after: Sequence[PerRecording]) -> Difference:
    old, new = _p95(before), _p95(after)
    return Difference(old, new, 0.0 if old == new else new - old)


def _p95(recordings: Sequence[PerRecording]) -> float:
    pooled = np.sort(np.concatenate([np.zeros(0), *(one.latency_s.ravel() for one in recordings)]))
    return float(percentile(pooled[None, :], 95)[0])


def _column(recordings: Sequence[PerRecording], name: str) -> Floats:
    return np.array([getattr(one, name) for one in recordings], dtype=np.float64)
