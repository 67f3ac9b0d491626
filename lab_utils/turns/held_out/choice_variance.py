"""How much the choosing adds to the uncertainty of a held-out figure.

Goal: another draw of calls would have led to another choice; say by how much that moves each figure.
Conventions: arrays are (recordings, settings) or (draws, recordings); counts are means over takes;
seconds.
Method: recordings are drawn with replacement (`DRAWS` times, seeded), and each fold chooses anew on the
draw's recordings outside it, so that every copy of a recording is on the same side. What comes on top of
the variance under the settings that were chosen in fact is
- how much more the held-out figure varies if each draw chooses for itself, and
- how much the figure of what is chosen on a whole draw varies, on the recordings themselves: that is the
  choice which will be used.
For a rate, which the budget keeps in place, the larger of the two is enough; for a latency, which moves with
the choice, it takes both (of the logarithm, since latencies are positive and skewed). Which settings keep a
budget that allows fewer than `LEAST_AT_BUDGET` cut holds is chance: then nothing is told of latencies.
`make coverage` measures how often the intervals that result contain the truth.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ..choose import Budget
from ..metrics import LATENCIES, RATES, PerRecording, weighted_percentile

DRAWS = 200
LEAST_AT_BUDGET = 5
MOST_INFINITE = 0.025
"""Draws in which a percentile may fall among missed ends of turn, before its limits can't be told."""
VALUES_AT_ONCE = 4_000_000
"""Latencies, draw by draw, whose percentile is looked for at once: it bounds memory."""
_NEVER_S, _ENDLESS_S = 1e9, 1e3
"""Percentiles can't interpolate infinity: these are a missed end of turn, and the least that shows one."""


class Pooled(ABC):
    """Figures of settings, pooled over recordings that count with weights; (recordings, settings)."""

    @abstractmethod
    def ratios(self) -> Mapping[str, tuple[Floats, Floats]]:
        """Each rate and mean as a sum out of another, by recording and setting."""

    @abstractmethod
    def values_s(self, name: str) -> Sequence[Floats]:
        """Of each recording what a percentile named so is of, shape=(settings, n), infinite where missed."""

    def figure(self, name: str, weights: Floats) -> Floats:
        """A figure of every setting where recordings count `weights`, shape=(draws, recordings).

        Returns shape=(draws, settings); NaN without a hold or turn.
        """
        if name in self.ratios():
            total, of = (np.einsum("dr,rs->ds", weights, part) for part in self.ratios()[name])
            return _quotient(total, of)
        recordings = weights.shape[1]
        settings = range(len(self.values_s(name)[0]))
        each = (self.percentile(name, weights, np.full(recordings, s)) for s in settings)
        return np.stack(list(each), axis=1)

    def mixed(self, name: str, weights: Floats, chosen: Ints) -> Floats:
        """A figure in each draw, each recording under a setting of its own there, shape=(draws,).

        `chosen`: settings, shape=(draws, recordings).
        """
        recordings = np.arange(weights.shape[1])
        if name in self.ratios():
            total, of = ((weights * part[recordings, chosen]).sum(axis=1) for part in self.ratios()[name])
            return _quotient(total, of)
        each = [self.percentile(name, one[None, :], rows) for one, rows in zip(weights, chosen, strict=True)]
        return np.concatenate(each)

    def percentile(self, name: str, weights: Floats, chosen: Ints) -> Floats:
        """A percentile in each draw, each recording under one setting; shape=(draws,)."""
        values = [one[row] for one, row in zip(self.values_s(name), chosen.tolist(), strict=True)]
        group = np.repeat(np.arange(len(values)), [len(one) for one in values])
        known = np.minimum(np.concatenate(values), _NEVER_S)
        if not len(known):
            return np.full(len(weights), np.nan)
        rows, q = max(1, VALUES_AT_ONCE // len(known)), float(name.rpartition("_p")[2])
        drawn = weights.astype(np.int64)
        parts = [
            weighted_percentile(known, drawn[k : k + rows][:, group], q) for k in range(0, len(drawn), rows)
        ]
        found = np.concatenate(parts)
        return np.where(found > _ENDLESS_S, np.inf, found)


@dataclass(frozen=True)
class Scores(Pooled):
    """What some settings did on some recordings; shape=(recordings, settings) unless said."""

    holds: Floats
    holds_cut: Floats
    turns: Floats
    turns_cut: Floats
    timeouts: Floats
    missed: Floats
    total_s: Floats
    """Sum of the latencies of the ends of turn that were answered."""
    latency_s: tuple[Floats, ...]
    """Of each recording: shape=(settings, takes x turns), infinite where missed."""
    takes: Floats
    """shape=(recordings,)"""

    @classmethod
    def of(cls, scored: Sequence[Sequence[PerRecording]]) -> Scores:
        """`scored[s][r]`: setting s on recording r."""

        def each(name: str) -> Floats:
            return np.array([[getattr(one, name) for one in row] for row in scored], dtype=np.float64).T

        latency_s = tuple(np.stack([one.latency_s.ravel() for one in of]) for of in zip(*scored, strict=True))
        takes = np.array([max(1, one.takes) for one in scored[0]], dtype=np.float64)
        answered_s = np.array([np.where(np.isfinite(one), one, 0.0).sum(axis=1) for one in latency_s])
        names = ("holds", "holds_cut", "turns", "turns_cut", "timeouts", "missed")
        return cls(
            **{name: each(name) for name in names},
            total_s=answered_s / takes[:, None],
            latency_s=latency_s,
            takes=takes,
        )

    def ratios(self) -> dict[str, tuple[Floats, Floats]]:
        """Each rate, and the mean latency."""
        return {
            "false_boundary_rate": (self.holds_cut, self.holds),
            "false_boundary_rate_per_turn": (self.turns_cut, self.turns),
            "timeout_rate": (self.timeouts, self.turns),
            "missed_rate": (self.missed, self.turns),
            "latency_mean": (self.total_s, self.turns - self.missed),
        }

    def values_s(self, name: str) -> tuple[Floats, ...]:
        """Latencies, whatever the percentile."""
        return self.latency_s


Chooser = Callable[[Floats, Bools | None], Ints]
"""What is chosen in each draw, a setting's number, -1 where nothing was scored; of the draws, shape=(draws,
recordings), and which settings may be taken, shape=(settings,), None: all. Returns shape=(draws,)."""


def choices(scores: Scores, weights: Floats, budget: Budget, choosable: Bools | None = None) -> Ints:
    """What `choose_or_nearest` takes in each draw, a setting's number; -1 where nothing was scored.

    Of equally good settings the first is taken. `weights`: shape=(draws, recordings); `choosable`: which
    settings may be taken, shape=(settings,), None: all. Returns shape=(draws,).
    """
    names = dict.fromkeys([budget.limit, budget.least, "missed_rate", "false_boundary_rate", "latency_mean"])
    of = {name: np.nan_to_num(scores.figure(name, weights), nan=np.inf) for name in names}
    usable = np.isfinite(of[budget.limit]) & np.isfinite(of[budget.least])
    usable &= True if choosable is None else choosable
    missed = np.where(usable, of["missed_rate"], np.inf)
    kept = missed <= np.maximum(budget.most_missed, missed.min(axis=1, keepdims=True)) + 1e-12
    limit = np.where(kept & usable, of[budget.limit], np.inf)
    nearest = limit.min(axis=1, keepdims=True)
    kept = np.isfinite(limit) & (limit <= np.maximum(budget.most, nearest) + 1e-12)
    for name in dict.fromkeys([budget.least, "false_boundary_rate", "latency_mean"]):
        value = np.where(kept, of[name], np.inf)
        kept &= value <= value.min(axis=1, keepdims=True) + 1e-12
    return np.where(kept.any(axis=1), kept.argmax(axis=1), -1)


def draws_of(recordings: int, draws: int = DRAWS, seed: int = 0) -> Floats:
    """How often each draw holds each recording, shape=(draws, recordings)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(recordings, np.full(recordings, 1 / recordings), size=draws).astype(np.float64)


def extra_variances(
    scores: Scores,
    folds: Sequence[Sequence[int]],
    fixed: Ints,
    budget: Budget,
    weights: Floats,
    names: Sequence[str] = (*RATES, *LATENCIES),
    *,
    choosable: Sequence[Bools] | None = None,
) -> dict[str, float]:
    """`variances_of_choosing` within a budget of turn-taking.

    `choosable`: which settings may be chosen in each fold, None: all.
    """

    def choose(drawn: Floats, may: Bools | None) -> Ints:
        return choices(scores, drawn, budget, may)

    extra = variances_of_choosing(scores, folds, fixed, choose, weights, names, choosable=choosable)
    if budget.limit == "false_boundary_rate" and budget.most * scores.holds[:, 0].sum() < LEAST_AT_BUDGET:
        extra |= {name: np.inf for name in names if name in LATENCIES}
    return extra


def variances_of_choosing(
    scores: Pooled,
    folds: Sequence[Sequence[int]],
    fixed: Ints,
    choose: Chooser,
    weights: Floats,
    names: Sequence[str],
    *,
    choosable: Sequence[Bools] | None = None,
) -> dict[str, float]:
    """What the choosing adds to the variance of each held-out figure (of its logarithm, but for rates).

    `fixed`: the setting under which each recording was scored in fact; `weights`: the draws (`draws_of`).
    `choosable`: which settings may be chosen in each fold, None: all. Infinite if a figure is infinite in
    many draws.
    """
    as_it_was = np.repeat(fixed[None, :], len(weights), axis=0)
    anew = as_it_was.copy()
    for number, fold in enumerate(folds):
        outside = weights.copy()
        outside[:, list(fold)] = 0.0
        may = None if choosable is None else choosable[number]
        found = choose(outside, may)[:, None]
        anew[:, list(fold)] = np.where(found >= 0, found, anew[:, list(fold)])
    on_all = choose(weights, None)
    on_all = on_all[on_all >= 0]
    n = weights.shape[1]
    extra: dict[str, float] = {}
    for name in names:
        held_out, under_fixed = (
            _variance(name, scores.mixed(name, weights, chosen)) for chosen in (anew, as_it_was)
        )
        of_choice = _variance(name, scores.figure(name, np.ones((1, n)))[0][on_all])
        more = 0.0 if np.isinf(under_fixed) else max(0.0, held_out - under_fixed)
        parts = more * n / max(1, n - 1), of_choice
        extra[name] = max(parts) if name in RATES else sum(parts)
    return extra


def _quotient(total: Floats, of: Floats) -> Floats:
    return np.where(of > 0, total / np.where(of > 0, of, 1.0), np.nan)


def _variance(name: str, values: Floats) -> float:
    known = values[~np.isnan(values)]
    if np.isinf(known).mean() > MOST_INFINITE if len(known) else False:
        return np.inf
    known = known[np.isfinite(known)]
    if name not in RATES:
        known = np.log(np.maximum(known, 1e-3))
    return float(known.var()) if len(known) and np.ptp(known) > 1e-9 else 0.0
