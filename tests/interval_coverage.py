"""`make coverage`: how often 95 % intervals contain the truth, and how wide they are, in simulated studies.

Each scenario is a population of calls. A study draws some calls of it and computes the interval; the truth is
the pooled figure of the whole population (the share of all holds, the mean and percentile of all turns).
- Rates: calls have 1 + a negative binomial number of holds (mean `holds`); a call's own rate is beta
  distributed around the truth, with `correlation` between holds of one call; in "talkative" populations the
  calls with more holds are cut more often.
  The last population is a stress: at 2 % nearly all the cuts are in a few calls.
- Latencies: turns of one call share a log-normal factor; a share of the turns, which differs from call to
  call, waits for `max_delay` (an atom at 2.5 s, spread over four audio phases); some are never answered.
Beside each stand the percentile bootstrap over recordings that this project used at first.
A second table is of figures of a setting that is chosen by the study itself (`held_out_coverage`).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import held_out_coverage
import numpy as np
from joblib import Parallel, delayed

from lab_utils.turns.metrics.uncertainty import Interval, mean_interval, percentile_interval, rate_interval

RECORDINGS = (5, 8, 12, 30)
RATES = (0.02, 0.10, 0.30)
MAX_DELAY_S = 2.5
LEAST_COVERAGE = 0.93
BOOTSTRAPPED, RESAMPLES = 200, 200
"""Studies of a scenario in which the bootstrap is measured too, and its resamples."""


@dataclass(frozen=True)
class Calls:
    """A population of calls, for rates."""

    name: str
    holds: float
    correlation: float
    talkative: bool = False

    def draw(self, rng: np.random.Generator, n: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
        """Cut holds and holds of `n` calls; each shape=(n,)."""
        length = rng.gamma(1.5, (self.holds - 1) / 1.5, size=n)
        holds = 1 + rng.poisson(length)
        mean = np.full(n, rate)
        if self.talkative:  # up to double the rate in long calls, with the pooled rate known by simulation
            mean = rate * (0.5 + np.minimum(1.5, 0.75 * length / (self.holds - 1)))
        strength = (1 - self.correlation) / self.correlation
        own = rng.beta(mean * strength, (1 - mean) * strength)
        return rng.binomial(holds, own).astype(float), holds.astype(float)

    def truth(self, rate: float) -> float:
        if not self.talkative:
            return rate
        cut, holds = self.draw(np.random.default_rng(0), 2_000_000, rate)
        return float(cut.sum() / holds.sum())


CALLS = (
    Calls("short calls", 8, 0.10),
    Calls("long calls", 25, 0.05),
    Calls("long, unlike calls", 25, 0.10),
    Calls("talkative callers are cut more", 15, 0.05, talkative=True),
    Calls("long, very unlike calls", 25, 0.20),
)


@dataclass(frozen=True)
class Turns:
    """A population of calls, for latencies."""

    name: str
    turns: float
    spread: float
    """Of the calls' own factors, on the logarithm."""
    waits: float
    """Share of turns that wait for `max_delay`."""
    missed: float = 0.0

    def draw(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Latencies, and the call of each."""
        count = 1 + rng.poisson(rng.gamma(2.0, (self.turns - 1) / 2, size=n))
        call = np.repeat(np.arange(n), count)
        factor = rng.normal(0, self.spread, size=n)
        own = rng.beta(self.waits * 9, (1 - self.waits) * 9, size=n) if self.waits else np.zeros(n)
        quick = 0.45 + 0.35 * np.exp(factor[call] + rng.normal(0, 0.6, size=len(call)))
        late = MAX_DELAY_S + rng.choice([0.0, 0.008, 0.016, 0.024], size=len(call))
        latency = np.where(rng.random(len(call)) < own[call], late, np.minimum(quick, MAX_DELAY_S))
        return np.where(rng.random(len(call)) < self.missed, np.inf, latency), call

    def truths(self) -> tuple[float, float]:
        """Mean of the answered turns, and the 95th percentile of all."""
        latency, _ = self.draw(np.random.default_rng(0), 300_000)
        answered = latency[np.isfinite(latency)]
        return float(answered.mean()), float(np.quantile(latency, 0.95, method="inverted_cdf"))


TURNS = (
    Turns("no max_delay", 12, 0.25, 0.0),
    Turns("4 % wait for max_delay", 12, 0.15, 0.04),
    Turns("12 % wait for max_delay", 12, 0.15, 0.12),
    Turns("25 % wait, 1 % missed, unlike calls", 12, 0.40, 0.25, 0.01),
)


@dataclass(frozen=True)
class Row:
    """What was found in one scenario; widths are means over the studies whose interval is closed."""

    figure: str
    calls: str
    recordings: int
    truth: float
    coverage: float
    width: float
    open: float
    """Share of studies with a limit that can't be told."""
    bootstrap_coverage: float
    bootstrap_width: float


def _row(
    figure: str, calls: str, n: int, truth: float, ours: list[Interval], before: list[tuple[float, float]]
) -> Row:
    closed = [one.high - one.low for one in ours if one.low is not None and one.high is not None]
    return Row(
        figure=figure,
        calls=calls,
        recordings=n,
        truth=truth,
        coverage=float(np.mean([truth in one for one in ours])),
        width=float(np.mean(closed)) if closed else np.nan,
        open=1 - len(closed) / len(ours),
        bootstrap_coverage=float(np.mean([low <= truth <= high for low, high in before])),
        bootstrap_width=float(np.mean([high - low for low, high in before])),
    )


def rate_row(studies: int, seed: int, number: int, population: Calls, n: int, rate: float) -> Row:
    """A rate's intervals in studies of `n` calls; the bootstrap in at most `BOOTSTRAPPED` of them."""
    truth = population.truth(rate)
    rng = np.random.default_rng([seed, number, n, int(rate * 100)])
    ours, before = [], []
    for study in range(studies):
        cut, holds = population.draw(rng, n, rate)
        ours.append(rate_interval(cut, holds))
        if study < BOOTSTRAPPED:
            draws = rng.integers(n, size=(RESAMPLES, n))
            resampled = cut[draws].sum(axis=1) / holds[draws].sum(axis=1)
            low, high = np.percentile(resampled, [2.5, 97.5])
            before.append((float(low), float(high)))
    return _row(f"rate {rate:.0%}", population.name, n, truth, ours, before)


def latency_pair(studies: int, seed: int, number: int, population: Turns, n: int) -> list[Row]:
    """Mean and 95th percentile of latency in studies of `n` calls."""
    rng = np.random.default_rng([seed, 99, number, n])
    ours: tuple[list[Interval], list[Interval]] = ([], [])
    before: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for study in range(studies):
        latency, call = population.draw(rng, n)
        answered = np.isfinite(latency)
        total = np.bincount(call[answered], latency[answered], minlength=n)
        count = np.bincount(call[answered], minlength=n).astype(float)
        each = [latency[call == c] for c in range(n)]
        ours[0].append(mean_interval(total, count))
        ours[1].append(percentile_interval(each, [1.0] * n, 95))
        if study < BOOTSTRAPPED:
            known = [one[np.isfinite(one)] for one in each]
            draws = [np.concatenate([known[c] for c in rng.integers(n, size=n)]) for _ in range(RESAMPLES)]
            for side, figure in zip(before, (np.mean, lambda x: np.percentile(x, 95)), strict=True):
                low, high = np.percentile([figure(d) for d in draws if len(d)], [2.5, 97.5])
                side.append((float(low), float(high)))
    return [
        _row(f"latency {name}", population.name, n, truth, found, old)
        for name, truth, found, old in zip(("mean", "p95"), population.truths(), ours, before, strict=True)
    ]


def measured(
    studies: int,
    seed: int = 0,
    *,
    calls: Sequence[Calls] = CALLS,
    turns: Sequence[Turns] = TURNS,
    jobs: int = 2,
) -> list[Row]:
    """Every population, number of recordings and figure."""
    rates = [
        delayed(rate_row)(studies, seed, k, population, n, rate)
        for k, population in enumerate(calls)
        for n in RECORDINGS
        for rate in RATES
    ]
    latencies = [
        delayed(latency_pair)(studies, seed, k, population, n)
        for k, population in enumerate(turns)
        for n in RECORDINGS
    ]
    pairs = Parallel(n_jobs=jobs)(latencies)
    return [*Parallel(n_jobs=jobs)(rates), *(row for pair in pairs for row in pair)]


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| figure | calls | recordings | truth | coverage | width | open | bootstrap: coverage | its width |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        unit, scale, digits = ("%", 100, 1) if row.figure.startswith("rate") else ("s", 1, 3)
        width = "–" if np.isnan(row.width) else f"{row.width * scale:.{digits}f} {unit}"
        lines.append(
            f"| {row.figure} | {row.calls} | {row.recordings} | {row.truth * scale:.{digits}f} {unit} "
            f"| {row.coverage:.1%}{'' if row.coverage >= LEAST_COVERAGE else ' (!)'} | {width} "
            f"| {row.open:.0%} "
            f"| {row.bootstrap_coverage:.1%} | {row.bootstrap_width * scale:.{digits}f} {unit} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies of each scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out-studies", type=int, default=100, help="the same, where a study chooses")
    given = parser.parse_args()
    began = time.monotonic()
    rows = measured(given.studies, given.seed)
    print(table(rows))
    arguments = held_out_coverage.scenarios(RECORDINGS)
    chosen = Parallel(n_jobs=2)(
        delayed(held_out_coverage.rows_of)(given.held_out_studies, given.seed, *one) for one in arguments
    )
    ordered = sorted((row for rows in chosen for row in rows), key=lambda row: row.figure)
    print(f"\n{held_out_coverage.table(ordered, LEAST_COVERAGE)}\n")
    held = sum(row.coverage >= LEAST_COVERAGE for row in rows)
    print(
        f"\n{held} of {len(rows)} scenarios at {LEAST_COVERAGE:.0%} or more; "
        f"least {min(row.coverage for row in rows):.1%}; "
        f"{given.studies} studies each, seed {given.seed}, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
