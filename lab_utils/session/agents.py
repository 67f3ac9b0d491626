"""The agents that a session is run with where the user brings none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import Agent, StopResponse

from ..core.labels import agent_messages
from ..core.recording import Recording
from ..core.timeline import SAMPLE_RATE_HZ, to_samples
from .clock.pace import Turn, sleep_until

INSTRUCTIONS = "You are a helpful voice assistant on the phone. Answer briefly."
GREETING = "Hello, how can I help you?"


class PlainAgent(Agent):
    """Answers what the LLM says; greets first where the recorded agent did."""

    def __init__(self, greets: bool) -> None:
        super().__init__(instructions=INSTRUCTIONS)
        self._greets = greets

    async def on_enter(self) -> None:
        if self._greets:
            self.session.say(GREETING)


def speaks_first(recording: Recording) -> bool:
    """Whether the recorded agent speaks before the user does."""
    if recording.labels is None:
        return False
    agent, user = recording.labels.spans("agent"), recording.labels.spans("user")
    return bool(len(agent)) and (not len(user) or agent[0, 0] < user[0, 0])


def _ignored() -> None:
    """Replaces the method of LiveKit that pauses the agent when the user speaks: does nothing."""


class _Nothing:
    """The result of `_no_interruption`: awaiting it ends at once."""

    def __await__(self) -> Iterator[None]:
        return iter(())


def _no_interruption(**_: Any) -> _Nothing:
    """Replaces `SpeechHandle.interrupt`: interrupts nothing."""
    return _Nothing()


class _Silence(asyncio.Event):
    """Replaces LiveKit's event "the user is silent": always set."""

    def __init__(self) -> None:
        super().__init__()
        self.set()

    def clear(self) -> None:
        """Does nothing, so that the event stays set while the user speaks."""


class SpeakingAgent(Agent):
    """Speaks by itself, as `speak` has it, and answers nothing."""

    def __init__(self, instructions: str) -> None:
        super().__init__(instructions=instructions)
        self._speaking: asyncio.Task[None] | None = None

    async def speak(self) -> None:
        """Says what it has to say; begun when the agent enters, cancelled when it leaves."""
        raise NotImplementedError

    def speak_at_once(self) -> None:
        """Interruptible speech won't wait until the user is silent, as it does (agent_activity.py:3235)."""
        self._get_activity_or_raise()._user_silence_event = _Silence()

    async def on_enter(self) -> None:
        self._speaking = asyncio.create_task(self.speak())

    async def on_exit(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        raise StopResponse


class RecordedAgent(SpeakingAgent):
    """Says what the recorded agent said, when it said it, whatever the user does, and answers nothing.

    The session's agent then speaks at the times that a replay of dynamic endpointing, of `min_words`, or of a
    text detector, assumes; chat context is what the recorded agent and the user said. With `interruptible`
    LiveKit treats the speech as interruptible, and so refuses commits of fewer words than `min_words`. The
    speech still can't be stopped, and it doesn't wait until the user is silent, as interruptible speech
    otherwise does (agent_activity.py:3235).
    """

    def __init__(self, recording: Recording, phase_samples: int = 0, *, interruptible: bool = False) -> None:
        super().__init__("Says what was recorded.")
        assert recording.labels is not None
        self._recording = recording
        self._offset_s = phase_samples / SAMPLE_RATE_HZ
        self._turns = agent_messages(recording.labels)
        self._interruptible = interruptible

    async def on_enter(self) -> None:
        if self._interruptible:
            activity = self._get_activity_or_raise()
            activity._interrupt_by_audio_activity = _ignored  # type: ignore[method-assign]
            self.speak_at_once()
        await super().on_enter()

    async def speak(self) -> None:
        loop = asyncio.get_running_loop()
        start_s = loop.time()  # the audio input starts at this moment too
        for turn_start_s, turn_end_s, said in self._turns:
            await sleep_until(start_s + self._offset_s + turn_start_s, Turn.AGENT)
            audio = self._audio(turn_start_s, turn_end_s)
            handle = self.session.say(
                said or "…", audio=audio, allow_interruptions=self._interruptible, add_to_chat_ctx=bool(said)
            )
            if self._interruptible:
                handle.interrupt = _no_interruption  # type: ignore[assignment,method-assign]

    async def on_user_turn_completed(self, turn_ctx: Any, new_message: Any) -> None:
        self._chat_ctx.insert(new_message)  # as a reply would (agent_activity.py:3747)
        raise StopResponse

    async def _audio(self, start_s: float, end_s: float) -> AsyncIterator[rtc.AudioFrame]:
        first, last = to_samples(start_s), to_samples(end_s)
        agent = self._recording.agent
        samples = np.zeros(last - first, np.int16) if agent is None else agent[first:last]
        yield rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE_HZ, 1, len(samples))
