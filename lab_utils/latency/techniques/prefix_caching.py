"""Technique 3: prompt prefix caching.

What it does: the instructions stand first in the prompt, the same byte for byte in every call, so that the
provider reuses what it has computed for them; what changes (the time of day) stands at the end.

LiveKit surface: `Agent.instructions`, `chat_ctx`; Anthropic's plugin takes `caching="ephemeral"` (the guide's
`cache_control=` is an unknown argument in 1.8.9). OpenAI caches unasked from 1,024 tokens on.

What 1.8.9 does by itself: keeps the instructions first and unchanged, and ends them with a `CacheBreakpoint`.
So with a provider that caches unasked, off is less than the default.

Common mistake ("timestamp_on_top"): the time of day or the caller's name at the top: no prefix ever matches.

Offline: the provider's cache knows prefixes of the actual prompt by their hash, with the provider's minimum
length and time to live. Only what matches makes the first token sooner.
"""

from __future__ import annotations

from datetime import datetime

from livekit.agents import llm


def with_time_on_top(chat_ctx: llm.ChatContext, now: datetime) -> llm.ChatContext:
    """The mistake: a copy whose first system message begins with the time."""
    items = list(chat_ctx.items)
    for index, item in enumerate(items):
        if item.type == "message" and item.role in ("system", "developer"):
            items[index] = item.model_copy(update={"content": [f"{said_time(now)}\n", *item.content]})
            return llm.ChatContext(items)
    return llm.ChatContext([llm.ChatMessage(role="system", content=[said_time(now)]), *items])


def with_time_at_the_end(chat_ctx: llm.ChatContext, now: datetime) -> llm.ChatContext:
    """A copy that ends with the time, after everything that stays the same from call to call."""
    return llm.ChatContext([*chat_ctx.items, llm.ChatMessage(role="system", content=[said_time(now)])])


def said_time(now: datetime) -> str:
    return f"It is now {now.isoformat(sep=' ', timespec='milliseconds')}."
