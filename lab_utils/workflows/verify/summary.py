"""What came of all drawn cases: counts by mode combination, and every mismatch with both timelines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ...core.settings import Settings
from ...session.commits import TOLERANCE_S, Moment
from .cases import Case
from .compare import Outcome

EXCLUDED = (
    "commits of the session at or after the end of the audio, which the end of a session brings forward"
)
"""The rule by which commits are not compared."""
NEAR_S = 0.25
"""Commits of both sides stand in one line of a timeline if they are no further apart."""
SUMMARY_VERSION = 2
"""Version 1 had its tolerance and errors in ms."""


@dataclass(frozen=True)
class Verification:
    """All outcomes of a draw, in the order of their numbers."""

    seed: int
    paths: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    skipped: tuple[str, ...] = ()
    """Why recordings could not be used."""

    @property
    def mismatches(self) -> tuple[Outcome, ...]:
        """The cases whose commits are not equal."""
        return tuple(outcome for outcome in self.outcomes if not outcome.agrees)


def summary_of(verified: Verification) -> dict[str, Any]:
    """The result as plain values; every mismatch with its setting and both timelines."""
    return {
        "format": "verify-summary",
        "version": SUMMARY_VERSION,
        "seed": verified.seed,
        "paths": list(verified.paths),
        "recordings": sorted({outcome.recording for outcome in verified.outcomes}),
        "skipped": list(verified.skipped),
        "tolerance_s": TOLERANCE_S,
        **counts_of(verified.outcomes),
        "exclusion_rule": EXCLUDED,
        "groups": [
            _names(group) | counts_of(outcomes) for group, outcomes in groups(verified.outcomes).items()
        ],
        "mismatched": [_plain(outcome) for outcome in verified.mismatches],
    }


def every_summary(verified: Verification) -> dict[str, Any]:
    """The same of a run of every detector, with counts by detector and by policy."""
    by = {"by_detector": by_detector, "by_policy": by_policy}
    return summary_of(verified) | {
        name: {key: counts_of(some) for key, some in parted(verified.outcomes).items()}
        for name, parted in by.items()
    }


def counts_of(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Of some cases: how many, their commits, how many disagree, and the largest error.

    The error is taken where both sides have as many commits; None if they have nowhere.
    """
    some = list(outcomes)
    errors = [o.largest_error_s for o in some if not o.failure and math.isfinite(o.largest_error_s)]
    return {
        "settings": len(some),
        "commits": sum(len(outcome.session) for outcome in some),
        "mismatches": sum(not outcome.agrees for outcome in some),
        "largest_error_s": round(max(errors), 9) if errors else None,
        "excluded": int(sum(outcome.excluded for outcome in some)),
        "on_branches": sum(outcome.on_branch for outcome in some),
    }


Group = tuple[str, str, str, str, str]
"""Detector mode, endpointing mode, whether models ran, where transcripts come from, what the caller does."""
GROUP_NAMES = ("detector", "endpointing", "models", "transcripts", "caller")


def group_of(case: Case) -> Group:
    """The mode combination of a case."""
    return (
        case.settings.detector.model,
        case.settings.endpointing.mode,
        "live" if case.live else "traced",
        "from words" if case.from_words else "modelled",
        "goes on" if case.waits is None else "waits",
    )


def groups(outcomes: Iterable[Outcome]) -> dict[Group, list[Outcome]]:
    """The outcomes by mode combination, sorted."""
    found: dict[Group, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(group_of(outcome.case), []).append(outcome)
    return dict(sorted(found.items()))


def by_detector(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes by detector, in the order of their numbers."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.case.settings.detector.model, []).append(outcome)
    return found


def by_policy(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes by what moves their waits and what else is special about them; one may be in several."""
    some = list(outcomes)
    has: dict[str, Callable[[Settings], bool]] = {
        "dynamic endpointing": lambda one: one.endpointing.mode == "dynamic",
        "wait_shape": lambda one: one.policy.wait_shape is not None,
        "extra_delay": lambda one: one.policy.by_words,
        "min_words": lambda one: one.interruption.enabled and one.interruption.min_words > 0,
    }
    found = {name: [one for one in some if kept(one.case.settings)] for name, kept in has.items()}
    return found | {"the caller waits": [one for one in some if one.case.waits is not None]}


def _names(group: Group) -> dict[str, Any]:
    return dict(zip(GROUP_NAMES, group, strict=True))


def aligned(outcome: Outcome) -> list[tuple[Moment | None, Moment | None, bool]]:
    """Both timelines in lines of (replay, session, whether they agree); None where one has no such commit."""
    lines: list[tuple[Moment | None, Moment | None, bool]] = []
    replayed, session = list(outcome.replayed), list(outcome.session)
    while replayed or session:
        ahead_s = (replayed[0].time_s if replayed else math.inf) - (
            session[0].time_s if session else math.inf
        )
        if ahead_s < -NEAR_S:
            lines.append((replayed.pop(0), None, False))
        elif ahead_s > NEAR_S:
            lines.append((None, session.pop(0), False))
        else:
            ours, theirs = replayed.pop(0), session.pop(0)
            lines.append((ours, theirs, abs(ahead_s) <= TOLERANCE_S and ours.cause == theirs.cause))
    return lines


def _plain(outcome: Outcome) -> dict[str, Any]:
    case = outcome.case
    return {
        "case": case.number,
        "recording": outcome.recording,
        "phase": case.phase,
        "path": case.path,
        **_names(group_of(case)),
        "settings": case.settings.model_dump(),
        "conditions": case.conditions.model_dump(),
        "failure": outcome.failure,
        "replayed": [[round(moment.time_s, 6), moment.cause] for moment in outcome.replayed],
        "session": [[round(moment.time_s, 6), moment.cause] for moment in outcome.session],
    }
