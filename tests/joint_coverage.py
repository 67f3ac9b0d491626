"""How often held-out intervals of a joint search contain the truth, in simulated studies.

    python tests/joint_coverage.py 60      # so many studies of each scenario; minutes

Calls and settings are those of `held_out_coverage`; each setting comes with three agents, whose replies take
shorter and cost more. A study chooses the least p95 to the first sound within 10 % false boundaries and $8
per 1,000 turns, on all calls and in each fold. The interval should contain what that choice does on all calls
of the population, and what such choices do on average over studies.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
from held_out_coverage import CALLS, MIN_S, Calls

from lab_utils.latency.ablation.estimates import Estimate
from lab_utils.latency.joint.configuration import DOLLARS
from lab_utils.turns.folds import make_folds
from lab_utils.turns.sweep import Sweep
from lab_utils.workflows.joint.chosen import JointBudget
from lab_utils.workflows.joint.judged import Judge, Judged, Outcomes

AGENTS = ((0.9, 4.0), (0.6, 7.0), (0.45, 12.0))
"""Median time from the commit to the first sound in s, and dollars per 1,000 turns."""
BUDGET = JointBudget("e2e_p95", 0.10, 1.0, most_dollars=8.0)
FIGURES = ("e2e_p50", "e2e_p95", "false_boundary_rate", DOLLARS)
POPULATION = 4000


def draw(calls: Calls, rng: np.random.Generator, n: int) -> Outcomes:
    """Every setting with every agent on so many calls."""
    scores, settings = calls.draw(rng, n), len(MIN_S)

    def repeated(values: np.ndarray) -> np.ndarray:
        return np.tile(values, (1, len(AGENTS)))

    e2e_s, dollars = [], np.zeros((n, settings * len(AGENTS)))
    for r, latency_s in enumerate(scores.latency_s):
        turns = latency_s.shape[1]
        own = rng.lognormal(0, 0.35, turns)
        e2e_s.append(np.concatenate([latency_s + reply_s * own for reply_s, _ in AGENTS]))
        price = turns / 1000 * rng.lognormal(0, 0.2, len(AGENTS)) * [each for _, each in AGENTS]
        dollars[r] = np.repeat(price, settings)
    turns = repeated(scores.turns)
    return Outcomes(
        holds=repeated(scores.holds),
        holds_cut=repeated(scores.holds_cut),
        missed=repeated(scores.missed),
        ends=turns,
        dollars=dollars,
        turns=turns,
        e2e_s=tuple(e2e_s),
        answer_s=tuple(e2e_s),
    )


def study(rng: np.random.Generator, calls: Calls, n: int) -> tuple[int, Judged]:
    """What is chosen on all calls, and its figures held out."""
    outcomes, folds, everyone = draw(calls, rng, n), make_folds(n), np.ones((1, n))

    def table(weights: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({k: v[0] for k, v in outcomes.columns(BUDGET.columns, weights).items()})

    without = []
    for fold in folds:
        outside = everyone.copy()
        outside[:, list(fold)] = 0.0
        without.append(table(outside))
    of_all = table(everyone)
    judge = Judge(Sweep(of_all, folds, tuple(without)), np.arange(len(of_all)), outcomes, tuple(without))
    found = judge.held_out(BUDGET)
    assert found is not None
    return BUDGET.choose(of_all), found


def contains(one: Estimate, truth: float) -> bool:
    return not (one.low > truth or one.high < truth)


def main() -> None:
    studies = int(sys.argv[1]) if sys.argv[1:] else 60
    print("| calls | recordings | figure | coverage: of the choice | on average | width | a limit open |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for calls in CALLS:
        population = draw(calls, np.random.default_rng(0), POPULATION)
        for n in (12, 30):
            rng = np.random.default_rng([7, n])
            done = [study(rng, calls, n) for _ in range(studies)]
            for name in FIGURES:
                every = population.figure(name, np.ones((1, POPULATION)))[0]
                truths, found = every[[choice for choice, _ in done]], [judged[name] for _, judged in done]
                of_choice = np.mean([contains(one, t) for one, t in zip(found, truths, strict=True)])
                average = np.mean([contains(one, float(truths.mean())) for one in found])
                width = np.array([one.high - one.low for one in found])
                print(
                    f"| {calls.name} | {n} | {name} | {of_choice:.1%} | {average:.1%} | "
                    f"{np.nanmean(width):.3f} | {np.isnan(width).mean():.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
