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

from livekit.agents import FlushSentinel, llm, tokenize

Chunk = TypeVar("Chunk")
_SENTENCES = tokenize.blingfire.SentenceTokenizer(min_sentence_len=1)


async def buffered(chunks: AsyncGenerator[Chunk, None]) -> AsyncGenerator[Chunk, None]:
    """The same chunks, all of them only when the last one has come; none if the stream fails."""
    for chunk in [chunk async for chunk in chunks]:
        yield chunk


async def flushed(
    chunks: AsyncGenerator[llm.ChatChunk, None],
) -> AsyncGenerator[llm.ChatChunk | FlushSentinel, None]:
    """The same chunks, with a FlushSentinel where the second sentence begins.

    LiveKit then ends the first sentence's TTS stream, which speaks what it holds back, and opens another for
    the rest. Sentences are those of LiveKit's tokenizer. If one chunk holds the end of the first sentence and
    the beginning of the second, nothing is flushed.
    """
    first = FirstSentence()
    async for chunk in chunks:
        content = chunk.delta.content if chunk.delta else None
        if content and first.ends_before(content):
            yield FlushSentinel()
        yield chunk


class FirstSentence:
    """The beginning of a reply, until its first sentence is over."""

    def __init__(self) -> None:
        self._begun, self._over = "", False

    def ends_before(self, content: str) -> bool:
        """Whether the first sentence is just what has come before `content`, the next of the reply's text."""
        if self._over:
            return False
        sentences = _SENTENCES.tokenize(self._begun + content)
        self._over = len(sentences) > 1
        ends = self._over and sentences[0] == self._begun.strip()
        self._begun += content
        return ends
