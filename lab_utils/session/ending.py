"""The end of a session: let the agent finish speaking, then close the session; each with a time limit."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice.transcription import TranscriptSynchronizer

from .log.hooks import described
from .log.observer import Observer

LAST_WORDS_S = 30.0
"""So long after the end of the audio the agent may go on to finish what it is saying."""
CLOSE_S = 10.0
"""The session may take so long to close; LiveKit's worker kills a job that takes longer (`WorkerOptions.
shutdown_process_timeout`)."""
LOOK_AGAIN_S = 0.05


async def last_words(session: AgentSession[Any], observer: Observer) -> None:
    """Let the agent finish what it is saying, unless it takes too long."""
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            last = None
            while (speech := session.current_speech) is not None:
                if speech is last:  # it has ended, but its activity hasn't noticed, or can't notice
                    await asyncio.sleep(LOOK_AGAIN_S)
                await speech.wait_for_playout()
                last = speech
    except TimeoutError:
        # To LiveKit an answer that never comes is no error: it would wait for ever.
        observer.note("limit", what="last words", limit_s=LAST_WORDS_S, agent_state=session.agent_state)


async def close(session: AgentSession[Any], heard_text: TranscriptSynchronizer, observer: Observer) -> str:
    """Close both, within `CLOSE_S`: a session waits for its tools, and a tool may never end.

    Returns why it could not be closed; empty if it was.
    """

    async def both() -> None:
        await session.aclose()
        await heard_text.aclose()

    closing = asyncio.ensure_future(both())
    # Not `wait_for`, which goes on waiting for a task that ignores being cancelled.
    await asyncio.wait({closing}, timeout=CLOSE_S)
    if not closing.done():
        closing.cancel()
        observer.note("limit", what="closing", limit_s=CLOSE_S)
        tools = ", ".join(observer.running_tools)
        what = f"tools that don't end: {tools}" if tools else "a method of the agent doesn't end"
        return f"the session could not be closed within {CLOSE_S:g} s: {what}"
    if not closing.cancelled() and (error := closing.exception()) is not None:
        note_error(observer, "closing", error)
    return ""


def note_error(observer: Observer, source: str, error: BaseException) -> None:
    """Note an exception as an "error" event; `source`: what raised it."""
    observer.note("error", source=source, error=described(error), type=type(error).__name__)
