"""Future AGI's ai-evaluation as a judge, in an environment of its own: its `openai` conflicts with LiveKit's.

Calls are handed over as JSON, and its grades come back as JSON, between two processes. Of the environment's
variables it gets what it needs to reach the model, and no key of Future AGI's: it grades by the model that
was named, at the endpoint that was named.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...core.errors import InputError
from ...core.files import BadFile, read_model
from ...core.files.scratch import scratch_folder
from ...core.models import Frozen
from ...core.text import one_line
from .calls import Call
from .judge import Judge, Judgement, script

PACKAGE = "ai-evaluation"
CRITERIA = (
    "The output is a telephone call between a caller and a voice agent. Judge only the agent: 1.0 if every "
    "reply follows from what was said before it; less for replies that ignore or misread the caller, "
    "contradict what was said, repeat themselves or make something up; 0.0 if there is no conversation."
)
_REMEDY = f"make an environment for it: python -m venv apart && apart/bin/pip install {PACKAGE}"
_SCRIPT = Path(__file__).with_name("ai_evaluation_script.py")
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "SSL_CERT_FILE", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
TIMEOUT_S = 90.0
"""For each call, and as much again to start."""


class _Grade(Frozen, strict=False):
    score: float | None
    reason: str
    error: str


def check_python(python: Path) -> None:
    """Raise InputError for a Python that isn't there or can't be run; before anything is told or sent."""
    if not python.is_file():
        raise InputError(f"--python {python}: no such file; {_REMEDY}")
    if not os.access(python, os.X_OK):
        raise InputError(f"--python {python}: can't be run, it isn't executable; {_REMEDY}")


def graded(
    judge: Judge, calls: Sequence[Call], python: Path, environment: Mapping[str, str] = os.environ
) -> list[Judgement]:
    """What ai-evaluation says of each call: 0 to 1 as 1 to 5, and why.

    `python`: of the environment that has it. Raises InputError if it can't be run there.
    """
    check_python(python)
    asked = {"model": f"openai/{judge.model}", "prompt": CRITERIA, "calls": [script(call) for call in calls]}
    passed = {name: environment[name] for name in _PASSED if name in environment}
    passed |= {
        "OPENAI_API_KEY": judge.key,
        "OPENAI_BASE_URL": judge.base_url,
        "OPENAI_API_BASE": judge.base_url,
    }
    passed["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a list of prices from GitHub
    with scratch_folder("evaluation") as folder:
        (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
        command = [python, _SCRIPT, folder / "asked.json", folder / "grades.json"]
        try:
            done = subprocess.run(
                command,
                env=passed,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S * (len(calls) + 1),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise InputError(f"{PACKAGE}: no answer in {TIMEOUT_S:g} s a call; ask it about fewer") from None
        except OSError as error:
            raise InputError(f"--python {python}: can't be run ({error.strerror}); {_REMEDY}") from None
        try:
            grades = read_model(folder / "grades.json", list[_Grade], "grades")
        except (BadFile, OSError):
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            why = judge.without_key(one_line(last))
            raise InputError(f"--python {python}: {PACKAGE} can't be run ({why}); {_REMEDY}") from None
    return [_judgement(one, judge) for one in grades]


def _judgement(grade: _Grade, judge: Judge) -> Judgement:
    if grade.score is None:
        return Judgement(None, error=judge.without_key(one_line(grade.error or "no score")))
    score = min(1.0, max(0.0, grade.score))
    return Judgement(1 + round(4 * score), reason=judge.without_key(one_line(grade.reason), 300))
