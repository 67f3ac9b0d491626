"""Which configuration is chosen, what no other beats, and which ones are worth running as sessions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ...latency.joint.configuration import ANSWER, DOLLARS
from ...turns.choose import MOST_MISSED

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

    @property
    def columns(self) -> tuple[str, ...]:
        """What a choice looks at."""
        limits = (name for name, _ in self.limits)
        return tuple(dict.fromkeys(("missed_rate", *limits, self.least, "false_boundary_rate", DOLLARS)))

    def excess(self, table: Mapping[str, Floats] | pd.DataFrame) -> Floats:
        """By how much each configuration is beyond the budget, in parts of it; 0 within.

        `table`: columns by name, of any shape.
        """
        beyond = np.zeros(np.shape(table["missed_rate"]))
        for name, most in (("missed_rate", self.most_missed), *self.limits):
            value = np.nan_to_num(np.asarray(table[name], dtype=np.float64), nan=1.0, posinf=np.inf)
            beyond = beyond + np.maximum(value - most - _TOLERANCE, 0.0) / max(most, 0.01)
        return beyond

    def choose(self, table: pd.DataFrame) -> int:
        """The row that meets the budget best, or the one that is least beyond it."""
        values = {name: table[name].to_numpy(dtype=np.float64)[None, :] for name in self.columns}
        return int(self.best(values)[0])

    def best(self, of: Mapping[str, Floats], choosable: Bools | None = None) -> Ints:
        """`choose` in each draw of the recordings; `of`: `columns`, each of shape=(draws, configurations).

        `choosable`: which configurations may be taken, shape=(configurations,), None: all. Of equally good
        ones the first is taken. Returns their numbers, shape=(draws,).
        """
        beyond = self.excess(of)
        kept = (
            np.ones(beyond.shape, dtype=bool) if choosable is None else np.tile(choosable, (len(beyond), 1))
        )
        for value in (beyond, of[self.least], of["false_boundary_rate"], of[DOLLARS]):
            left = np.where(kept, np.nan_to_num(value, nan=np.inf, posinf=np.inf), np.inf)
            kept &= left <= left.min(axis=1, keepdims=True)
        found: Ints = kept.argmax(axis=1)
        return found


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
