"""Technique 2: partial LLM tokens into the TTS.

What it does: the reply goes to the TTS token by token, and is spoken from its first sentence on.

LiveKit surface: `llm_node` → `tts_node`.

What 1.8.9 does by itself: all of it. The technique is not to be in its way.

Common mistake ("buffered_reply"): an `llm_node` that waits for the whole reply, to check or rewrite it. That
is also what "off" means here, for LiveKit has no switch for it.

Offline: the scripted LLM sends tokens at its provider's pace, and the scripted TTS starts at the first
sentence boundary it has read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TypeVar

Chunk = TypeVar("Chunk")


async def buffered(chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
    """The same chunks, all of them only when the last one has come; none if the stream fails."""
    for chunk in [chunk async for chunk in chunks]:
        yield chunk
