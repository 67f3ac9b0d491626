"""Guarantees: the fastest setting of which it can be said what share of a future call's holds it cuts off.

Goal: "on future calls like these, with 90 % confidence, on average at most x % of a call's holds are cut
off", for a setting picked from many; or how many more calls that would take.
Conventions: a call's share is its cut holds over its holds, a mean over takes, in [0, 1]; calls without holds
have none and are left out. Calls are taken as independent and alike, in a seeded order. The statement is
about the mean of the calls' own shares, not about the pooled rate.
Method: Learn-then-Test (Angelopoulos et al. 2021, "Learn then test: calibrating predictive algorithms to
achieve risk control") with fixed-sequence testing. Some calls, drawn at random, give the order: the Pareto
frontier there, from the fewest cuts to the fastest (by the latency that the budget makes least), of settings
that answer; of a search's settings, those that it found without looking at the other calls. On the others the
settings are tested in that order until one fails; each at the full level, since the order is fixed
beforehand. A test bets against "the mean share is over the budget" (Waudby-Smith &
Ramdas 2024, "Estimating means of bounded random variables by betting", aGRAPA bets): its capital reaches
1 / (1 - confidence) with at most that probability if the setting is over the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from ..core.knobs import KNOBS
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.timeline import Floats
from . import grid as grids
from .choose import Budget, Latency, frontier
from .metrics import per_recording
from .replay import Block
from .sweep import Corpus, Sweep, sweep

ORDERING_SHARE = 0.25
"""Of the calls with holds, those that give the order; the others test."""
LEAST_ORDERING = 3
MOST_CANDIDATES = 30
PRIOR_CALLS = 5
"""Bets begin as if so many calls without a cut had been seen."""
POWER = 0.8
"""How often a study of the planned size succeeds."""
STUDIES, MOST_CALLS = 1000, 3000
USUAL_HOLDS, USUAL_CORRELATION = 10.0, 0.05
"""Holds of a call, and the correlation between them, assumed where there are no calls to learn them from."""


def capital(shares: Floats, budget: float) -> Floats:
    """Logarithm of the largest capital after each call, betting that the mean share is below the budget.

    `shares`: shape=(studies, calls), in [0, 1]; each study begins with capital 1. Returns the same shape.

    >>> reached = np.exp(capital(np.zeros((1, 22)), 0.1)[0])
    >>> int(np.argmax(reached >= 10)) + 1
    22
    """
    studies, calls = shares.shape
    log, seen, squares = np.zeros(studies), np.zeros(studies), np.zeros(studies)
    best, most = np.zeros((studies, calls)), np.zeros(studies)
    for call in range(calls):
        mean = seen / (call + PRIOR_CALLS)
        variance = squares / (call + PRIOR_CALLS) - mean**2
        edge = budget - mean
        bet = np.clip(edge / np.maximum(variance + edge**2, 1e-12), 0.0, 1 / (1 - budget))
        with np.errstate(divide="ignore"):
            log = log + np.log(np.maximum(0.0, 1 + bet * (budget - shares[:, call])))
        most = np.maximum(most, log)
        best[:, call] = most
        seen, squares = seen + shares[:, call], squares + shares[:, call] ** 2
    return best


def certified(shares: Floats, budget: float, confidence: float) -> bool:
    """Whether the mean share of calls like these is at most the budget, with this confidence.

    >>> certified(np.zeros(21), 0.1, 0.9), certified(np.zeros(22), 0.1, 0.9)
    (False, True)
    """
    _check(budget, confidence)
    if not len(shares):
        return False
    return bool(capital(shares[None, :], budget)[0, -1] >= -np.log(1 - confidence) - 1e-12)


def _check(budget: float, confidence: float) -> None:
    for name, value in (("budget", budget), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name} {value:g}: expected more than 0 and less than 1, as in 0.1 for 10 %")


def calls_needed(
    draw: Callable[[np.random.Generator, tuple[int, int]], Floats],
    budget: float,
    confidence: float = 0.9,
    *,
    power: float = POWER,
    seed: int = 0,
) -> int | None:
    """Testing calls with which a share `power` of studies succeed; None if more than `MOST_CALLS`.

    `draw(rng, shape)`: independent shares of calls under the setting.

    >>> calls_needed(lambda rng, shape: np.zeros(shape), 0.1)
    22
    """
    _check(budget, confidence)
    rng = np.random.default_rng(seed)
    for calls in (100, 500, MOST_CALLS):
        shares = draw(rng, (STUDIES, calls))
        passed = (capital(shares, budget) >= -np.log(1 - confidence) - 1e-12).mean(axis=0)
        if passed[-1] >= power:
            return int(np.argmax(passed >= power)) + 1
    return None


def usual_shares(
    rate: float, holds: float = USUAL_HOLDS, correlation: float = USUAL_CORRELATION
) -> Callable[[np.random.Generator, tuple[int, int]], Floats]:
    """Shares of calls whose holds are cut at a rate that differs from call to call (beta-binomial)."""
    strength = (1 - correlation) / correlation

    def draw(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        n = 1 + rng.poisson(rng.gamma(2.0, (holds - 1) / 2, size=shape)) if holds > 1 else np.ones(shape, int)
        if not 0 < rate < 1:
            return np.full(shape, float(rate))
        own = rng.beta(rate * strength, (1 - rate) * strength, size=shape)
        return np.asarray(rng.binomial(n, own) / n)

    return draw


@dataclass(frozen=True)
class Guarantee:
    """What was tested, and the fastest setting that passed, if one did."""

    budget: float
    confidence: float
    row: int | None
    """The setting, a row of the sweep's table; None if none can be certified."""
    shares: tuple[float, ...]
    """Of the testing calls, under that setting, or else under the first one tested."""
    candidates: int
    ordering_calls: int
    testing_calls: int
    without_holds: int
    more_calls: int | None
    """How many more calls would be needed at the share seen; 0 if certified, None if no number would do."""

    def __str__(self) -> str:
        left_out = f"; {self.without_holds} calls without holds are left out" if self.without_holds else ""
        tested = (
            f"tested on {self.testing_calls} calls, in an order found on {self.ordering_calls} others"
            + left_out
        )
        if self.row is not None:
            return (
                f"on future calls like these, with {self.confidence:.0%} confidence, on average at most "
                f"{self.budget:.1%} of a call's holds are cut off ({np.mean(self.shares):.1%} were; {tested})"
            )
        if not self.candidates:
            return f"none of the settings can be certified: none answers often enough on {tested}"
        seen = (
            f"the setting with the fewest cuts had {np.mean(self.shares):.1%}" if self.shares else "no holds"
        )
        more = (
            "no number of calls would do at that rate"
            if self.more_calls is None
            else f"about {self.more_calls} more calls with holds would be needed at that rate"
        )
        return (
            f"no setting can be certified to cut off at most {self.budget:.1%} of a call's holds on average "
            f"with {self.confidence:.0%} confidence: {seen} ({tested}); {more}"
        )


def split(corpus: Corpus, seed: int = 0) -> tuple[list[int], list[int], int]:
    """Ordering and testing recordings, at random, and how many have no holds and are in neither."""
    with_holds = [r for r, one in enumerate(corpus.labelled) if one.n_holds]
    order = np.random.default_rng(seed).permutation(with_holds).astype(int).tolist()
    n = min(len(order), max(LEAST_ORDERING, round(ORDERING_SHARE * len(order))))
    return order[:n], order[n:], len(corpus.labelled) - len(with_holds)


def settings_in(result: Sweep, row: int) -> Settings:
    return grids.settings_of({name: result.table[name].iloc[row] for name in KNOBS})


def shares_of(corpus: Corpus, settings: Sequence[Settings], conditions: Conditions) -> list[Floats]:
    """Each setting's share of cut holds in every recording; holds cut by the recorded agent count as cut."""
    found = []
    for one in settings:
        block = Block.of(one, conditions)
        counts = corpus.score(block, corpus.pauses(block.vad, conditions.frame_duration))
        of_calls = [per_recording(takes, one) for takes, one in zip(counts, corpus.labelled, strict=True)]
        found.append(np.array([call.holds_cut_at_most / call.holds for call in of_calls]))
    return found


def _more_calls(shares: Floats, budget: float, confidence: float, have: int) -> int | None:
    """Calls beyond those at hand, were further ones like the tested; None if no number would do."""
    seen = shares if len(shares) else np.zeros(1)
    if seen.mean() >= budget:
        return None
    needed = calls_needed(lambda rng, shape: rng.choice(seen, size=shape), budget, confidence)
    return None if needed is None else max(1, calls_in_all(needed) - have)


def calls_in_all(testing: int) -> int:
    """Calls with holds that a study needs, those that give the order included.

    >>> calls_in_all(30)
    40
    """
    return max(testing + LEAST_ORDERING, int(np.ceil(testing / (1 - ORDERING_SHARE))))


def certify(
    corpus: Corpus,
    result: Sweep,
    budget: Budget,
    confidence: float = 0.9,
    conditions: Conditions = USUAL_CONDITIONS,
    *,
    seed: int = 0,
) -> Guarantee:
    """The fastest setting of a sweep whose mean share of cut holds is certified to be within the budget.

    Raises ValueError for a budget of another figure: the statement is about false boundaries per hold.
    """
    if budget.limit != "false_boundary_rate":
        raise ValueError(
            f"a guarantee of {budget.limit}: only of the false-boundary rate; give a budget of that"
        )
    _check(budget.most, confidence)
    ordering, testing, without_holds = split(corpus, seed)
    rows: list[int] = []
    knobs = result.table[list(KNOBS)]
    known = result.rows_without(testing)
    if ordering and len(known):
        ordered = sweep(corpus.of_some(ordering), knobs.iloc[known], conditions, quiet=True).table
        rows = known[frontier(ordered, cast(Latency, budget.least), budget.most_missed)].tolist()
        kept_of = np.unique(np.linspace(0, max(0, len(rows) - 1), MOST_CANDIDATES).round().astype(int))
        rows = [rows[k] for k in kept_of if k < len(rows)]
    shares = (
        shares_of(corpus.of_some(testing), [settings_in(result, row) for row in rows], conditions)
        if rows and testing
        else []
    )
    chosen: int | None = None
    kept: Floats = shares[0] if shares else np.zeros(0)
    for row, of_calls in zip(rows, shares, strict=bool(shares)):
        if not certified(of_calls, budget.most, confidence):
            break
        chosen, kept = row, of_calls
    more: int | None = 0
    if chosen is None:
        more = _more_calls(kept, budget.most, confidence, len(ordering) + len(testing))
    return Guarantee(
        budget=budget.most,
        confidence=confidence,
        row=chosen,
        shares=tuple(kept.tolist()),
        candidates=len(rows),
        ordering_calls=len(ordering),
        testing_calls=len(testing),
        without_holds=without_holds,
        more_calls=more,
    )
