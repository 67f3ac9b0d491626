"""The proof of the replay on one's own recordings: draw settings, compare case by case, sum up.

What is compared and what is not: see `compare`. A case whose replay or session could not be run at all is a
mismatch; a recording that can't be used is left out with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from ..recordings.audio import BadRecording
from ..recordings.find import find_in
from ..session.comparison import TOLERANCE_S, Case, Moment, Outcome, draw_cases, verify

EXCLUDED = (
    "commits of the session at or after the end of the audio, which the end of a session brings forward"
)
"""The rule by which commits are not compared."""
NEAR_S = 0.25
"""Commits of both sides stand in one line of a timeline if they are no further apart."""
SUMMARY_VERSION = 1


@dataclass(frozen=True)
class Proof:
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


def prove(
    paths: Sequence[str | Path],
    settings: int = 24,
    *,
    seed: int = 0,
    case: int | None = None,
    cache: Path | None = None,
    jobs: int = 2,
    channels: tuple[str, str] = ("caller", "agent"),
    quiet: bool = False,
) -> Proof:
    """Draw `settings` cases over the recordings, or take the one case of a number, and compare each.

    The case of a number is the same in every draw with the same seed and recordings. Raises BadRecording if
    no recording can be used.
    """
    files, failed = find_in(paths, channels)
    if failed:
        raise failed[0][1]
    if not files:
        raise BadRecording("no recordings given; name a file or a folder")
    cases = draw_cases(settings if case is None else case + 1, len(files), seed)
    if case is not None:
        cases = [one for one in cases if one.number == case]
    outcomes: list[Outcome] = []
    skipped: dict[str, None] = {}
    try:
        with tqdm(total=len(cases), desc="comparing", unit="setting", disable=quiet) as bar:
            answers = verify(files, cases, cache=cache, processes=min(jobs, len(cases)))
            for one, answer in zip(cases, answers, strict=True):
                bar.update()
                if isinstance(answer, BadRecording):
                    skipped[str(answer)] = None
                elif isinstance(answer, Exception):
                    failure = " ".join(f"{type(answer).__name__}: {answer}".splitlines())
                    outcomes.append(Outcome(one, files[one.recording].name, (), (), 0, failure))
                else:
                    outcomes.append(answer)
    except KeyboardInterrupt as interrupt:
        wrong = [outcome.case.number for outcome in outcomes if not outcome.agrees]
        found_wrong = f"these disagree: {wrong}" if wrong else "all agree"
        raise KeyboardInterrupt(
            f"{len(outcomes)} of {len(cases)} setting(s) compared, {found_wrong}"
        ) from interrupt
    if not outcomes:
        raise BadRecording("; ".join(skipped))
    outcomes.sort(key=lambda outcome: outcome.case.number)
    return Proof(seed, tuple(map(str, paths)), tuple(outcomes), tuple(skipped))


def summary_of(proof: Proof) -> dict[str, Any]:
    """The result as plain values; every mismatch with its setting and both timelines."""
    return {
        "format": "replay-proof",
        "version": SUMMARY_VERSION,
        "seed": proof.seed,
        "paths": list(proof.paths),
        "recordings": sorted({outcome.recording for outcome in proof.outcomes}),
        "skipped": list(proof.skipped),
        "tolerance_ms": TOLERANCE_S * 1000,
        **tally(proof.outcomes),
        "exclusion_rule": EXCLUDED,
        "groups": [_names(group) | tally(outcomes) for group, outcomes in groups(proof.outcomes).items()],
        "mismatched": [_plain(outcome) for outcome in proof.mismatches],
    }


def tally(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Of some cases: how many, their commits, how many disagree, and the largest error.

    The error is taken where both sides have as many commits; None if they have nowhere.
    """
    some = list(outcomes)
    errors = [o.largest_error_s for o in some if not o.failure and math.isfinite(o.largest_error_s)]
    return {
        "settings": len(some),
        "commits": sum(len(outcome.session) for outcome in some),
        "mismatches": sum(not outcome.agrees for outcome in some),
        "largest_error_ms": round(max(errors) * 1000, 6) if errors else None,
        "excluded": int(sum(outcome.excluded for outcome in some)),
    }


Group = tuple[str, str, str, str]
"""Detector mode, endpointing mode, whether models ran, where transcripts come from."""
GROUP_NAMES = ("detector", "endpointing", "models", "transcripts")


def group_of(case: Case) -> Group:
    """The mode combination of a case."""
    return (
        case.settings.detector.model,
        case.settings.endpointing.mode,
        "live" if case.live else "traced",
        "from words" if case.from_words else "modelled",
    )


def groups(outcomes: Iterable[Outcome]) -> dict[Group, list[Outcome]]:
    """The outcomes by mode combination, sorted."""
    found: dict[Group, list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault(group_of(outcome.case), []).append(outcome)
    return dict(sorted(found.items()))


def _names(group: Group) -> dict[str, Any]:
    return dict(zip(GROUP_NAMES, group, strict=True))


def side_by_side(outcome: Outcome) -> list[tuple[Moment | None, Moment | None, bool]]:
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
        **_names(group_of(case)),
        "settings": case.settings.model_dump(),
        "conditions": case.conditions.model_dump(),
        "failure": outcome.failure,
        "replayed": [[round(moment.time_s, 6), moment.cause] for moment in outcome.replayed],
        "session": [[round(moment.time_s, 6), moment.cause] for moment in outcome.session],
    }
