"""Held out: a budget's choice judged on recordings that it was not chosen on.

Goal: what the setting that is chosen on calls like these does on all future ones, with an interval that
counts the choosing (`choice_variance`).
Conventions: tables as `sweep` makes them.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd

from ...core.knobs import KNOBS
from ...core.settings import USUAL_CONDITIONS, Conditions
from ..choose import Budget, Latency, choose_or_nearest, frontier
from ..metrics import LATENCIES, figures
from ..sweep import Corpus, Sweep, score_rows
from .choice_variance import Scores, draws_of, extra_variances


def held_out(
    corpus: Corpus, result: Sweep, budget: Budget, conditions: Conditions = USUAL_CONDITIONS
) -> pd.DataFrame | None:
    """Figures (`metrics.figures`) of what the budget chooses, on recordings it was not chosen on.

    None for one recording.

    In each fold a setting is chosen on the other recordings and scored on the fold's own; where none is
    within the budget, the nearest is taken. What a search found by looking at the fold's recordings can't be
    chosen there (`origins`).
    """
    if not result.folds:
        return None
    knobs = result.table[list(KNOBS)]
    allowed = [result.rows_without(fold) for fold in result.folds]
    if not all(map(len, allowed)):
        return None
    tables = [pd.concat([knobs, metrics], axis=1) for metrics in result.without]
    chosen = [
        int(may[choose_or_nearest(table.iloc[may].reset_index(drop=True), budget)])
        for table, may in zip(tables, allowed, strict=True)
    ]
    rows = sorted({*chosen, *candidates(result, budget)})
    scored = score_rows(corpus, knobs.iloc[rows], conditions)
    fixed = np.empty(len(corpus.recordings), dtype=np.int64)
    for fold, row in zip(result.folds, chosen, strict=True):
        fixed[list(fold)] = rows.index(row)
    taken = [scored[column][number] for number, column in enumerate(fixed.tolist())]
    weights = draws_of(len(corpus.recordings))
    choosable = [np.isin(rows, may) for may in allowed]
    extra = extra_variances(Scores.of(scored), result.folds, fixed, budget, weights, choosable=choosable)
    return figures(taken, extra)


def candidates(result: Sweep, budget: Budget) -> list[int]:
    """Rows that a draw of the recordings may choose: the frontiers of all and of those without each fold."""
    named = [name for name in (budget.limit, budget.least) if name in LATENCIES]
    latency = cast(Latency, named[0] if named else "latency_mean")
    found = set(frontier(result.table, latency, budget.most_missed))
    for fold, table in zip(result.folds, result.without, strict=True):
        may = result.rows_without(fold)
        found.update(may[frontier(table.iloc[may], latency, budget.most_missed)].tolist())
    return sorted(found)
