"""One offline session: the real `AgentSession` from audio in to audio out, on a recording, in this process.

On a virtual clock, `clock.install()` must have been called before LiveKit was imported: see `workers`.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from livekit.agents import Agent, AgentSession
from livekit.agents.testing import fake_job_context
from livekit.local_inference import EOT

from ..records import Pcm, SessionLog
from ..timeline import frame_samples
from . import clock
from .audio_io import AudioSource, Playout, RecordingInput, mix
from .caller import OPEN_LOOP_CAVEATS, REACTIVE_CAVEATS, ReactiveCaller
from .job import SessionJob
from .llm import ScriptedLLM
from .observer import Observer
from .stt import ScriptedSTT
from .tts import ScriptedTTS

INSTRUCTIONS = "You are a helpful voice assistant on the phone. Answer briefly."
LAST_WORDS_S = 30.0
"""The agent may finish what it is saying for so long after the audio has ended."""
CAVEATS = {"open_loop": OPEN_LOOP_CAVEATS, "reactive": REACTIVE_CAVEATS}


class RealTimeLimit(KeyboardInterrupt):
    """As Ctrl-C does, it ends a loop even where user code catches every Exception."""


def run(job: SessionJob) -> SessionLog:
    """Run one session to its end or its limit.

    What goes wrong in agent or plugins is in the log, and a session that could not go on says why in
    `SessionLog.failure`. Raises RuntimeError if the virtual clock isn't installed.
    """
    if not job.real_time and not clock.installed():
        raise RuntimeError("no virtual clock in this process: use simulation.workers, or real_time=True")
    random.seed(job.seed)
    session = _Session(job)
    try:
        with _real_time_limit(job.limits.real_s), session.observer.log_records():
            if job.real_time:
                asyncio.run(session.main())
            else:
                clock.run(session.main, seed=job.seed, cost_s=session.cost_s)
    except RealTimeLimit:
        session.fail(f"took more than {job.limits.real_s:g} s of real time")
    except (clock.Deadlock, clock.Stalled) as error:
        session.fail(str(error))
    return session.log()


@contextmanager
def _real_time_limit(seconds: float) -> Iterator[None]:
    """Raise RealTimeLimit in this thread after so many real seconds (main thread on Unix only)."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def expire(*_: Any) -> None:
        raise RealTimeLimit

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Session:
    """The parts of one session while it runs."""

    def __init__(self, job: SessionJob) -> None:
        self.job = job
        self.observer = Observer()
        self._failure = ""
        self._report: dict[str, Any] = {}
        self._origin: float | None = None
        self._closed_at: float | None = None
        self._heard: Pcm = np.zeros((0, 2), dtype=np.int16)

    def cost_s(self, function: Callable[..., Any]) -> float:
        """Virtual seconds charged for executor work: a prediction by its declared delay, all else nothing."""
        work = clock.unwrapped(function)
        predicts = isinstance(getattr(work, "__self__", None), EOT)
        return self.job.settings.conditions.prediction_delay if predicts else 0.0

    def fail(self, reason: str) -> None:
        """Note why the session could not go on; the first reason counts."""
        self._failure = self._failure or reason

    async def main(self) -> None:
        """Start, feed, drain and close the session."""
        length_s = self.job.recording.duration_s * (3 if self.job.mode == "reactive" else 1)
        limit_s = length_s + self.job.tail_s + self.job.limits.virtual_s
        try:
            with fake_job_context() as context:
                async with asyncio.timeout(limit_s):
                    await self._run(context)
        except TimeoutError:
            self.observer.note("limit", limit_s=limit_s)
            self.fail(f"did not end within {limit_s:g} s of session time")
        except Exception as error:
            self.observer.note("error", source="session", error=f"{type(error).__name__}: {error}")
            self.fail(f"{type(error).__name__}: {error}")

    async def _run(self, context: Any) -> None:
        job = self.job
        source, caller = self._source()
        audio_in = RecordingInput(source, frame_samples(job.settings.conditions.frame_duration))
        audio_out = Playout(self._on_playout(caller, audio_in))
        agent = job.agent() if job.agent else Agent(instructions=INSTRUCTIONS)
        speech_to_text = job.stt() if job.stt else ScriptedSTT(job.stt_timing)
        session: AgentSession[Any] = AgentSession(
            stt=speech_to_text,
            llm=job.llm() if job.llm else ScriptedLLM(seed=job.seed),
            tts=job.tts() if job.tts else ScriptedTTS(seed=job.seed),
            **self._turn_taking(audio_in),
            **{"session_close_transcript_timeout": 0.0, **job.options},
        )
        session.input.audio, session.output.audio = audio_in, audio_out
        closed = asyncio.Event()
        session.on("close", lambda _: closed.set())
        audio_in.on_start(lambda: self._tell_transcripts(speech_to_text, audio_in))
        with self.observer.watching(session, agent):
            try:
                await session.start(agent, record=False)
                waits = [asyncio.ensure_future(event.wait()) for event in (audio_in.ended, closed)]
                try:
                    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for wait in waits:
                        wait.cancel()
                if closed.is_set():
                    self.fail("the session closed itself")
                self.observer.note("audio_ends")
                with suppress(TimeoutError):
                    async with asyncio.timeout(LAST_WORDS_S):
                        while (speech := session.current_speech) is not None:
                            await speech.wait_for_playout()
            finally:
                await session.aclose()
                self._closed_at = time.time()
                self._origin = audio_in.started_at
                self._heard = mix(audio_in, audio_out)
                report = context.make_session_report(session).to_dict()
                self._report = json.loads(json.dumps(report, default=str))

    def _source(self) -> tuple[AudioSource, ReactiveCaller | None]: ...
