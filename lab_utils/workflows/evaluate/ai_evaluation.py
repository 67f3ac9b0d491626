"""Future AGI's ai-evaluation as a judge, in an environment of its own: its `openai` conflicts with LiveKit's.

It gets no key of Future AGI's (`apart`): it grades by the model that was named, at the endpoint named.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.errors import InputError
from ...core.models import Frozen
from ...core.text import one_line
from .apart import Apart
from .calls import Call
from .judge import Judge, Judgement, script

AI_EVALUATION = Apart("ai-evaluation", Path(__file__).with_name("ai_evaluation_script.py"))
CRITERIA = (
    "The output is a telephone call between a caller and a voice agent. Judge only the agent: 1.0 if every "
    "reply follows from what was said before it; less for replies that ignore or misread the caller, "
    "contradict what was said, repeat themselves or make something up; 0.0 if there is no conversation."
)
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

    `python`: of the environment that has it. Raises InputError if it can't be run there.
    """
    asked = {"model": f"openai/{judge.model}", "prompt": CRITERIA, "calls": [script(call) for call in calls]}
    timeout_s = TIMEOUT_S * (len(calls) + 1)
    try:
        grades = AI_EVALUATION.answers(asked, list[_Grade], judge, python, timeout_s, environment)
    except subprocess.TimeoutExpired:
        raise InputError(
            f"{AI_EVALUATION.package}: no answer in {TIMEOUT_S:g} s a call; ask it about fewer"
        ) from None
    return [_judgement(one, judge) for one in grades]


def _judgement(grade: _Grade, judge: Judge) -> Judgement:
    if grade.score is None:
        return Judgement(None, error=judge.without_key(one_line(grade.error or "no score")))
    score = min(1.0, max(0.0, grade.score))
    return Judgement(1 + round(4 * score), reason=judge.without_key(one_line(grade.reason), 300))
