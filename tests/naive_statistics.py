"""Slow, obvious twins of the statistics in `lab_utils.turns`: each is its definition, written out."""

from __future__ import annotations

import math

import numpy as np
import scipy.stats


def _pooled_variance(total: list[float], n: list[float]) -> float:
    """Of sum(total) / sum(n), recording by recording."""
    rate, out = sum(total) / sum(n), 0.0
    for own, size in zip(total, n, strict=True):
        out += (own - rate * size) ** 2 / (1 - size / sum(n))
    return out / sum(n) ** 2


def degrees_of_freedom(n: list[int]) -> float:
    """Bell & McCaffrey's, from the projection over single turns, correlated by 0.1 within a recording."""
    size = sum(n)
    of = np.repeat(np.arange(len(n)), n)
    same = of[:, None] == of[None, :]
    covariance = np.where(same, 0.1, 0.0) + 0.9 * np.eye(size)
    residual = np.eye(size) - 1 / size
    columns = []
    for r, own in enumerate(n):
        pick = (of == r).astype(float)
        columns.append(residual @ pick / np.sqrt(1 - own / size))
    matrix = np.array(columns) @ covariance @ np.array(columns).T
    values = np.linalg.eigvalsh(matrix)
    return float(values.sum() ** 2 / (values**2).sum())


def _t(n: list[float]) -> float:
    return float(scipy.stats.t.ppf(0.975, degrees_of_freedom([round(one) for one in n])))


def rate_interval(count: list[float], n: list[int]) -> tuple[float | None, float | None]:
    """Rates p0 that |rate - p0| <= sqrt(k * p0 * (1 - p0)) admits: the roots of a quadratic."""
    kept = [(c, s) for c, s in zip(count, n, strict=True) if s]
    if len(kept) < 3:
        return None, None
    count, sizes = [c for c, _ in kept], [s for _, s in kept]
    total = sum(sizes)
    rate = sum(count) / total
    effect = _pooled_variance(count, sizes) / (rate * (1 - rate) / total) if 0 < rate < 1 else 1.0
    assumed = 1 + 0.05 * min(1, 30 / len(sizes)) * (sum(s * s for s in sizes) / total - 1)
    k = max(_t(sizes) ** 2 * effect, scipy.stats.norm.ppf(0.975) ** 2 * assumed) / total
    low, high = sorted(np.roots([1 + k, -(2 * rate + k), rate**2]).real)
    return (0.0 if rate == 0 else max(0.0, low)), (1.0 if rate == 1 else min(1.0, high))


def mean_interval(total: list[float], n: list[int]) -> tuple[float | None, float | None]:
    kept = [(c, s) for c, s in zip(total, n, strict=True) if s]
    if len(kept) < 3:
        return None, None
    total, sizes = [c for c, _ in kept], [s for _, s in kept]
    mean = sum(total) / sum(sizes)
    spread = _t(sizes) * math.sqrt(_pooled_variance(total, sizes)) / mean
    return math.exp(math.log(mean) - spread), math.exp(math.log(mean) + spread)


def percentile_interval(
    values: list[list[float]], weight: list[float], q: float
) -> tuple[float | None, float | None]:
    """Try every value seen: is the share that is faster too small, or too large?"""
    kept = [(own, w) for own, w in zip(values, weight, strict=True) if own]
    if len(kept) < 3:
        return None, None
    n = [len(own) * w for own, w in kept]

    def margin(at: float) -> tuple[float, float]:
        faster = [sum(x <= at for x in own) * w for own, w in kept]
        share = sum(faster) / sum(n)
        effect = 1.0
        if 0 < sum(x <= at for own, _ in kept for x in own) < sum(len(own) for own, _ in kept):
            effect = max(1.0, _pooled_variance(faster, n) / (share * (1 - share) / sum(n)))
        return share, _t(n) * math.sqrt(effect * q / 100 * (1 - q / 100) / sum(n))

    seen = sorted({x for own, _ in kept for x in own})
    found = [margin(at) for at in seen]
    low = high = None
    for at, (share, width) in zip(seen, found, strict=True):
        if share >= q / 100 - width:
            low = None if q / 100 - width <= 0 else at
            break
    below = [(0.0, found[0][1]), *found[:-1]]
    for at, (share, width) in zip(seen, below, strict=True):
        if share <= q / 100 + width:
            high = at
    if 1 - q / 100 <= found[-1][1] or high == math.inf:
        high = None
    return (None if low == math.inf else low), high
