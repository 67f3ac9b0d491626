"""Evaluates finished calls: words, audio, task, claims, coherence; and groups what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...core.batch import results, run_batch
from ...recordings.audio import BadRecording
from ...recordings.find import find_in, results_of
from ...recordings.formats.livekit_history import Said
from ...recordings.recording_files import FindOptions
from ...turns.cache.finished import Kept, Run, came_to_its_end
from ...turns.metrics.uncertainty import Interval
from .ai_evaluation import AI_EVALUATION, graded
from .calls import Call, read_call
from .checks import Failure, Task, claims_of, misheard, session_failures, task_of, why_no_claims
from .expectations import Expectations
from .groups import Group, grouped
from .judge import Judge, Judgement, Verdict, asked, judgement_of, script
from .words import WordErrors, errors_of, pooled

SLOW_S = 3.0
"""A reply that is heard later is a failure, if nothing else is asked for."""
_AUDIO = ("speech_level_dbfs", "snr_db", "clipped_ratio", "dropouts")
INCOHERENT = 3
"""A grade of a whole call from which on it is a failure, where single replies aren't blamed."""


@dataclass(frozen=True)
class Evaluated:
    """One call, and what was found."""

    call: Call
    words: WordErrors | None
    task: Task
    claims: int
    """How often the agent said that it had done something."""
    failures: tuple[Failure, ...]
    judgement: Judgement | None = None
    why_no_claims: str = ""
    """Why claims that were to be looked for couldn't be."""

    def row(self) -> dict[str, Any]:
        """The call as a row of the table; None where nothing is known."""
        broken = sum(one.cause.startswith("claim:") for one in self.failures)
        told = self.claims or None
        row: dict[str, Any] = {
            "call": self.call.name,
            "source": self.call.source,
            "turns": sum(one.user is not None for one in self.call.exchanges),
            "words_known": self.words.known if self.words else None,
            "word_errors": self.words.errors if self.words else None,
            "word_error_rate": self.words.rate if self.words else None,
            "task_done": self.task.done,
            "claims": told,
            "claims_without_call": broken if told else None,
            "coherence": self.judgement.coherence if self.judgement else None,
            "line": self.call.line,
            "noise": self.call.noise,
            "failures": len(self.failures),
        }
        for side in ("user", "agent"):
            score = getattr(self.call.audio, side) if self.call.audio else None
            row |= {f"{side}_{name}": getattr(score, name, None) for name in _AUDIO}
        return row


@dataclass(frozen=True)
class Evaluation:
    """All calls, in the order they were found."""

    calls: tuple[Evaluated, ...]
    skipped: tuple[str, ...] = ()
    """Why a path or a call couldn't be used, a line each."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per call (`Evaluated.row`)."""
        return pd.DataFrame([one.row() for one in self.calls]).convert_dtypes()

    @cached_property
    def failures(self) -> pd.DataFrame:
        """A row per failure: call, cause, exchange, at_s, detail."""
        rows = [asdict(failure) for one in self.calls for failure in one.failures]
        columns = list(Failure.__dataclass_fields__)
        frame = pd.DataFrame(rows, columns=columns)
        return frame.astype(
            {"exchange": "Int64", "at_s": "Float64"} | dict.fromkeys(("cause", "detail"), "str")
        )

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The failures by cause, the biggest group first."""
        failures = [failure for one in self.calls for failure in one.failures]
        return grouped(failures, [one.call for one in self.calls])

    @property
    def word_error_rate(self) -> tuple[float, Interval] | None:
        """Over all calls whose words are known, with its interval; None without any."""
        return pooled([one.words for one in self.calls if one.words])

    def counts(self) -> dict[str, int]:
        """How many calls each question was answered for, and how."""
        done = [one.task.done for one in self.calls]
        made = sum(one.claims for one in self.calls)
        broken = sum(f.cause.startswith("claim:") for one in self.calls for f in one.failures)
        return {
            "calls": len(self.calls),
            "words_known": sum(one.words is not None for one in self.calls),
            "task_done": done.count(True),
            "task_not_done": done.count(False),
            "claims": made,
            "claims_without_call": broken,
            "judged": sum(
                one.judgement is not None and one.judgement.coherence is not None for one in self.calls
            ),
            "failures": sum(len(one.failures) for one in self.calls),
        }

    @property
    def coherence(self) -> float | None:
        """The mean of what a judge gave; None without."""
        given = [one.judgement.coherence for one in self.calls if one.judgement and one.judgement.coherence]
        return float(np.mean(given)) if given else None

    @property
    def untold(self) -> tuple[str, ...]:
        """What isn't known of some calls, and why; a line each, with the number of calls."""
        reasons: dict[str, int] = {}
        for one in self.calls:
            for reason in _untold(one):
                reasons[reason] = reasons.get(reason, 0) + 1
        return tuple(f"{n} of {len(self.calls)} call(s): {reason}" for reason, n in reasons.items())


def _untold(one: Evaluated) -> list[str]:
    found = []
    if not one.call.has_text:
        found.append("what was said wasn't kept (lab run --text keeps it): no word errors, claims, judge")
    elif one.call.known is None:
        found.append(
            "no known words: put labels with the caller's words beside the recording (docs/labels.md)"
        )
    if one.task.done is None and one.task.why_untold:
        found.append(f"task: {one.task.why_untold}")
    if one.why_no_claims:
        found.append(f"claims: {one.why_no_claims}")
    if one.judgement and one.judgement.error:
        found.append(f"no judgement: {one.judgement.error}")
    return found


def _nobody(_: str) -> None:
    """Nobody wants to be told."""


def evaluate(
    paths: Sequence[str | Path],
    expectations: Expectations | None = None,
    *,
    judge: Judge | None = None,
    ai_evaluation: Path | None = None,
    slow_s: float = SLOW_S,
    channels: tuple[str, str] = ("caller", "agent"),
    options: FindOptions | None = None,
    jobs: int = 1,
    quiet: bool = False,
    tell: Callable[[str], None] = _nobody,
) -> Evaluation:
    """Evaluate sessions of `lab run` and imported ones; calls that can't be used are skipped with the reason.

    `expectations`: what the calls should have achieved. `judge`: is sent the words and tool calls of
    each call; `tell` is called before with what is sent, and to whom. `ai_evaluation`: the Python of an
    environment that has ai-evaluation, which asks the judge then. `slow_s`: see `SLOW_S`. Raises BadRecording
    if no call can be used, InputError for a Python that can't.
    """
    if ai_evaluation is not None:
        AI_EVALUATION.check(ai_evaluation)
    found, failed = find_in(paths, channels, options)
    skipped = [str(error) for _, error in failed]
    calls: list[Call] = []
    outcomes = run_batch(read_call, found, jobs=jobs, task="reading calls", unit="call", quiet=quiet)
    for result in results_of(found, outcomes, "evaluated"):
        if isinstance(result, Call):
            calls.append(result)
        else:
            skipped.append(str(result))
    if not calls:
        raise BadRecording(
            "; ".join(skipped) or "no sessions given; name a folder of lab run or of recordings"
        )
    readable = [call for call in calls if call.has_text]
    judgements: dict[str, Judgement] = {}
    if judge is not None and readable:
        tell(judge.told(readable))
        given = _judgements(judge, readable, ai_evaluation, quiet)
        judgements = {call.name: one for call, one in zip(readable, given, strict=True)}
    declared = expectations or Expectations()
    evaluated = (_evaluated(call, declared, slow_s, judgements.get(call.name)) for call in calls)
    return Evaluation(tuple(evaluated), tuple(skipped))


def _judgements(
    judge: Judge, calls: Sequence[Call], ai_evaluation: Path | None, quiet: bool
) -> Iterable[Judgement]:
    if ai_evaluation is not None:
        return graded(judge, calls, ai_evaluation)
    return _judged_by(judge, calls, quiet)


def _judged_by(judge: Judge, calls: Sequence[Call], quiet: bool) -> Iterator[Judgement]:
    """An answer is paid for: it is kept until the command has ended."""
    kept = Kept(Verdict, came_to_its_end, quotes=True)
    run = Run(asked, [(judge, script(call)) for call in calls], kept, "judgement", paid=True)
    for call, verdict in zip(calls, results(run.in_batch("judging", quiet=quiet)), strict=True):
        yield judgement_of(call, verdict)


def _evaluated(
    call: Call, expectations: Expectations, slow_s: float, judgement: Judgement | None
) -> Evaluated:
    expected = expectations.of(call.name)
    words = errors_of(call)
    task, missing = task_of(call, expected)
    claims, broken = claims_of(call, expected)
    failures = (
        *missing,
        *broken,
        *session_failures(call, slow_s),
        *misheard(call, words),
        *_judged(call, judgement),
    )
    return Evaluated(call, words, task, claims, failures, judgement, why_no_claims(call, expected))


def _judged(call: Call, judgement: Judgement | None) -> Iterator[Failure]:
    """What a judge blames: single replies, or the call, where it told a reason for all of it."""
    if judgement is None or judgement.coherence is None:
        return
    if judgement.reason and judgement.coherence <= INCOHERENT:
        yield Failure(call.name, f"judge: coherence {INCOHERENT} or less of 5", detail=judgement.reason)
    for place, what in judgement.problems:
        said = call.items[place]
        assert isinstance(said, Said)
        number = call.exchange_of(place)
        yield Failure(call.name, f"judge: the agent {what}", number, said.start_s, said.text or "")
