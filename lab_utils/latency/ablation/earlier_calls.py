"""With what the prompts of the agent's other calls begin, which a warm prompt cache holds."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from ...session.clock.virtual_time import EPOCH_S
from ...session.scripted.prompt import description, piece
from ..techniques.choice import Techniques
from ..techniques.levers import instructed
from ..techniques.prefix_caching import said_time
from ..techniques.tool_prefetch import Foresight, LookUp, Prefetch
from .scenario import Scenario, Tool

BEFORE_S = 60.0
"""How long before this call another one asked: where the time stands on top, it was another time."""


def earlier_prompt(techniques: Techniques, scenario: Scenario) -> list[str]:
    """The tool and the instructions as tokens, in the order of `StackedAgent`'s prompts.

    With the time of day on top, which other calls tell as it was then, hardly more than the tool is shared.
    """
    instructions = instructed(scenario.instructions, techniques.levers)
    if not techniques.prefix_caching or "timestamp_on_top" in techniques.mistakes:
        then = said_time(datetime.fromtimestamp(EPOCH_S - BEFORE_S, UTC))
        instructions = f"{then}\n\n{instructions}"
    return [*piece("tool", described(scenario.tool)), *piece("system", instructions)]


def described(tool: Tool) -> str:
    """A tool as the model is told of it."""
    return _described(tool.name, tool.description)


@cache
def _described(name: str, about: str) -> str:
    async def call(query: str) -> str:
        return query

    prefetch = Prefetch(lambda *_: None)
    (one,) = Foresight({name: LookUp(about, call, lambda _: None)}, prefetch, on=False).tools()
    return description(one)
