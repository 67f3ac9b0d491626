"""Choices: a scored table of settings and a budget → one setting.

Goal: tell which settings answer often enough, find the Pareto frontier, choose under a budget.
Conventions: tables as `sweep` makes them, with the knob columns of `grid` and the metric columns of
`metrics.summarize`; rates in [0, 1], latencies in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from ..core.errors import InputError
from .metrics import pareto_frontier

MOST_MISSED = 0.02
"""Share of the ends of turn that a choice may leave without an answer, unless another is given."""

Latency = Literal["latency_mean", "latency_p50", "latency_p90", "latency_p95"]


def answering(table: pd.DataFrame, most_missed: float = MOST_MISSED) -> pd.Series:
    """Settings that leave at most this share of the ends of turn without an answer."""
    return table["missed_rate"].astype(np.float64) <= most_missed + 1e-12


def frontier(
    table: pd.DataFrame, latency: Latency = "latency_mean", most_missed: float = MOST_MISSED
) -> list[int]:
    """Rows of the Pareto frontier of false-boundary rate and latency, of the settings that answer."""
    rows = np.flatnonzero(answering(table, most_missed))
    part = table.iloc[rows]
    best = pareto_frontier(part["false_boundary_rate"].to_numpy(), part[latency].to_numpy())
    return [int(row) for row in rows[best]]


class NoneWithinBudget(InputError):
    """No setting meets the budget; the message tells how close one comes."""


@dataclass(frozen=True)
class Budget:
    """What must hold (`limit`), and what is then made least (`least`)."""

    limit: str
    most: float
    least: str
    most_missed: float = MOST_MISSED
    """At most this share of the ends of turn may be missed: not answering is as bad as cutting off."""

    @classmethod
    def false_boundary_rate(
        cls, most: float, latency: Latency = "latency_mean", most_missed: float = MOST_MISSED
    ) -> Budget:
        """Least latency with at most this rate per hold. Raises InputError if it is no share from 0 to 1."""
        given: object = most
        if not isinstance(given, int | float | np.number) or not 0 <= most <= 1:
            raise InputError(f"a false-boundary rate is a share from 0 to 1 (10 % is 0.10), got {most!r}")
        return cls("false_boundary_rate", most, latency, most_missed)

    @classmethod
    def latency_p95(cls, most_s: float, most_missed: float = MOST_MISSED) -> Budget:
        """Least false-boundary rate with at most this 95th percentile of latency."""
        return cls("latency_p95", most_s, "false_boundary_rate", most_missed)

    def met(self, table: pd.DataFrame) -> pd.Series:
        """Which rows are within the budget."""
        return (table[self.limit] <= self.most + 1e-12) & answering(table, self.most_missed)

    def __str__(self) -> str:
        return (
            f"least {self.least} with {self.limit} <= {self.most:g} and missed_rate <= {self.most_missed:g}"
        )


def choose(table: pd.DataFrame, budget: Budget) -> int:
    """The row that meets a budget best; ties break by rate, mean latency, p95, then the first row.

    Raises NoneWithinBudget.
    """
    rows = table[
        answering(table, budget.most_missed) & table[budget.limit].notna() & table[budget.least].notna()
    ]
    within = rows[budget.met(rows)]
    if within.empty:
        scored = table["missed_rate"].notna()
        if scored.any() and rows.empty:
            raise NoneWithinBudget(
                f"no setting misses at most {budget.most_missed:.1%} of the ends of turn; the least in this "
                f"grid is {table['missed_rate'].min():.1%}. Allow more, or widen the grid"
            )
        nearest = f"{rows[budget.limit].min():.3f}" if len(rows) else "none was scored"
        silent = (table[budget.limit] <= budget.most + 1e-12) & ~answering(table, budget.most_missed)
        raise NoneWithinBudget(
            f"no setting has {budget.limit} <= {budget.most:g}; the least in this grid is {nearest}. "
            "Allow more, or widen the grid"
            + (
                f" ({int(silent.sum())} settings reach it but miss more than {budget.most_missed:.1%} of the "
                "ends of turn)"
                if silent.any()
                else ""
            )
        )
    keys = list(dict.fromkeys([budget.least, "false_boundary_rate", "latency_mean", "latency_p95"]))
    return int(within.sort_values(keys, kind="stable").index[0])


def choose_or_nearest(table: pd.DataFrame, budget: Budget) -> int:
    """`choose`, or the best of the rows nearest to the budget; the first row if none was scored.

    Where none misses few enough ends of turn, those that miss the fewest stand for the others.
    """
    try:
        return choose(table, budget)
    except NoneWithinBudget:
        least = float(table["missed_rate"].min())
        if least > budget.most_missed:
            return choose_or_nearest(table, replace(budget, most_missed=least))
        scored = answering(table, budget.most_missed) & table[budget.least].notna()
        nearest = float(table.loc[scored, budget.limit].min())
        return choose(table, replace(budget, most=nearest)) if nearest == nearest else 0
