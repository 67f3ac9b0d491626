"""One scene as a session of the real `AgentSession`.

The agent speaks as long as the scene lasts and can be interrupted as LiveKit interrupts; it answers nothing.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from livekit import rtc

from ...core.session_log import SessionLog
from ...core.settings import Conditions, InterruptionSettings, Settings
from ...core.timeline import SAMPLE_RATE_HZ
from ...turns.barge_in.replay import AgentSpeech
from ...turns.barge_in.scenes import TAIL_S, Scene
from ...turns.tracing import Tracer
from ..agents import SpeakingAgent
from ..job import SessionJob
from ..metrics.spans import playouts
from ..prepare import stt_timing, traced_job
from .scene_replay import moved, scene_tracer, scene_transcripts


class InterruptedAgent(SpeakingAgent):
    """Begins to speak at a stream second, goes on until it is stopped, and answers nothing.

    It doesn't wait until the user is silent before it begins, as interruptible speech otherwise does
    (agent_activity.py:3235): the recorded agent didn't.
    """

    def __init__(self, start_s: float, length_s: float) -> None:
        super().__init__("Goes on speaking.")
        self._start_s, self._length_s = start_s, length_s

    async def on_enter(self) -> None:
        self.speak_at_once()
        await super().on_enter()

    async def speak(self) -> None:
        await asyncio.sleep(self._start_s)
        self.session.say("…", audio=self._audio(), add_to_chat_ctx=False)

    async def _audio(self) -> AsyncIterator[rtc.AudioFrame]:
        samples = np.zeros(round(self._length_s * SAMPLE_RATE_HZ), np.int16)
        yield rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE_HZ, 1, len(samples))


def scene_job(
    scene: Scene, settings: Settings, conditions: Conditions, offset: int, tracer: Tracer
) -> SessionJob:
    """The session of a scene, with its traces."""
    length_s = scene.recording.duration_s + TAIL_S
    start_s = scene.agent_start_s + offset / SAMPLE_RATE_HZ
    job = SessionJob(
        recording=scene.recording,
        settings=settings,
        conditions=conditions,
        agent=functools.partial(InterruptedAgent, start_s, length_s),
        options={"aec_warmup_duration": None},
        phase_samples=offset,
        tail_s=TAIL_S,
        transcripts=scene_transcripts(scene, settings, conditions),
        stt_timing=stt_timing(settings, conditions),
        keep_audio=False,
    )
    if job.transcripts:
        return traced_job(job, scene_tracer(tracer))[0]
    # Nothing is committed without a transcript, and `min_words` can't be traced without words.
    wordless = settings.model_copy(update={"interruption": InterruptionSettings()})
    traced, _ = traced_job(replace(job, settings=wordless), scene_tracer(tracer))
    return replace(traced, settings=settings)


def speech_in(log: SessionLog, scene: Scene) -> AgentSpeech:
    """What was heard of the agent in a scene's session, at scene times."""
    played = playouts(log)
    if not played:
        raise ValueError(f"{log.recording}: the agent did not speak; {log.failure or 'no error is known'}")
    first = played[0]
    pauses = first.pauses.tolist()
    silent_s = first.end_s if first.interrupted else math.inf
    if pauses and not pauses[-1][1] < first.end_s:  # still paused at its end, or at the session's
        silent_s = pauses.pop()[0]
    chosen = log.settings.interruption
    deaf = not chosen.enabled and chosen.discard_audio_if_uninterruptible
    found = AgentSpeech(tuple((start_s, end_s) for start_s, end_s in pauses), silent_s, deaf)
    return moved(found, 0.0, scene.recording.duration_s)
