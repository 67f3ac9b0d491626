"""What replies to the same turns measure, and what is asked of them beside.

Definitions: `first_sentence_characters`, `reply_characters`: mean over turns; `first_token_s`,
`first_sentence_s`: median; `dollars`: of LLM and TTS per 1,000 turns, by the prices of a provider profile's
large model and TTS, without prompt caching; None where the server doesn't tell all tokens. `failures`:
patterns that the agent didn't say in a call, and claims, as `lab evaluate --expect` counts them; no tool is
offered, so every claim is broken.
`coherence`: the mean of a judge's grades of the calls, 1 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.errors import InputError
from ...recordings.formats.livekit_history import Said
from ...session.providers.schema import Providers
from ..evaluate.calls import Call
from ..evaluate.checks import claims_of, task_of
from ..evaluate.expectations import Expectations
from ..evaluate.judge import Judge
from .ask import Reply
from .turns import AskedTurn

OBJECTIVES = ("first_sentence_characters", "first_token_s", "first_sentence_s", "dollars")
"""What a search can make least."""
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Limits:
    """What replies must keep to."""

    expected: Expectations | None = None
    """Instructions with more failures than those that stand in the file are not chosen."""
    judge: Judge | None = None
    least_coherence: float = 4.0

    def beyond(self, figures: Figures, as_it_stands: Figures) -> tuple[str, ...]:
        """The names of figures that don't keep to a limit."""
        failures, most = (one.get("failures") or 0.0 for one in (figures, as_it_stands))
        coherence = figures.get("coherence")
        incoherent = coherence is not None and coherence < self.least_coherence
        return ("failures",) * (failures > most) + ("coherence",) * incoherent


def figures_of(turns: Sequence[AskedTurn], replies: Sequence[Reply], prices: Providers) -> Figures:
    """Figures of the replies alone; one for each turn."""
    spent = [_dollars(one, prices) for one in replies]
    told = [one for one in spent if one is not None]
    return {
        "first_sentence_characters": float(np.mean([len(one.first_sentence) for one in replies])),
        "first_token_s": float(np.median([one.first_token_s for one in replies])),
        "first_sentence_s": float(np.median([one.first_sentence_s for one in replies])),
        "reply_characters": float(np.mean([len(one.text) for one in replies])),
        "dollars": 1000 * sum(told) / len(turns) if len(told) == len(spent) else None,
    }


def _dollars(reply: Reply, prices: Providers) -> float | None:
    if reply.prompt_tokens is None or reply.completion_tokens is None:
        return None
    tokens = (
        reply.prompt_tokens * prices.large.input_price + reply.completion_tokens * prices.large.output_price
    )
    return (tokens + len(reply.text) * prices.tts.price) / 1e6


def objective_of(figures: Figures, objective: str) -> float:
    """What is made least. Raises InputError for dollars that the server doesn't tell enough for."""
    value = figures[objective]
    if value is None:
        raise InputError(
            f"--minimize {objective}: the server doesn't tell how many tokens each reply took (usage); "
            "minimize something else"
        )
    return value


def value_of(objective: str, reply: Reply, prices: Providers) -> float:
    """The objective of one turn, for differences turn by turn."""
    return objective_of(figures_of([AskedTurn("", ())], [reply], prices), objective)


def failures_of(turns: Sequence[AskedTurn], replies: Sequence[Reply], expected: Expectations) -> int:
    """How much of what was expected is missing, over all calls."""
    found = 0
    for call in calls_of(turns, replies):
        own = [one.model_copy(update={"tools": [], "caller_says": []}) for one in expected.of(call.name)]
        found += len(task_of(call, own)[1]) + len(claims_of(call, own)[1])
    return found


def calls_of(turns: Sequence[AskedTurn], replies: Sequence[Reply]) -> list[Call]:
    """The turns and their replies, call by call."""
    items: dict[str, list[Said]] = {}
    for turn, reply in zip(turns, replies, strict=True):
        items.setdefault(turn.call, []).extend((Said("user", turn.said), Said("agent", reply.text)))
    return [Call(name, "", "lab prompts", tuple(said), tools_told=True) for name, said in items.items()]
