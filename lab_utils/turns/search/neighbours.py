"""Proposals next to the best that are known: small steps of a few knobs.

Estimators and crossings spread over a whole frontier. What is chosen of it is its least latency within the
limits, where a few steps of several knobs at once are worth more than another look elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

BEST = 4
"""So many of the best are stepped from, for each value of `GROUP`."""
GROUP = "detector"
"""What waits belong to: of each value the best are stepped from, so that none is given up early."""
MOVED, CHANGED = 0.4, 0.08
"""How probably a number is moved, and a name or a switch chosen anew."""
STEP = 0.07
"""Standard deviation of a move, in parts of a knob's range."""


def neighbours(trials: Sequence[FrozenTrial], count: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """So many proposals, as `Study.enqueue_trial` takes them.

    `trials`: complete ones; latency is their second value.
    """
    groups: dict[Any, list[FrozenTrial]] = {}
    for trial in sorted(trials, key=lambda one: (_excess(one), one.values[1])):
        groups.setdefault(trial.params.get(GROUP), []).append(trial)
    ranked = list(groups.values())
    found = []
    for _ in range(count if ranked else 0):
        # of two groups the better one two times out of three, so that the other is caught up with
        group = ranked[min(int(rng.geometric(2 / 3)) - 1, len(ranked) - 1)][:BEST]
        found.append(_step(group[int(rng.integers(len(group)))], rng))
    return found


def _excess(trial: FrozenTrial) -> float:
    """By how much it is beyond the limits."""
    return sum(max(0.0, by) for by in trial.constraints.values())


def _step(trial: FrozenTrial, rng: np.random.Generator) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution  # an extra, and slow to load

    params = dict(trial.params)
    for name, among in trial.distributions.items():
        if isinstance(among, FloatDistribution) and rng.random() < MOVED:
            moved = params[name] + rng.normal(0.0, STEP * (among.high - among.low))
            params[name] = float(np.clip(moved, among.low, among.high))
        elif isinstance(among, CategoricalDistribution) and name != GROUP and rng.random() < CHANGED:
            params[name] = among.choices[int(rng.integers(len(among.choices)))]
    return params
