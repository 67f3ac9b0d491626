"""How often intervals of held-out figures contain the truth, in simulated studies of a grid of settings.

A study draws some calls, chooses a setting under a budget on all of them, and in each fold without it
(`choice_variance`). There are two truths, and the interval should contain both: what the setting that
was chosen on all calls does on all calls of the population, and what such choices do on average over studies.
- Holds last log-normally long, turns end; each has a probability of an end of turn. A call has its own
  hesitancy and its own bias of the detector.
- A setting waits `min_delay` where that probability is above its threshold, else `max_delay`.
Beside it stands the interval that takes the settings of the folds as given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab_utils.turns.choose import Budget
from lab_utils.turns.folds import make_folds
from lab_utils.turns.held_out.choice_variance import Scores, choices, draws_of, extra_variances
from lab_utils.turns.metrics import PerRecording, figures
from lab_utils.turns.metrics.uncertainty import Interval

DELAYS = [
    *(
        (a, b, t)
        for a in (0.3, 0.5, 0.8, 1.2)
        for b in (0.8, 1.2, 2.0, 3.0, 4.0)
        for t in (0.2, 0.36, 0.5)
        if b > a
    ),
    *((a, a, 1.0) for a in (0.3, 0.5, 0.8, 1.2, 2.0, 3.0)),
]
MIN_S, MAX_S, THRESHOLD = (np.array(column) for column in zip(*DELAYS, strict=True))
FIGURES = ("false_boundary_rate", "latency_mean", "latency_p95")
DRAWS = 100


@dataclass(frozen=True)
class Calls:
    """A population of calls."""

    name: str
    holds: float
    hesitancy: float
    """Spread of the calls' own factors on the length of holds, on the logarithm."""
    bias: float
    """Spread of the detector's bias, on the log odds."""

    def draw(self, rng: np.random.Generator, n: int) -> Scores:
        slow, own = rng.normal(0, self.hesitancy, n), rng.normal(0, self.bias, n)
        holds = 1 + rng.poisson(rng.gamma(1.5, (self.holds - 1) / 1.5, n))
        turns = 1 + rng.poisson(rng.gamma(3.0, 10 / 3, n))
        of_hold, of_turn = np.repeat(np.arange(n), holds), np.repeat(np.arange(n), turns)
        lasts_s = np.exp(rng.normal(np.log(0.5) + slow[of_hold], 0.7))[:, None]
        likely = _probability(rng, own[of_hold] - 0.8) > THRESHOLD
        cut = _sums(lasts_s > np.where(likely, MIN_S, MAX_S), holds)
        heard_s = rng.gamma(2.0, 0.03, len(of_turn))[:, None]
        likely = _probability(rng, own[of_turn] + 1.2) > THRESHOLD
        latency_s = np.where(likely, MIN_S, MAX_S) + heard_s
        none, many = np.zeros_like(cut), np.ones(len(MIN_S))
        return Scores(
            holds=np.outer(holds, many),
            holds_cut=cut,
            turns=np.outer(turns, many),
            turns_cut=none,
            timeouts=_sums(~likely, turns),
            missed=none,
            total_s=_sums(latency_s, turns),
            latency_s=tuple(part.T for part in np.split(latency_s, np.cumsum(turns)[:-1])),
            takes=np.ones(n),
        )


def _probability(rng: np.random.Generator, log_odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-rng.normal(log_odds, 1.2)))[:, None]


def _sums(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return np.add.reduceat(values.astype(float), starts, axis=0)


CALLS = (Calls("alike calls", 10, 0.15, 0.3), Calls("unlike calls", 10, 0.4, 0.6))
BUDGETS = (0.02, 0.10, 0.30)


@dataclass(frozen=True)
class Row:
    """What was found in one scenario, of one figure; coverages of the two truths."""

    figure: str
    calls: str
    recordings: int
    budget: float
    of_choice: float
    on_average: float
    width: float
    open: float
    given: float
    """Coverage of the first truth, were the settings of the folds taken as given."""
    given_on_average: float
    given_width: float


def _taken(scores: Scores, fixed: np.ndarray) -> list[PerRecording]:
    """Each recording under its own setting."""
    return [
        PerRecording(
            holds=int(scores.holds[r, s]),
            holds_cut=scores.holds_cut[r, s],
            holds_cut_at_most=scores.holds_cut[r, s],
            turns=int(scores.turns[r, s]),
            turns_cut=0.0,
            turns_cut_at_most=0.0,
            timeouts=scores.timeouts[r, s],
            missed=0.0,
            in_no_label=0.0,
            latency_s=scores.latency_s[r][s][None, :],
        )
        for r, s in enumerate(fixed)
    ]


Study = tuple[int, dict[str, Interval], dict[str, Interval]]


def _study(rng: np.random.Generator, calls: Calls, n: int, budget: Budget) -> Study:
    scores, folds = calls.draw(rng, n), make_folds(n)
    everyone = np.ones((1, n))
    fixed = np.empty(n, dtype=np.int64)
    for fold in folds:
        outside = everyone.copy()
        outside[:, list(fold)] = 0.0
        fixed[list(fold)] = choices(scores, outside, budget)[0]
    weights = draws_of(n, DRAWS, int(rng.integers(2**31)))
    extra = extra_variances(scores, folds, fixed, budget, weights, FIGURES)
    taken = _taken(scores, fixed)
    found, given = (
        {
            name: Interval(*(None if np.isnan(x) else x for x in frame.loc[name, ["low", "high"]]))
            for name in FIGURES
        }
        for frame in (figures(taken, extra), figures(taken))
    )
    return int(choices(scores, everyone, budget)[0]), found, given


def rows_of(studies: int, seed: int, number: int, calls: Calls, n: int, most: float) -> list[Row]:
    """All figures of one scenario."""
    rng = np.random.default_rng([seed, 7, number, n, int(most * 100)])
    budget = Budget.false_boundary_rate(most)
    population = calls.draw(np.random.default_rng(0), 20_000)
    weights = np.ones((1, 20_000))
    done = [_study(rng, calls, n, budget) for _ in range(studies)]
    chosen = [choice for choice, _, _ in done]
    rows = []
    for name in FIGURES:
        truths = population.figure(name, weights)[0][chosen]
        average = float(truths.mean())
        found, given = ([study[side][name] for study in done] for side in (1, 2))
        closed, closed_given = (
            [one.high - one.low for one in side if one.low is not None and one.high is not None]
            for side in (found, given)
        )
        rows.append(
            Row(
                figure=name,
                calls=calls.name,
                recordings=n,
                budget=most,
                of_choice=float(np.mean([t in one for t, one in zip(truths, found, strict=True)])),
                on_average=float(np.mean([average in one for one in found])),
                width=float(np.mean(closed)) if closed else np.nan,
                open=1 - len(closed) / len(found),
                given=float(np.mean([t in one for t, one in zip(truths, given, strict=True)])),
                given_on_average=float(np.mean([average in one for one in given])),
                given_width=float(np.mean(closed_given)) if closed_given else np.nan,
            )
        )
    return rows


def scenarios(recordings: Sequence[int]) -> Iterator[tuple[int, Calls, int, float]]:
    """Arguments of `rows_of` after studies and seed."""
    for number, calls in enumerate(CALLS):
        for n in recordings:
            for most in BUDGETS:
                yield number, calls, n, most


def table(rows: Sequence[Row], least: float) -> str:
    """The rows as Markdown."""
    lines = [
        "| held out | calls | recordings | budget | coverage: of the choice | on average | width | open "
        "| settings given: of the choice | on average | width |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        unit, scale, digits = ("%", 100, 1) if row.figure.endswith("rate") else ("s", 1, 3)
        widths = [
            "–" if np.isnan(width) else f"{width * scale:.{digits}f} {unit}"
            for width in (row.width, row.given_width)
        ]
        covered = [f"{one:.1%}{'' if one >= least else ' (!)'}" for one in (row.of_choice, row.on_average)]
        lines.append(
            f"| {row.figure.replace('_', ' ')} | {row.calls} | {row.recordings} | {row.budget:.0%} "
            f"| {covered[0]} | {covered[1]} | {widths[0]} | {row.open:.0%} "
            f"| {row.given:.1%} | {row.given_on_average:.1%} | {widths[1]} |"
        )
    return "\n".join(lines)
