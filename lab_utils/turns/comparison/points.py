"""Operating points: what each detector does where all are held to the same budget.

Goal: compare detectors by what they can be tuned to, not by the settings they happen to come with.
Conventions: tables as `sweep` makes them; seconds, rates as fractions.
Definition: at a point, the setting of a detector that meets the budget best is chosen anew in each fold, on
the other recordings, and judged on the fold's own (`held_out`). A detector *gets there* if one of its
settings meets the budget on all recordings. The budget of missed ends of turn holds at every point: not
answering is as bad as cutting off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...core.knobs import KNOBS
from ...core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..choose import Budget, choose_or_nearest
from ..grid import settings_of
from ..held_out import candidates
from ..held_out.choice_variance import Scores, draws_of, extra_variances
from ..metrics import PerRecording, figures
from ..sweep import Corpus, Sweep, score_rows

FIGURES = ("false_boundary_rate", "latency_mean", "missed_rate")
RATES = (0.02, 0.05, 0.10)
LATENCIES_S = (0.3, 0.6, 1.0)


@dataclass(frozen=True)
class Point:
    """A budget at which detectors are compared by what it makes least."""

    name: str
    budget: Budget

    @property
    def metric(self) -> str:
        """What is compared."""
        return self.budget.least


POINTS: tuple[Point, ...] = (
    *(Point(f"{rate:.0%} false boundaries", Budget.false_boundary_rate(rate)) for rate in RATES),
    *(
        Point(f"{1000 * most_s:,.0f} ms mean latency", Budget("latency_mean", most_s, "false_boundary_rate"))
        for most_s in LATENCIES_S
    ),
)


@dataclass(frozen=True)
class Reached:
    """One detector at one operating point."""

    detector: str
    point: Point
    gets_there: bool
    settings: Settings
    """What is chosen on all recordings; where none is within the budget, the nearest."""
    on_all: Mapping[str, float]
    """`FIGURES` of these settings on the recordings that they were chosen on."""
    figures: pd.DataFrame
    """`FIGURES` as `metrics.figures` has them: held out, or on the recording itself if there is only one."""
    taken: tuple[PerRecording, ...]
    """What these figures are made of, recording by recording."""
    extra: Mapping[str, float]
    """What the choosing adds to the variance of each figure (`choice_variance`)."""

    @property
    def value(self) -> float:
        """What is compared at the point."""
        return float(self.figures["value"].to_dict()[self.point.metric])


def reached(
    detector: str,
    corpus: Corpus,
    result: Sweep,
    points: Sequence[Point] = POINTS,
    conditions: Conditions = USUAL_CONDITIONS,
) -> list[Reached]:
    """A detector at each point; `result`: the sweep of its settings, rows numbered from 0.

    Raises MissingTraces as a replay does.
    """
    knobs = result.table[list(KNOBS)]
    tables = [pd.concat([knobs, metrics], axis=1) for metrics in result.without]
    on_all = {point.name: choose_or_nearest(result.table, point.budget) for point in points}
    chosen = {point.name: [choose_or_nearest(table, point.budget) for table in tables] for point in points}
    rows = sorted(
        {*on_all.values(), *(row for of in chosen.values() for row in of), *_candidates(result, points)}
    )
    scored = score_rows(corpus, knobs.iloc[rows], conditions)
    scores, weights = Scores.of(scored), draws_of(len(corpus.recordings))
    found = []
    for point in points:
        fixed = np.full(len(corpus.recordings), rows.index(on_all[point.name]), dtype=np.int64)
        extra: dict[str, float] = {}
        if result.folds:
            for fold, row in zip(result.folds, chosen[point.name], strict=True):
                fixed[list(fold)] = rows.index(row)
            extra = extra_variances(scores, result.folds, fixed, point.budget, weights, FIGURES)
        taken = tuple(scored[column][number] for number, column in enumerate(fixed.tolist()))
        row = on_all[point.name]
        table_row = result.table.iloc[row]
        found.append(
            Reached(
                detector=detector,
                point=point,
                gets_there=bool(point.budget.met(result.table).iloc[row]),
                settings=settings_of({name: table_row[name] for name in KNOBS}),
                on_all={name: float(table_row[name]) for name in FIGURES},
                figures=figures(taken, extra).loc[list(FIGURES)],
                taken=taken,
                extra=extra,
            )
        )
    return found


def _candidates(result: Sweep, points: Sequence[Point]) -> set[int]:
    """Rows that a draw of the recordings may choose; the points share them but for their `most_missed`."""
    budgets = {point.budget.most_missed: point.budget for point in points}
    return (
        {row for budget in budgets.values() for row in candidates(result, budget)} if result.folds else set()
    )
