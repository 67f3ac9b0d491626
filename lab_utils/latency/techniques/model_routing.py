"""Technique 4: edge model routing.

What it does: a small, fast model answers short turns that ask nothing; the large one answers the others. Both
see the same chat context.

LiveKit surface: `llm_node`. The guide assigns `self.llm` in `on_user_turn_completed`: in 1.8.9 that property
has no setter, the AttributeError is logged and the turn gets no reply. And with preemptive generation the LLM
is called *before* that hook, so a choice made there would come too late.

What 1.8.9 does by itself: nothing; routing is the agent's.

Common mistake: sending everything to the large model "for quality"; and (technique 9) going by length alone.

Offline: two models with latencies, prompt caches and connections of their own. A conversation routed back and
forth warms both caches, each with gaps: what routing saves in time to first token it may lose in cache reads.
"""

from __future__ import annotations

from typing import Literal

from .choice import Techniques
from .intents import Intent

Model = Literal["large", "small"]

SHORT_CHARACTERS = 60
"""The guide's limit: texts below it are short."""


def is_short_statement(text: str) -> bool:
    """The guide's rule: fewer than 60 characters and no question mark."""
    return 0 < len(text.strip()) < SHORT_CHARACTERS and "?" not in text


def model_for(techniques: Techniques, text: str, intent: Intent, needs_tool: bool) -> Model:
    """The model that answers a user's text.

    With both routing techniques on, meaning decides rather than length: a short request or question goes to
    the large model. Turns that need a tool, and replies to no text, always go to the large model.
    """
    if needs_tool or not text.strip():
        return "large"
    if techniques.short_turn_models:
        if intent == "acknowledgement":
            return "small"
        if intent != "statement":
            return "large"
    return "small" if techniques.model_routing and is_short_statement(text) else "large"
