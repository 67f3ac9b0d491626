"""Future AGI's agent-opt beside Optuna: it has a model rewrite the best instructions, in its own words.

Its `RandomSearchOptimizer` (0.0.1) writes variations; what they are worth is measured here as of any other
instructions, for its own measure is a grade by a model. It runs in an environment of its own
(`evaluate.apart`), since its `openai` conflicts with LiveKit's.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from ...core.errors import InputError
from ..evaluate.apart import Apart
from .ask import Model

AGENT_OPT = Apart("agent-opt", Path(__file__).with_name("agent_opt_script.py"))
TIMEOUT_S = 180.0


def rewritten(model: Model, python: Path, text: str, variations: int) -> list[str]:
    """Variations of some instructions, each once; `python`: of the environment that has agent-opt.

    Raises InputError if it can't be run there, or the model writes none.
    """
    asked = {"model": f"openai/{model.model}", "prompt": text, "variations": variations}
    try:
        found = AGENT_OPT.answers(asked, list[str], model, python, TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise InputError(f"{AGENT_OPT.package}: no answer in {TIMEOUT_S:g} s; try again later") from None
    return [one for one in dict.fromkeys(found) if one.strip() and one != text][:variations]
