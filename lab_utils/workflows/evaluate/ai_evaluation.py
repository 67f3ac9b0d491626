"""Future AGI's ai-evaluation as a judge, in an environment of its own: its `openai` conflicts with LiveKit's.

It gets no key of Future AGI's (`apart`): it grades by the model that was named, at the endpoint named.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.batch import results
from ...core.errors import InputError
from ...core.models import Frozen
from ...core.text import one_line
from ...turns.cache.finished import Kept, Run
from .apart import NETWORK, Apart, passed_on
from .calls import Call
from .judge import Judge, Judgement, script

AI_EVALUATION = Apart("ai-evaluation", Path(__file__).with_name("ai_evaluation_script.py"))
CRITERIA = (
    "The output is a telephone call between a caller and a voice agent. Judge only the agent: 1.0 if every "
    "reply follows from what was said before it; less for replies that ignore or misread the caller, "
    "contradict what was said, repeat themselves or make something up; 0.0 if there is no conversation."
)
TOGETHER = 10
"""Calls that are asked about at once: it takes seconds to load, and a kill costs so many answers."""
TIMEOUT_S = 90.0
"""For each call, and as much again to start."""


class _Grade(Frozen, strict=False):
    score: float | None
    reason: str
    error: str


def graded(
    judge: Judge, calls: Sequence[Call], python: Path, environment: Mapping[str, str] = os.environ
) -> list[Judgement]:
    """What ai-evaluation says of each call: 0 to 1 as 1 to 5, and why.

    `python`: of the environment that has it. Inside `going_on` what it was asked `TOGETHER` is kept. Raises
    InputError if it can't be run there.
    """
    scripts = [script(call) for call in calls]
    parts = [tuple(scripts[k : k + TOGETHER]) for k in range(0, len(scripts), TOGETHER)]
    other = _Other(str(python), AI_EVALUATION.installed(python, environment), passed_on(environment))
    work = [(judge, other, part) for part in parts]
    run = Run(_asked, work, Kept(_Grades, _all_are_there, quotes=True), "part", paid=True)
    found = results(run.in_batch("judging", quiet=True))
    return [_judgement(one, judge) for part in found for one in part.grades]


@dataclass(frozen=True)
class _Other:
    """The environment that has it."""

    python: str
    installed: str
    """`Apart.installed`"""
    variables: Mapping[str, str]
    """`passed_on`"""

    @property
    def made_of(self) -> tuple[Any, ...]:
        """What an answer may depend on: not a shell's PATH and HOME."""
        network = {name: value for name, value in self.variables.items() if name in NETWORK}
        return self.python, self.installed, network


@dataclass(frozen=True)
class _Grades:
    """Of some calls."""

    grades: list[_Grade]


def _all_are_there(of: _Grades) -> bool:
    return all(one.score is not None for one in of.grades)


def _asked(judge: Judge, other: _Other, scripts: Sequence[str]) -> _Grades:
    asked = {"model": f"openai/{judge.model}", "prompt": CRITERIA, "calls": list(scripts)}
    timeout_s = TIMEOUT_S * (len(scripts) + 1)
    try:
        grades = AI_EVALUATION.answers(
            asked, list[_Grade], judge, Path(other.python), timeout_s, other.variables
        )
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{AI_EVALUATION.package}: no answer in {TIMEOUT_S:g} s a call; ask it about fewer"
        ) from None
    return _Grades(grades)


def _judgement(grade: _Grade, judge: Judge) -> Judgement:
    if grade.score is None:
        return Judgement(None, error=judge.without_key(one_line(grade.error or "no score")))
    score = min(1.0, max(0.0, grade.score))
    return Judgement(1 + round(4 * score), reason=judge.without_key(one_line(grade.reason), 300))
