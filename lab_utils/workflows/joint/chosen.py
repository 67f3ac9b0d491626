"""Which configuration is chosen, of all and on other recordings, and which ones are worth running."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...latency.ablation.estimates import Estimate, Estimator
from ...latency.joint.configuration import ANSWER, DOLLARS, E2E
from ...latency.joint.evaluate import Configuration, Evaluator
from ...turns.choose import MOST_MISSED
from ...turns.sweep import Sweep

Minimized = Literal["e2e_p50", "e2e_p95"]
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class JointBudget:
    """What must hold, and which latency is then made least."""

    least: Minimized = "e2e_p95"
    most_cut: float = 0.1
    """False boundaries per hold."""
    most_missed: float = MOST_MISSED
    """Share of the ends of turn without an answer."""
    most_dollars: float = math.inf
    """Per 1,000 turns, LLM and TTS."""
    most_p50_s: float = math.inf
    """Of the median, where the 95th percentile is made least: a long wait for all keeps p95 low, too."""
    most_answer_s: float = math.inf
    """Of the 95th percentile to the answer itself: a preamble makes the first sound early and that late."""

    def __post_init__(self) -> None:
        for name, value in (("most_cut", self.most_cut), ("most_missed", self.most_missed)):
            if not 0 <= value <= 1:
                raise InputError(f"{name} is {value:g}; expected a share from 0 to 1")
        if not self.most_dollars > 0:
            raise InputError(f"a cost of at most {self.most_dollars:g} $ per 1,000 turns; expected above 0")
        if not self.most_p50_s > 0:
            raise InputError(f"a median of at most {self.most_p50_s:g} s; expected above 0")
        if not self.most_answer_s > 0:
            raise InputError(f"an answer after at most {self.most_answer_s:g} s; expected above 0")

    def __str__(self) -> str:
        money = "" if math.isinf(self.most_dollars) else f", at most ${self.most_dollars:g} per 1,000 turns"
        further = (("e2e_p50", self.most_p50_s), (ANSWER, self.most_answer_s))
        waits = "".join(f", {name} <= {most:g} s" for name, most in further if not math.isinf(most))
        return (
            f"least {self.least} with false_boundary_rate <= {self.most_cut:g} and missed_rate <= "
            f"{self.most_missed:g}{waits}{money}"
        )

    @property
    def limits(self) -> tuple[tuple[str, float], ...]:
        """What must hold beside the answers: columns with the most that each may be."""
        limits = (
            ("false_boundary_rate", self.most_cut),
            (DOLLARS, self.most_dollars),
            ("e2e_p50", self.most_p50_s),
            (ANSWER, self.most_answer_s),
        )
        return tuple((name, most) for name, most in limits if not math.isinf(most))

    def excess(self, table: pd.DataFrame) -> pd.Series:
        """By how much each row is beyond the budget, in parts of it; 0 within."""
        beyond = pd.Series(0.0, index=table.index)
        for name, most in (("missed_rate", self.most_missed), *self.limits):
            over = (table[name].fillna(1.0) - most - _TOLERANCE).clip(lower=0.0)
            beyond += over / max(most, 0.01)
        return beyond

    def choose(self, table: pd.DataFrame) -> int:
        """The row that meets the budget best, or the one that is least beyond it."""
        keys = table.assign(_beyond=self.excess(table))
        order = ["_beyond", self.least, "false_boundary_rate", DOLLARS]
        return int(keys.sort_values(order, kind="stable").index[0])


def frontier(table: pd.DataFrame, budget: JointBudget) -> list[int]:
    """Rows of which no other is better in false boundaries, latency and money, of those that answer.

    Of the rows within the limits of money, of the median and of the answer, if there are any.

    >>> names = ["false_boundary_rate", "e2e_p95", DOLLARS]
    >>> table = pd.DataFrame([(0.1, 1.0, 5.0), (0.1, 1.0, 6.0), (0.2, 0.9, 5.0)], columns=names)
    >>> frontier(table.assign(missed_rate=0.0), JointBudget())
    [0, 2]
    """
    answering = table["missed_rate"].to_numpy() <= budget.most_missed + _TOLERANCE
    within = answering.copy()
    for name, most in budget.limits:
        if name != "false_boundary_rate":
            within &= table[name].to_numpy() <= most + _TOLERANCE
    rows = np.flatnonzero(within if within.any() else answering)
    values = table[["false_boundary_rate", budget.least, DOLLARS]].to_numpy(np.float64)[rows]
    found = []
    for k, value in enumerate(values):
        better = (values <= value).all(axis=1) & (values < value).any(axis=1)
        same = (values[:k] == value).all(axis=1)
        if np.isfinite(value).all() and not better.any() and not same.any():
            found.append(int(rows[k]))
    return sorted(found, key=lambda row: float(table["false_boundary_rate"].iloc[row]))


def finalists(table: pd.DataFrame, budget: JointBudget, chosen: int, count: int) -> list[int]:
    """The chosen row, and rows of the frontier on both sides of it: near its rate of false boundaries."""
    near = float(table["false_boundary_rate"].iloc[chosen])
    others = [row for row in frontier(table, budget) if row != chosen]
    others.sort(key=lambda row: abs(float(table["false_boundary_rate"].iloc[row]) - near))
    return [chosen, *others[: count - 1]]


@dataclass(frozen=True)
class HeldOut:
    """The choice on recordings that did not lead to it."""

    e2e: dict[str, Estimate]
    """By percentile, with 95 % intervals by recording; seconds."""
    answered: float
    false_boundary_rate: float
    dollars_per_1000: float
    turns: int


def held_out(
    table: pd.DataFrame,
    result: Sweep,
    on_fold: Sequence[pd.DataFrame],
    evaluator: Evaluator,
    configurations: Sequence[Configuration],
    budget: JointBudget,
    holds: Sequence[int],
) -> HeldOut | None:
    """In each fold a row is chosen on the others and judged on its own recordings (`turns.held_out`).

    `on_fold`: metrics of every row on each fold's own recordings; `holds`: how many holds those have. None
    for one recording.
    """
    if not result.folds:
        return None
    values, names, dollars, cut = [], [], 0.0, 0.0
    for fold, without, own, n in zip(result.folds, result.without, on_fold, holds, strict=True):
        may = result.rows_without(fold)
        if not len(may):
            return None
        kept = [r for r in range(len(evaluator.calls)) if r not in fold]
        elsewhere = evaluator.table([configurations[row] for row in may], kept)
        metrics = pd.concat([without.iloc[may].reset_index(drop=True), elsewhere], axis=1)
        row = int(may[budget.choose(metrics)])
        for number in fold:
            outcome = evaluator.outcomes(configurations[row])[number]
            values.append(outcome.e2e_s)
            names += [str(number)] * len(outcome.e2e_s)
            dollars += outcome.dollars
        cut += n * float(np.nan_to_num(own["false_boundary_rate"].iloc[row]))
    e2e_s = np.concatenate(values)
    estimator = Estimator.of(np.array(names))
    return HeldOut(
        {name: estimator.percentile(e2e_s, q) for name, q in E2E.items()},
        float(np.isfinite(e2e_s).mean()),
        cut / max(1, sum(holds)),
        1000 * dollars / max(1, len(e2e_s)),
        len(e2e_s),
    )
