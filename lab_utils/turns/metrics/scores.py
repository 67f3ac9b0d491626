"""Rates and latencies from counts, pooled over recordings and takes; the frontier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from .labelled_pauses import BACKCHANNEL, CUT_OFF, LabelledPauses
from .setting_counts import Counts, SettingCounts

PERCENTILES = (50, 90, 95)
LATENCIES = ("latency_mean", *(f"latency_p{q}" for q in PERCENTILES))
CHUNK = 1024
"""Settings whose latencies are sorted at once: few enough to stay in the processor's cache."""
RATES = ("false_boundary_rate", "false_boundary_rate_per_turn", "timeout_rate", "missed_rate")


def summarize(counts: Sequence[SettingCounts], labelled: Sequence[LabelledPauses]) -> dict[str, Floats]:
    """Rates and latencies of a block of settings over recordings and takes, each of shape=(settings,).

    One of each per recording and take: takes are averaged by pooling. A rate without
    a denominator, and a latency without a turn, is NaN.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.turns.metrics import labelled_pauses
    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0),), (Label("shift", 2.0, 3.0),))
    >>> none = np.zeros(1, dtype=np.int64)
    >>> waits_s = (np.array([[wait_s]]) for wait_s in (0.6, 0.8, np.inf))
    >>> takes = [SettingCounts(*[none] * 5, none[None], none, none, wait_s) for wait_s in waits_s]
    >>> found = summarize(takes, [labelled_pauses(labels)] * 3)
    >>> [float(found[name][0].round(3)) for name in ("latency_mean", "latency_p50", "latency_p95")]
    [0.7, 0.8, inf]
    >>> float(found["missed_rate"][0].round(3)), float(found["longest_wait"][0])
    (0.333, inf)
    """
    n_holds = sum(m.n_holds for m in labelled)
    n_turns = sum(m.n_turns for m in labelled)
    n_settings = len(counts[0].timeouts)
    parts = [_latencies(counts, slice(k, k + CHUNK)) for k in range(0, n_settings, CHUNK)]
    committed, longest, *figures = (np.concatenate(part) for part in zip(*parts, strict=True))
    holds_cut = _total(counts, "holds_cut")
    rates = {
        "false_boundary_rate": _ratio(holds_cut + _total(counts, "cut_offs_cut"), n_holds),
        "false_boundary_rate_per_turn": _ratio(_total(counts, "turns_cut"), n_turns),
        "timeout_rate": _ratio(_total(counts, "timeouts"), n_turns),
        "missed_rate": _ratio(n_turns - committed, n_turns),
        "false_boundary_rate_at_most": _ratio(holds_cut + sum(m.count(CUT_OFF) for m in labelled), n_holds),
        "false_boundary_rate_per_turn_at_most": _ratio(_total(counts, "turns_cut_at_most"), n_turns),
        "backchannel_rate": _ratio(
            _total(counts, "backchannels_hit"), sum(m.count(BACKCHANNEL) for m in labelled)
        ),
        "commits_in_no_label": _total(counts, "in_no_label").astype(np.float64),
        "longest_wait": longest,
    }
    return rates | dict(zip(LATENCIES, figures, strict=True))


def coin_flips(counts: Sequence[Sequence[SettingCounts]], labelled: Sequence[LabelledPauses]) -> Floats:
    """The probability that two takes of a call disagree on whether a hold is cut, shape=(settings,).

    `counts[r]`: recording r's, one per take. Over the scored holds and cut-off pauses of all recordings; NaN
    without any, or with a single take.

    >>> from lab_utils.core.labels import Label, Labels
    >>> from lab_utils.turns.metrics import labelled_pauses
    >>> labelled = labelled_pauses(Labels(9.0, (), (Label("hold", 1.0, 1.5), Label("hold", 3.0, 3.5))))
    >>> none = np.zeros(1, dtype=np.int64)
    >>> takes = [
    ...     SettingCounts(*[none] * 5, np.array([[bits]], dtype=np.uint64), none, none, np.zeros((0, 1)))
    ...     for bits in (0b00, 0b01, 0b01)
    ... ]
    >>> coin_flips([takes], [labelled]).round(3).tolist()  # of 3 pairs 2 disagree, on one hold of two
    [0.333]
    """
    differ = np.zeros(counts[0][0].cut_words.shape[1])
    n = 0
    for takes, pauses in zip(counts, labelled, strict=True):
        for one, other in combinations(takes, 2):
            differ += np.bitwise_count(one.cut_words ^ other.cut_words).sum(axis=0)
            n += pauses.n_holds
    return differ / n if n else np.full(len(differ), np.nan)


def _latencies(counts: Sequence[SettingCounts], settings: slice) -> list[Floats]:
    """Committed turns, longest and mean latency and percentiles of some settings, each shape=(settings,)."""
    latency_s = np.concatenate([t.latency_s.T[settings] for t in counts], axis=1)
    latency_s.sort(axis=1)
    sum_s = latency_s.sum(axis=1)
    committed = np.full(len(latency_s), latency_s.shape[1])
    missing = np.flatnonzero(np.isinf(sum_s))
    seen = latency_s[missing] < np.inf
    sum_s[missing] = np.sum(latency_s[missing], axis=1, where=seen)
    committed[missing] = np.count_nonzero(seen, axis=1)
    mean_s = np.where(committed > 0, sum_s / np.maximum(committed, 1), np.nan)
    longest_s = latency_s[:, -1] if latency_s.shape[1] else np.full(len(latency_s), np.nan)
    return [committed, longest_s, mean_s, *(percentile(latency_s, q) for q in PERCENTILES)]


def _total(counts: Sequence[SettingCounts], name: str) -> Counts:
    return np.asarray(np.sum([getattr(t, name) for t in counts], axis=0))


def _ratio(count: Counts, n: int) -> Floats:
    return count / n if n else np.full(len(count), np.nan)


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
    place = (n - 1) * (q / 100)
    below = int(place)
    low, high = ordered[:, below], ordered[:, min(below + 1, n - 1)]
    if place == below:
        return low.copy()
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(high), np.inf, low + (place - below) * (high - low))


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
