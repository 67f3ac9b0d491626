"""How many calls a guarantee takes, before there are any."""

from __future__ import annotations

from dataclasses import dataclass

from ..turns.guarantee import (
    POWER,
    USUAL_CORRELATION,
    USUAL_HOLDS,
    calls_in_all,
    calls_needed,
    usual_shares,
)


@dataclass(frozen=True)
class CallPlan:
    """Calls for a guarantee of a budget, were holds cut at some rate."""

    rate: float
    budget: float
    confidence: float
    holds: float
    calls: int | None
    """With holds, in all; None if no number would do."""
    testing_calls: int | None
    least_testing_calls: int
    """If nothing were cut at all."""

    def __str__(self) -> str:
        least = f"never with fewer than {self.least_testing_calls} testing calls, even if none is cut"
        if self.calls is None:
            return (
                f"a rate of {self.rate:.1%} can't be certified to be at most {self.budget:.1%} with "
                f"{self.confidence:.0%} confidence by any number of calls; {least}"
            )
        return (
            f"{self.calls} calls with holds, {self.testing_calls} of them for testing: then {POWER:.0%} of "
            f"studies certify at most {self.budget:.1%} with {self.confidence:.0%} confidence, if "
            f"{self.rate:.1%} of the holds are cut and calls have about {self.holds:g} holds; {least}"
        )


def plan_calls(
    rate: float, budget: float, confidence: float = 0.9, holds: float = USUAL_HOLDS, seed: int = 0
) -> CallPlan:
    """Raises ValueError for figures that are no shares, or a call without holds."""
    if not 0 <= rate <= 1:
        raise ValueError(f"rate {rate:g}: expected 0 to 1, as in 0.02 for 2 %")
    if holds < 1:
        raise ValueError(f"holds {holds:g}: expected at least 1 a call; calls without holds tell nothing")
    least = calls_needed(usual_shares(0.0), budget, confidence)
    draw = usual_shares(rate, holds, USUAL_CORRELATION)
    testing = calls_needed(draw, budget, confidence, seed=seed) if rate < budget else None
    return CallPlan(
        rate=rate,
        budget=budget,
        confidence=confidence,
        holds=holds,
        calls=None if testing is None else calls_in_all(testing),
        testing_calls=testing,
        least_testing_calls=least or 0,
    )
