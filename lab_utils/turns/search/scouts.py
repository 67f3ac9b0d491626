"""Turn-taking that the replay alone finds best, for a search that has more to choose to begin with.

Replays score each setting of a large table in a hundredth of the time that a proposal takes where what
follows the commit is computed too. So a few generations of tables lead to the settings that keep the limits
with the least waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from ..grid import is_possible
from .neighbours import CHANGED, MOVED, STEP
from .space import Choices, Objectives, Range, Space

GENERATIONS = 4
WAITS = ("latency_p95", "latency_p50")
"""What is made least within the limits."""
Score = Callable[[pd.DataFrame], pd.DataFrame]
"""A table of settings → their metrics."""


def scouts(
    space: Space,
    objectives: Objectives,
    score: Score,
    most: int,
    count: int,
    seed: int,
    time_is_over: Callable[[], bool] = lambda: False,
) -> list[dict[str, Any]]:
    """The settings of which no other is better in `WAITS`, of those within the limits that a replay tells.

    Up to `count` of them, the first with the least 95th percentile, as proposals without switches. At most
    `most` settings are scored, evenly by generation: the first is drawn at random. Asked before each
    generation, `time_is_over` ends it with what was found; none at all where nothing possible was drawn.
    """
    rng, over = np.random.default_rng(seed), replace(space, switches=(), starts=())
    known: list[dict[str, Any]] = []
    metrics = pd.DataFrame()
    best: list[dict[str, Any]] = []
    for _ in range(GENERATIONS):
        if time_is_over():
            break
        new = [over.propose(partial(_choose, rng, _one_of(best, rng))) for _ in range(most // GENERATIONS)]
        new = list({repr(one): one for one in new if one not in known}.values())
        if not new:
            break
        table = over.table(new)
        possible = is_possible(table)
        if not possible.any():
            continue
        known += [one for one, fits in zip(new, possible, strict=True) if fits]
        scored = score(table[possible].reset_index(drop=True))
        metrics = pd.concat([metrics, scored.reset_index(drop=True)], ignore_index=True)
        best = [known[row] for row in _best(metrics, objectives)]
    places = np.unique(np.linspace(0, len(best) - 1, min(count, len(best))).round().astype(int))
    return [best[place] for place in places]


def _best(metrics: pd.DataFrame, objectives: Objectives) -> list[int]:
    within = np.ones(len(metrics), bool)
    for name, limit in objectives.limited.items():
        if name in metrics:
            within &= metrics[name].fillna(1.0).to_numpy() <= limit
    rows = np.flatnonzero(within)
    values = metrics[list(WAITS)].to_numpy(np.float64)[rows]
    found = [
        int(row)
        for row, value in zip(rows, values, strict=True)
        if not ((values <= value).all(axis=1) & (values < value).any(axis=1)).any()
    ]
    return sorted(found, key=lambda row: tuple(metrics.loc[row, list(WAITS)]))


def _one_of(best: list[dict[str, Any]], rng: np.random.Generator) -> Mapping[str, Any]:
    return best[int(rng.integers(len(best)))] if best else {}


def _choose(rng: np.random.Generator, near: Mapping[str, Any], name: str, among: Range | Choices) -> Any:
    """A value next to the one of a setting, or any if that has none."""
    if isinstance(among, Range):
        if name not in near:
            return among.nearest(rng.uniform(among.low, among.high))
        moved = rng.normal(0.0, STEP * (among.high - among.low)) if rng.random() < MOVED else 0.0
        return among.nearest(near[name] + moved)
    anew = name not in near or rng.random() < CHANGED
    return among[int(rng.integers(len(among)))] if anew else near[name]
