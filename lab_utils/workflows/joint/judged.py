"""Configurations with 95 % intervals: on the recordings that led to them, and on others.

Conventions: the unit is the recording (`metrics.uncertainty`); seconds; money per 1,000 turns; an end of turn
that isn't answered counts as infinitely late. Held out, a configuration is chosen in each fold on the other
recordings and judged on the fold's own, and the interval counts the choosing (`held_out.choice_variance`):
how another draw of the calls would choose, from the configurations that a draw may choose, not how another
search would have gone. What is held out is a choice within limits that were written down before: the budget,
and the budget at `RATES` of false boundaries. A point of the frontier has intervals on all recordings only:
limits read off it would be at a knife's edge, and another configuration would be chosen within them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ...core.knobs import KNOBS
from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ...latency.ablation.estimates import Estimate, told
from ...latency.joint.calls import Outcome
from ...latency.joint.configuration import ANSWER, DOLLARS, E2E
from ...latency.joint.evaluate import Configuration, Evaluator
from ...turns.held_out.choice_variance import LEAST_AT_BUDGET, Pooled, draws_of, variances_of_choosing
from ...turns.metrics import PerRecording
from ...turns.metrics.scores import percentile
from ...turns.metrics.uncertainty import mean_interval, percentile_interval, rate_interval
from ...turns.sweep import Sweep, score_rows
from ..study.study import Study
from .chosen import JointBudget, frontier

Judged = dict[str, Estimate]
"""`FIGURES` by name."""
_PERCENTILES = E2E | {ANSWER: 95.0}
FIGURES = (*_PERCENTILES, "false_boundary_rate", "missed_rate", DOLLARS)
RATES = (0.02, 0.05, 0.1, 0.2, 0.3)
"""False boundaries per hold within which a choice is held out, beside the budget's own."""


@dataclass(frozen=True)
class WithinRate:
    """The choice within a rate of false boundaries, and the budget's other limits."""

    most_cut: float
    row: int
    figures: Judged
    """On the recordings that it was found on: optimistic."""
    held_out: Judged | None
    """What such a choice does on recordings that did not lead to it; None for one recording."""


@dataclass(frozen=True)
class Outcomes(Pooled):
    """What some configurations did on some recordings; arrays of shape=(recordings, configurations)."""

    holds: Floats
    holds_cut: Floats
    missed: Floats
    ends: Floats
    """Labelled ends of turn, of which so many were missed."""
    dollars: Floats
    turns: Floats
    e2e_s: tuple[Floats, ...]
    """Of each recording: shape=(configurations, turns)."""
    answer_s: tuple[Floats, ...]
    _known: dict[tuple[str, bytes], Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, scored: Sequence[Sequence[PerRecording]], outcomes: Sequence[Sequence[Outcome]]) -> Outcomes:
        """`scored[c][r]`, `outcomes[c][r]`: configuration c on recording r."""

        def each(name: str) -> Floats:
            return np.array([[getattr(one, name) for one in of] for of in scored], dtype=np.float64).T

        by_recording = list(zip(*outcomes, strict=True))
        return cls(
            each("holds"),
            each("holds_cut"),
            each("missed"),
            each("turns"),
            np.array([[one.dollars for one in of] for of in by_recording]),
            np.array([[float(len(one.e2e_s)) for one in of] for of in by_recording]),
            tuple(np.stack([one.e2e_s for one in of]) for of in by_recording),
            tuple(np.stack([one.answer_s for one in of]) for of in by_recording),
        )

    def ratios(self) -> dict[str, tuple[Floats, Floats]]:
        """The rates and money."""
        return {
            "false_boundary_rate": (self.holds_cut, self.holds),
            "missed_rate": (self.missed, self.ends),
            DOLLARS: (1000 * self.dollars, self.turns),
        }

    def values_s(self, name: str) -> tuple[Floats, ...]:
        """Latencies to the first sound, or to the answer."""
        return self.answer_s if name == ANSWER else self.e2e_s

    def columns(self, names: Sequence[str], weights: Floats) -> dict[str, Floats]:
        """Figures in each draw, shape=(draws, configurations), computed once."""
        key = weights.tobytes()
        for name in names:
            if (name, key) not in self._known:
                self._known[name, key] = self.figure(name, weights)
        return {name: self._known[name, key] for name in names}

    def judged(self, fixed: Ints, extra: Mapping[str, float] | None = None) -> Judged:
        """`FIGURES` where recording r is under configuration `fixed[r]`; `extra`: further variance."""
        recordings, more = np.arange(len(fixed)), dict.fromkeys(FIGURES, 0.0) | dict(extra or {})
        found = {}
        for name, q in _PERCENTILES.items():
            values = [one[row] for one, row in zip(self.values_s(name), fixed.tolist(), strict=True)]
            value = float(percentile(np.sort(np.concatenate(values))[None, :], q)[0])
            found[name] = told(value, percentile_interval(values, [1.0] * len(values), q, more[name]))
        for name in ("false_boundary_rate", "missed_rate", DOLLARS):
            total, n = (part[recordings, fixed] for part in self.ratios()[name])
            value = float(total.sum() / n.sum()) if n.sum() else np.nan
            interval = mean_interval if name == DOLLARS else rate_interval
            found[name] = told(value, interval(total, n, more[name]))
        return found


@dataclass(frozen=True)
class Judge:
    """Judges rows of a joint table within budgets; `candidates`: those that a draw may choose."""

    result: Sweep
    candidates: Ints
    outcomes: Outcomes
    """Of the candidates, in their order."""
    without: tuple[pd.DataFrame, ...]
    """Of each fold: metrics of the rows that may be chosen there, on the other recordings."""

    def figures(self, row: int) -> Judged:
        """On all recordings."""
        number = int(np.searchsorted(self.candidates, row))
        return self.outcomes.judged(np.full(self.outcomes.holds.shape[0], number))

    def held_out(self, budget: JointBudget) -> Judged | None:
        """The choice within a budget, on recordings that did not lead to it; None for one recording."""
        if not self.result.folds:
            return None
        fixed = np.empty(self.outcomes.holds.shape[0], dtype=np.int64)
        for fold, metrics in zip(self.result.folds, self.without, strict=True):
            row = int(metrics.index[budget.choose(metrics)])
            fixed[list(fold)] = np.searchsorted(self.candidates, row)
        weights = draws_of(len(fixed))

        def choose(drawn: Floats, may: Bools | None) -> Ints:
            return budget.best(self.outcomes.columns(budget.columns, drawn), may)

        extra = variances_of_choosing(
            self.outcomes,
            self.result.folds,
            fixed,
            choose,
            weights,
            FIGURES,
            choosable=[np.isin(self.candidates, metrics.index) for metrics in self.without],
        )
        if budget.most_cut * self.outcomes.holds[:, 0].sum() < LEAST_AT_BUDGET:
            extra |= dict.fromkeys(_PERCENTILES, np.inf)
        return self.outcomes.judged(fixed, extra)


def judge_of(
    study: Study,
    table: pd.DataFrame,
    evaluator: Evaluator,
    configurations: Sequence[Configuration],
    budgets: Sequence[JointBudget],
) -> Judge:
    """What it takes to judge rows of a joint table within these budgets, the first of which is the usual."""
    without = without_folds(study.result, evaluator, configurations)
    rows = may_be_chosen(table, without, budgets)
    scored = score_rows(study.corpus, table[list(KNOBS)].iloc[rows], study.conditions)
    outcomes = [evaluator.outcomes(configurations[row]) for row in rows]
    return Judge(study.result, np.array(rows), Outcomes.of(scored, outcomes), without)


def without_folds(
    result: Sweep, evaluator: Evaluator, configurations: Sequence[Configuration]
) -> tuple[pd.DataFrame, ...]:
    """Of each fold: the rows that may be chosen there with their metrics on the other recordings."""
    found = []
    for fold, without in zip(result.folds, result.without, strict=True):
        may = result.rows_without(fold)
        kept = [r for r in range(len(evaluator.calls)) if r not in fold]
        replies = evaluator.table([configurations[row] for row in may], kept)
        found.append(pd.concat([without.iloc[may], replies.set_index(may)], axis=1))
    return tuple(found)


def may_be_chosen(
    table: pd.DataFrame, without: Sequence[pd.DataFrame], budgets: Sequence[JointBudget]
) -> list[int]:
    """Rows that some draw of the recordings may choose: the frontiers of all and without each fold, and what
    the budgets choose there."""
    found: set[int] = set()
    for metrics in (table, *without):
        found.update(metrics.index[frontier(metrics, budgets[0])].tolist())
        found.update(int(metrics.index[one.choose(metrics)]) for one in budgets)
    return sorted(found)


def budgets_of(budget: JointBudget) -> list[JointBudget]:
    """The budget, and the same at each of `RATES` that is another."""
    return [budget, *(replace(budget, most_cut=rate) for rate in RATES if rate != budget.most_cut)]


def within_rates(
    judge: Judge, table: pd.DataFrame, budget: JointBudget, *, quiet: bool = False
) -> tuple[WithinRate, ...]:
    """Choices at all rates, in their order, on all recordings and held out; those that meet their budget."""
    budgets = sorted(budgets_of(budget), key=lambda one: one.most_cut)
    found = []
    for one in tqdm(budgets, desc="held out", unit="budget", disable=quiet):
        row = one.choose(table)
        if one.excess(table)[row] == 0:
            found.append(WithinRate(one.most_cut, row, judge.figures(row), judge.held_out(one)))
    return tuple(found)
