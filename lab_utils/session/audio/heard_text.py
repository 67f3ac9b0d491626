"""How much of a reply's text was heard before it was interrupted: LiveKit's synchronizer, as in RoomIO.

Of an interrupted reply only the text heard goes into the chat context, and so into the LLM's next prompt.
"""

from __future__ import annotations

from functools import lru_cache

from livekit import rtc
from livekit.agents import tokenize
from livekit.agents.voice.io import AudioOutput
from livekit.agents.voice.transcription import TranscriptSynchronizer

_hyphenated = lru_cache(maxsize=10_000)(tokenize.basic.hyphenate_word)


def synchronizer(playout: AudioOutput, *, tone: bool) -> TranscriptSynchronizer:
    """A synchronizer in front of a playout; `tone`: a tone is played, which has no syllables to count.

    LiveKit estimates the speaking rate from the audio's spectrum, which takes a third of a session's
    computing time. For a tone, LiveKit's standard rate is as good; LiveKit uses it where no rate has been
    detected.
    """
    found = TranscriptSynchronizer(
        next_in_chain_audio=playout, next_in_chain_text=None, hyphenate_word=_hyphenated
    )
    if tone:
        found._opts.speaking_rate_detector = _StandardRate()  # type: ignore[assignment]
        # The first segment's rate stream exists already; nothing has been pushed into it.
        detected, found._impl._audio_data.sr_stream = found._impl._audio_data.sr_stream, _StandardRate()  # type: ignore[assignment]
        detected._task.cancel()
    return found


class _StandardRate:
    """A speaking-rate detector that detects nothing, and is its own stream."""

    def stream(self) -> _StandardRate:
        return self

    def push_frame(self, frame: rtc.AudioFrame) -> None: ...

    def end_input(self) -> None: ...

    async def aclose(self) -> None: ...

    def __aiter__(self) -> _StandardRate:
        return self

    async def __anext__(self) -> None:
        raise StopAsyncIteration
