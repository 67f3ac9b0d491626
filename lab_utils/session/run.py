"""One offline session: the real `AgentSession` from audio in to audio out, on a recording, in this process.

On a virtual clock, `clock.install()` must have been called before LiveKit was imported: see `workers`.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import numpy as np
from livekit.agents import Agent, AgentSession, CloseEvent, JobContext, stt
from livekit.agents.testing import fake_job_context
from livekit.local_inference import EOT
from pydantic_core import to_jsonable_python

from ..core.recording import Pcm
from ..core.session_log import SessionEventKind, SessionLog
from ..core.timeline import SAMPLE_RATE_HZ, frame_samples, stream_of
from ..turns.live_policy import attach_policy
from . import clock
from .agents import PlainAgent, speaks_first
from .audio.audio_in import AudioSource, RecordingInput, Stream
from .audio.audio_out import Playout, mix
from .audio.heard_text import synchronizer
from .caller.reactive import OPEN_LOOP_CAVEATS, REACTIVE_CAVEATS, ReactiveCaller
from .caller.turns import CallerTurn
from .caller.words import CallersWords
from .ending import close, last_words, note_error
from .entrypoint.entry import Entry, EntrypointFailed
from .entrypoint.facts import RoomFacts
from .entrypoint.job import OfflineJob, offline_job
from .entrypoint.settings import put_in_force
from .job import SessionJob
from .log.hooks import described
from .log.observer import Observer
from .opening import Opening, OwnSession
from .real_time_limit import RealTimeLimit, real_time_limit
from .remembered import remembered
from .scripted.llm import ScriptedLLM
from .scripted.stt import ScriptedSTT
from .scripted.tts import ScriptedTTS
from .traced.vad import Position
from .turn_taking import turn_taking

CAVEATS = {"open_loop": OPEN_LOOP_CAVEATS, "reactive": REACTIVE_CAVEATS}


def run(job: SessionJob) -> SessionLog:
    """Run one session to its end or its limit.

    Errors of agent and plugins are in the log. If the session could not go on, `SessionLog.failure` says why.
    Raises RuntimeError if the virtual clock isn't installed.
    """
    if not job.real_time and not clock.installed():
        raise RuntimeError("no virtual clock here: use lab_utils.session.workers, or real_time=True")
    random.seed(job.seed)
    session = _Session(job)
    loop = session.loop()
    limit = real_time_limit(job.limits.real_s, still_s=_stall_s(job), now=loop.time)
    try:
        with limit, session.observer.log_records(), remembered():
            clock.run_on(loop, session.main)
    except RealTimeLimit as error:
        session.fail(str(error))
    except (clock.Deadlock, clock.Stalled) as error:
        session.fail(str(error))
    except (SystemExit, KeyboardInterrupt, asyncio.CancelledError) as error:
        session.fail("the agent's code ended the program: ", error)
    log = session.log()
    del session
    _set_aside_what_stays()
    gc.collect()  # else the many reference cycles of sessions make the heap grow
    return log


@cache
def _set_aside_what_stays() -> None:
    """Exclude LiveKit's half a million objects from garbage collection; once per process."""
    gc.collect()
    gc.freeze()


class _Session:
    """The parts of one session while it runs."""

    def __init__(self, job: SessionJob) -> None:
        self.job = job
        self.observer = Observer(job.settings.detector.model)
        self._failure, self._failure_message = "", ""
        self._report: dict[str, Any] = {}
        self._begun_at = 0.0  # time.time() of the session's first moment
        self._started_at: float | None = None  # and of the stream's first sample
        self._duration_s: float | None = None
        self._heard: Pcm = np.zeros((0, 2), dtype=np.int16)
        self._words = CallersWords(job)
        self._stt: stt.STT | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop for this session."""
        if self.job.real_time:
            return asyncio.new_event_loop()
        return clock.VirtualLoop(seed=self.job.seed, cost_s=self.cost_s, stall_s=_stall_s(self.job))

    def cost_s(self, function: Callable[..., Any]) -> float:
        """Virtual seconds charged for executor work: the declared delay for a prediction, else 0."""
        work = clock.unwrapped(function)
        predicts = isinstance(getattr(work, "__self__", None), EOT)
        return self.job.conditions.prediction_delay if predicts else 0.0

    def fail(self, reason: str, error: BaseException | None = None) -> None:
        """Note why the session could not go on, and which error stopped it; the first reason counts."""
        if not self._failure:
            self._failure = reason + (described(error) if error is not None else "")
            self._failure_message = "" if error is None else str(error)

    async def main(self) -> None:
        """Start the session, send it the audio, let it finish speaking, and close it."""
        length_s = self.job.recording.duration_s * (3 if self.job.mode == "reactive" else 1)
        limit_s = length_s + self.job.tail_s + self.job.limits.virtual_s
        self._begun_at = time.time()
        try:
            async with self._job_context() as context, asyncio.timeout(limit_s):
                await self._run(context)
        except TimeoutError:
            self.observer.note("limit", what="session", limit_s=limit_s)
            self.fail(f"did not end within {limit_s:g} s of session time")
        except EntrypointFailed as error:
            self._note_error("worker", error)
            self.fail(str(error))
        except Exception as error:
            self._note_error("session", error)
            self.fail("", error)

    @asynccontextmanager
    async def _job_context(self) -> AsyncIterator[JobContext]:
        if self.job.worker is None:
            with fake_job_context() as context:
                yield context
        else:
            async with offline_job(self.job.room or RoomFacts(), self.job.stand_ins) as job:
                yield job

    async def _run(self, context: JobContext) -> None:
        job = self.job
        frame = frame_samples(job.conditions.frame_duration)
        pcm = stream_of(job.recording.user, job.phase_samples, job.tail_s)  # used in open loop only
        source = self._source(pcm, frame)
        caller = source if isinstance(source, ReactiveCaller) else None
        audio_in = RecordingInput(
            source, frame, on_start=lambda: self._starts(audio_in), arrives=self._words.arrives
        )
        audio_out = Playout(on_event=lambda kind, data: self._plays(kind, data, caller))
        opening = self._opening(context, pcm, lambda: len(audio_in.sent) * frame)
        try:
            session, agent = await opening.opened()
            if job.worker is not None:
                self._bring(session, agent, pcm, lambda: len(audio_in.sent) * frame)
            if job.instructions is not None:
                agent._instructions = job.instructions
            self._told = self._to_be_told()
            await self._hold(opening, session, agent, audio_in, audio_out, context)
        finally:
            for failed in await opening.aclose():
                self.observer.note("error", source="worker", error=failed, type="")

    def _opening(self, context: JobContext, pcm: Pcm, position: Position) -> Opening:
        """Make this session, or have the worker make it."""
        job = self.job
        if job.worker is not None:
            assert isinstance(context, OfflineJob)
            return Entry(job.worker, context, job.stand_ins)
        self._stt = own_stt = job.stt() if job.stt else ScriptedSTT(job.stt_timing)
        agent = job.agent() if job.agent else PlainAgent(speaks_first(job.recording))
        if isinstance(agent.stt, ScriptedSTT):  # an agent's own STT precedes the session's
            self._stt = agent.stt
        session: AgentSession[Any] = AgentSession(
            stt=own_stt,
            llm=job.llm() if job.llm else ScriptedLLM(seed=job.seed),
            tts=job.tts() if job.tts else ScriptedTTS(seed=job.seed),
            **turn_taking(job, pcm, position, scripted=isinstance(self._stt, ScriptedSTT)),
            **{"session_close_transcript_timeout": 0.0, **job.options},
        )
        attach_policy(session)
        return OwnSession(session, agent)

    def _bring(self, session: AgentSession[Any], agent: Agent, pcm: Pcm, position: Position) -> None:
        """Give a worker's session the job's STT, LLM and TTS, if any, and the settings with their traces."""
        job = self.job
        for name, make in (("_stt", job.stt), ("_llm", job.llm), ("_tts", job.tts)):
            if make is not None:
                setattr(session, name, make())
        self._stt = agent.stt or session.stt
        given = turn_taking(job, pcm, position, scripted=isinstance(self._stt, ScriptedSTT))
        put_in_force(session, given["vad"], given["turn_handling"])
        attach_policy(session)

    async def _hold(
        self,
        opening: Opening,
        session: AgentSession[Any],
        agent: Agent,
        audio_in: RecordingInput,
        audio_out: Playout,
        context: JobContext,
    ) -> None:
        """Run the session from its start to its end."""
        session.input.audio = audio_in
        speech = session.tts if self.job.worker is None else agent.tts or session.tts
        tone = isinstance(speech, ScriptedTTS) and speech.voice == "tone"
        heard_text = synchronizer(audio_out, tone=tone)
        session.output.audio = heard_text.audio_output
        session.output.transcription = heard_text.text_output
        closed: asyncio.Future[CloseEvent] = asyncio.get_running_loop().create_future()
        session.on("close", lambda event: _settle(closed, event))
        with self.observer.watching(session, agent):
            try:
                await opening.start()
                broke_off = asyncio.ensure_future(opening.broke_off())
                await _first_of(audio_in.ended.wait(), asyncio.shield(closed), asyncio.shield(broke_off))
                if audio_in.failure is not None:
                    raise audio_in.failure
                if broke_off.done():
                    self.fail(broke_off.result())
                elif closed.done():
                    self._closed_early(closed.result())
                else:
                    self.observer.note("audio_ends")
                    await last_words(session, self.observer)
                broke_off.cancel()
            finally:
                if failure := await close(session, heard_text, self.observer):
                    self.fail(failure)
                self._duration_s = time.time() - (audio_in.started_at or self._begun_at)
                if self.job.keep_audio and audio_in.started_at is not None:
                    self._heard = mix(audio_in.samples(), audio_out.heard, audio_in.started_at)
                report = context.make_session_report(session).to_dict()
                self._report = to_jsonable_python(report, fallback=str)

    def _to_be_told(self) -> ScriptedSTT | None:
        """The scripted STT that gets the caller's words; stand-in STTs share its events."""
        told = self._stt if isinstance(self._stt, ScriptedSTT) else None
        together = self.job.stand_ins
        if together is not None and (told is not None or together.listens):
            told = told or ScriptedSTT()
            together.hear_together(told)
        return told

    def _closed_early(self, event: CloseEvent) -> None:
        """The session closed itself while the recording played."""
        cause = getattr(event.error, "error", None)
        why = event.reason.value if cause is None else ""
        self.fail(f"the session closed itself before the recording ended: {why}", cause)

    def _note_error(self, source: str, error: BaseException) -> None:
        note_error(self.observer, source, error)

    def _source(self, pcm: Pcm, frame: int) -> AudioSource:
        job = self.job
        if job.mode == "open_loop":
            return Stream(pcm, frame)
        assert job.recording.labels is not None
        limit_s = 3 * job.recording.duration_s + job.tail_s
        return ReactiveCaller(
            job.recording,
            job.recording.labels,
            frame,
            tail_s=job.tail_s,
            limit_s=limit_s,
            on_turn=self._caller_speaks,
        )

    def _starts(self, audio_in: RecordingInput) -> None:
        """The stream begins now: in open loop, give the scripted STT the call's words with their times."""
        assert audio_in.started_at is not None
        self._started_at = audio_in.started_at
        if self._told is not None and self.job.mode == "open_loop":
            self._words.call(self._told, self._started_at)

    def _caller_speaks(self, turn: CallerTurn, start_s: float) -> None:
        """A reactive caller begins a turn at a stream second."""
        assert self._started_at is not None
        kind = "backchannel" if turn.backchannel else turn.kind
        self.observer.note("caller_starts", self._started_at + start_s, turn=kind)
        self.observer.note("caller_ends", self._started_at + start_s + turn.end_s - turn.start_s)
        if self._told is not None:
            self._words.turn(self._told, self._started_at, turn, start_s)

    def _plays(self, kind: SessionEventKind, data: Mapping[str, Any], caller: ReactiveCaller | None) -> None:
        source = {"source": self.observer.speech_source} if kind == "playout_starts" else {}
        self.observer.note(kind, **(dict(data) | source))
        if caller is not None and self._started_at is not None:
            at_s = time.time() - self._started_at
            if kind == "playout_starts":
                caller.agent_started(at_s)
            elif kind == "playout_ends":
                caller.agent_finished(at_s, interrupted=data["interrupted"])

    def log(self) -> SessionLog:
        """What happened, on the recording's time axis (reactive: from the first sample of the stream)."""
        job = self.job
        started_at = self._begun_at if self._started_at is None else self._started_at
        duration_s = self._duration_s
        if duration_s is None:  # the session had to be abandoned
            duration_s = max(0.0, self.observer.last_at(started_at) - started_at)
        origin = float(started_at + job.phase_samples / SAMPLE_RATE_HZ)
        return SessionLog(
            recording=job.recording.name,
            sha256=job.recording.sha256,
            settings=job.settings,
            conditions=job.conditions,
            mode=job.mode,
            clock="real" if job.real_time else "virtual",
            seed=job.seed,
            phase_samples=job.phase_samples,
            duration_s=round(duration_s, 9),
            events=self.observer.events(origin),
            replies=self.observer.replies(origin),
            heard=self._heard,
            report=self._report,
            caveats=CAVEATS[job.mode],
            failure=self._failure,
            failure_message=self._failure_message,
        )


def _stall_s(job: SessionJob) -> float:
    """Half of the limit: what hangs is then reported as the cause, before the limit is reached."""
    return min(clock.STALL_S, job.limits.real_s / 2)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


async def _first_of(*waits: Awaitable[Any]) -> None:
    """Wait until one of `waits` is done."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
