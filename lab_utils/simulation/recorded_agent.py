"""An agent that says what the recorded one said, when it said it, and answers nothing.

With it a session's agent has the timing that a replay of dynamic endpointing assumes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, StopResponse

from ..records import Recording
from ..replay import agent_turns
from ..timeline import SAMPLE_RATE_HZ, Floats, to_samples


class RecordedAgent(Agent):
    """Speaks the recorded agent's turns, uninterruptible, from an audio input that has a `started_at`.

    The session must not discard audio meanwhile (`discard_audio_if_uninterruptible`), so that the STT hears on.
    """

    def __init__(self, recording: Recording, phase_samples: int = 0) -> None:
        super().__init__(instructions="Says what was recorded.")
        assert recording.labels is not None
        self._recording = recording
        self._offset_s = phase_samples / SAMPLE_RATE_HZ
        self._turns: Floats = agent_turns(recording.labels)
        self._speaking: asyncio.Task[None] | None = None

    async def on_enter(self) -> None:
        self._speaking = asyncio.create_task(self._speak())

    async def on_exit(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        raise StopResponse

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()  # the audio input starts at this moment too
        for turn_start_s, turn_end_s in self._turns.tolist():
            await asyncio.sleep(start_s + self._offset_s + turn_start_s - loop.time())
            audio = self._audio(turn_start_s, turn_end_s)
            self.session.say("…", audio=audio, allow_interruptions=False, add_to_chat_ctx=False)

    async def _audio(self, start_s: float, end_s: float) -> AsyncIterator[rtc.AudioFrame]:
        first, last = to_samples(start_s), to_samples(end_s)
        agent = self._recording.agent
        samples = np.zeros(last - first, np.int16) if agent is None else agent[first:last]
        yield rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE_HZ, 1, len(samples))
