"""Rates and latencies from tallies, pooled over recordings and phases; their uncertainty; the frontier."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...core.timeline import Floats, Ints
from .intervals import BACKCHANNEL, HOLD, Intervals
from .tally import Counts, Tally

PERCENTILES = (50, 90, 95)
LATENCIES = ("latency_mean", *(f"latency_p{q}" for q in PERCENTILES))
CHUNK = 1024
"""Settings whose latencies are sorted at once: few enough to stay in the processor's cache."""
RATES = ("false_boundary_rate", "false_boundary_rate_per_turn", "timeout_rate", "missed_rate")


def summarize(tallies: Sequence[Tally], marks: Sequence[Intervals]) -> dict[str, Floats]:
    """Rates and latencies of a block of settings over recordings and phases, each of shape=(settings,).

    One tally and one set of intervals per recording and phase: phases are averaged by pooling. A rate without
    a denominator, and a latency without a committed turn, is NaN.
    """
    n_holds = sum(m.count(HOLD) for m in marks)
    n_turns = sum(m.n_turns for m in marks)
    n_settings = len(tallies[0].timeouts)
    parts = [_latencies(tallies, slice(k, k + CHUNK)) for k in range(0, n_settings, CHUNK)]
    committed, *figures = (np.concatenate(part) for part in zip(*parts, strict=True))
    rates = {
        "false_boundary_rate": _ratio(_total(tallies, "holds_cut"), n_holds),
        "false_boundary_rate_per_turn": _ratio(_total(tallies, "turns_cut"), n_turns),
        "timeout_rate": _ratio(_total(tallies, "timeouts"), n_turns),
        "missed_rate": _ratio(n_turns - committed, n_turns),
        "backchannel_rate": _ratio(
            _total(tallies, "backchannels_hit"), sum(m.count(BACKCHANNEL) for m in marks)
        ),
        "cut_offs_hit": _total(tallies, "cut_offs_hit").astype(np.float64),
    }
    return rates | dict(zip(LATENCIES, figures, strict=True))


def _latencies(tallies: Sequence[Tally], settings: slice) -> list[Floats]:
    """Committed turns, mean latency and percentiles of some settings, each of shape=(settings,)."""
    latency_s = np.concatenate([t.latency_s.T[settings] for t in tallies], axis=1)
    latency_s.sort(axis=1)
    sum_s = latency_s.sum(axis=1)
    committed = np.full(len(latency_s), latency_s.shape[1])
    missing = np.flatnonzero(np.isinf(sum_s))
    seen = latency_s[missing] < np.inf
    sum_s[missing] = np.sum(latency_s[missing], axis=1, where=seen)
    committed[missing] = np.count_nonzero(seen, axis=1)
    mean_s = np.where(committed > 0, sum_s / np.maximum(committed, 1), np.nan)
    return [committed, mean_s, *(_percentile(latency_s, committed, q) for q in PERCENTILES)]


def _total(tallies: Sequence[Tally], name: str) -> Counts:
    return np.asarray(np.sum([getattr(t, name) for t in tallies], axis=0))


def _ratio(count: Counts, n: int) -> Floats:
    return count / n if n else np.full(len(count), np.nan)


def _percentile(ordered: Floats, n: Counts, q: float) -> Floats:
    """Percentile of the first `n` values of each sorted row, interpolated as numpy does; shape=(rows,)."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan)
    place = np.maximum(n - 1, 0) * (q / 100)
    below = place.astype(np.int64)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, np.maximum(n - 1, 0))]
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, low + (place - below) * (high - low), np.nan)


def bootstrap(
    tallies: Sequence[Sequence[Tally]], marks: Sequence[Intervals], resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """95 % intervals of one setting, by resampling whole recordings: pauses of a call are not independent.

    `tallies[r]`: recording r's tallies, one per phase, of a single setting. Returns a frame indexed by metric
    with columns `low`, `high`; NaN throughout with fewer than two recordings, and for a metric that no
    resample has a value of. Seeded, hence reproducible.
    """
    names = [*RATES, *LATENCIES]
    if len(tallies) < 2:
        return pd.DataFrame(np.nan, index=names, columns=["low", "high"])
    cuts = np.array([[_total(t, n)[0] for n in ("holds_cut", "turns_cut", "timeouts")] for t in tallies])
    n_of = np.array(
        [[m.count(HOLD) * len(t), m.n_turns * len(t)] for m, t in zip(marks, tallies, strict=True)]
    )
    latency = [np.concatenate([t.latency_s[:, 0] for t in of]) for of in tallies]
    missed = np.array([np.count_nonzero(np.isinf(values)) for values in latency])
    seen = [values[np.isfinite(values)] for values in latency]
    draws = np.random.default_rng(seed).integers(len(tallies), size=(resamples, len(tallies)))
    values = np.full((resamples, len(names)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        holds, turns = n_of[draws, 0].sum(axis=1), n_of[draws, 1].sum(axis=1)
        for column, (count, n) in enumerate(
            ((cuts[:, 0], holds), (cuts[:, 1], turns), (cuts[:, 2], turns), (missed, turns))
        ):
            values[:, column] = count[draws].sum(axis=1) / n
    for row, draw in enumerate(draws):
        pooled = np.concatenate([seen[r] for r in draw])
        if len(pooled):
            values[row, len(RATES) :] = [pooled.mean(), *np.percentile(pooled, PERCENTILES)]
    known = [column[np.isfinite(column)] for column in values.T]
    limits = [np.percentile(column, [2.5, 97.5]) if len(column) else [np.nan, np.nan] for column in known]
    return pd.DataFrame(limits, index=names, columns=["low", "high"])


def pareto_frontier(rate: Floats, latency_s: Floats) -> Ints:
    """Rows that no other row beats: ascending rate, strictly descending latency.

    Rows with a NaN are left out; of equal rows the first is taken.
    """
    usable = np.flatnonzero(np.isfinite(rate) & np.isfinite(latency_s))
    order = usable[np.lexsort((usable, latency_s[usable], rate[usable]))]
    best_before = np.minimum.accumulate(np.append(np.inf, latency_s[order]))[:-1]
    return order[latency_s[order] < best_before]
