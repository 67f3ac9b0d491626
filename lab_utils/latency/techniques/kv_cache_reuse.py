"""Technique 11: KV-cache reuse across turns.

What it does: the history is sent as it was sent before, with the new turn at its end, so that the provider
reuses what it has computed for all of it and not only for the instructions.

LiveKit surface: the order of `chat_ctx`.

What 1.8.9 does by itself: keeps the history in order and unchanged. The technique is to leave it alone.

Common mistake: "tidying up" earlier turns. In `on_user_turn_completed`, where the guide has it, it also costs
the preemptive reply, which LiveKit throws away when that hook changes the context.

Offline: off is a history that each call rewrites, inside `llm_node` (so that preemptive generation survives
and only the cache is lost). The provider's cache is that of technique 3.
"""

from __future__ import annotations

from livekit.agents import llm


def rewritten(chat_ctx: llm.ChatContext) -> llm.ChatContext:
    """The mistake: a copy in which every earlier message says how many user turns ago it was.

    The instructions and the newest user message stay as they are, and so do tool calls.
    """
    items: list[llm.ChatItem] = []
    turns = 0
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role in ("user", "assistant") and turns:
            items.append(item.model_copy(update={"content": [age(turns), *item.content]}))
        else:
            items.append(item)
        if item.type == "message" and item.role == "user":
            turns += 1
    return llm.ChatContext(items[::-1])


def age(turns: int) -> str:
    """What is put before a message of so many user turns ago."""
    return f"({turns} turns ago)"
