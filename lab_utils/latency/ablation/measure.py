"""One call with one agent: runs the real session with simulated providers, and returns its table rows.

Runs in a worker process with a virtual clock (`session.workers`). The seed of a cell determines all delays. A
delay depends on the request's text (`delays.Draws`), so that configurations differ by their techniques, not
by chance. What isn't among the twelve techniques is LiveKit's default, such as the LLM's connection, which is
opened at the start of the session.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

from livekit import rtc
from livekit.agents import llm
from livekit.agents.voice import SpeechHandle

from ...core.delays import Draws, rng_for
from ...core.files.places import Place
from ...core.labels import Labels
from ...core.recording import Recording
from ...core.session_log import SessionLog
from ...core.timeline import SAMPLE_RATE_HZ
from ...core.traces import SttEvent
from ...recordings.find import RecordingFiles, load_recording
from ...session.agents import speaks_first
from ...session.job import SessionJob
from ...session.metrics import session_commits
from ...session.prepare import traced_job
from ...session.providers.schema import LlmProvider
from ...session.scripted.from_provider import (
    SimulatedJudge,
    SimulatedTool,
    simulated_llm,
    simulated_tts,
    stt_timing_of,
)
from ...session.scripted.llm import Reply, ScriptedLLM, ToolRequest
from ...session.scripted.stt import ScriptedSTT
from ...session.scripted.stt_plan import SttTiming, has_placeholders, words_of
from ...session.scripted.tts import ScriptedTTS
from ...session.scripted.voices import speak
from ...session.user_parts import load_parts
from ...session.workers import run_watched
from ...turns.tracing import TraceCache, Tracer
from ..techniques.agent import AgentParts, StackedAgent
from ..techniques.choice import LeverName, Techniques
from ..techniques.levers import PREAMBLE, lever_settings, min_sentence_len
from ..techniques.notes import Note
from ..techniques.semantic_cache import SemanticCache
from ..techniques.switches import region, session_options
from ..techniques.tool_prefetch import LookUp
from .cells import CHUNK_S, Cell, Plan, Prepared, Rows
from .costs import usage_and_cost
from .earlier_calls import earlier_prompt
from .lengthened_pauses import with_lengthened_pauses
from .scenario import LookUp as AskedFor
from .scenario import Scenario, call_centre
from .timing import turn_rows, turns_of

OTHER_TENANT = "another"
LIKENESS = 0.6
"""Questions at least so similar count as the same one. The guide's value is 0.92, which `intents.similarity`
reaches only for nearly equal texts: it compares words, not meaning."""


def measure(plan: Plan, cell: Cell) -> Rows:
    """Run a cell's session. Returns the rows of its turns and of the session."""
    parts = _Parts(plan, cell)
    recording = parts.recording
    assert recording.labels is not None
    job = parts.job()
    with _uncollected():
        log = run_watched(job)
    key = {"configuration": cell.configuration, "recording": recording.name, "seed": cell.seed}
    turns = tuple(key | row for row in turn_rows(log, recording.labels, parts.agent.notes, parts.origin_s))
    marks = session_commits(log, recording.labels)
    session = key | {
        "turns": len(turns),
        "greeted": bool(parts.agent.parts.greeting),
        **parts.used(),
        "drafts": parts.agent.drafts,
        "discarded_replies": parts.agent.discarded_replies,
        "false_boundaries": int(marks["false_boundary"].sum()),
        "errors": len(log.of_kind("error")),
        "failure": log.failure,
    }
    return Rows(turns, session)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Switch garbage collection off while a session runs: it takes a tenth of the time. `run` collects."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def session(plan: Plan, cell: Cell) -> tuple[Recording, SessionLog, dict[str, int | float]]:
    """The recording with lengthened pauses that a cell uses, its session with audio, and what it used.

    Raises BadPart for an agent of one's own that can't be loaded.
    """
    parts = _Parts(plan, cell)
    job = replace(parts.job(), keep_audio=True)
    if cell.agent:
        job = replace(job, agent=load_parts({"agent": cell.agent})["agent"])
    log = run_watched(job)
    return parts.recording, log, parts.used(() if cell.agent else None)


def ran(plan: Plan, cell: Cell) -> tuple[SessionJob, SessionLog, dict[str, int | float]]:
    """A cell's session without its audio: what it was asked to do, what happened, and what it used."""
    parts = _Parts(plan, cell)
    job = parts.job()
    with _uncollected():
        log = run_watched(job)
    return job, log, parts.used()


def traced(plan: Plan, files: RecordingFiles) -> Prepared:
    """Put a recording's traces into the cache, if it has turns. Returns what is known of it."""
    recording = _loaded(files, plan.cache, plan.wait_s)
    assert recording.labels is not None
    turns = len(turns_of(recording.labels))
    if turns:
        Tracer(TraceCache(plan.cache)).trace_session(recording, plan.settings, plan.conditions)
    return Prepared(turns, not has_placeholders(words_of(recording.labels)))


@lru_cache(maxsize=2)
def _loaded(files: RecordingFiles, cache: Place, wait_s: float) -> Recording:
    return with_lengthened_pauses(Tracer(TraceCache(cache)).labelled(load_recording(files)), wait_s)


def _without_agent(recording: Recording, labels: Labels) -> Recording:
    """The same call without the agent's IPUs, so that the caller speaks first."""
    ipus = tuple(ipu for ipu in labels.ipus if ipu.speaker == "user")
    return replace(recording, labels=replace(labels, ipus=ipus))


class _Stt(ScriptedSTT):
    """Remembers `time.time()` of the recording's second 0."""

    origin_s = 0.0

    def schedule(self, events: Any, start_s: float) -> None:
        self.origin_s = start_s
        super().schedule(events, start_s)


class _Agent(StackedAgent):
    """Remembers all speech that it began to generate."""

    def __init__(self, techniques: Techniques, parts: AgentParts) -> None:
        super().__init__(techniques, parts)
        self.speeches: list[SpeechHandle] = []
        self.drafts = 0
        """Number of replies that were begun before a commit."""

    async def on_enter(self) -> None:
        self.session.on("speech_created", lambda event: self._begun(event.speech_handle))
        await super().on_enter()

    def _begun(self, speech: SpeechHandle) -> None:
        self.speeches.append(speech)
        # LiveKit schedules what isn't a draft before it lets anything else run
        asyncio.get_running_loop().call_soon(self._count, speech)

    def _count(self, speech: SpeechHandle) -> None:
        self.drafts += not speech.scheduled

    @property
    def discarded_replies(self) -> int:
        """Number of replies that were begun preemptively and never scheduled by a commit."""
        return sum(not speech.scheduled for speech in self.speeches)


class _Parts:
    """The parts of one session: made in its loop, and read when the session is over."""

    def __init__(self, plan: Plan, cell: Cell) -> None:
        recording = _loaded(cell.files, plan.cache, plan.wait_s)
        assert recording.labels is not None
        self._greets = speaks_first(recording) if plan.greeting is None else plan.greeting
        self.recording = recording if self._greets else _without_agent(recording, recording.labels)
        self._plan, self._cell = plan, cell
        self._providers, self._techniques = plan.providers, cell.techniques
        self._scenario = call_centre()
        self._region = plan.providers.regions[region(cell.techniques)]

    def job(self) -> SessionJob:
        """The session's job, with traces of exactly the stream that it gets."""
        settings = lever_settings(self._plan.settings, self._techniques.levers)
        room = self._providers.room
        job = SessionJob(
            self.recording,
            settings,
            self._plan.conditions,
            agent=lambda: self.agent,
            stt=lambda: self.stt,
            llm=lambda: self.large,
            tts=lambda: self.tts,
            options=dict(session_options(self._techniques)),
            seed=self._cell.seed,
            stt_timing=self._timing(),
            transcripts=self._transcripts,
            keep_audio=False,
            join_s=0.0 if self._greets else room.join.sample(rng_for(self._cell.seed, "room")),
            prebuffered=self._techniques.audio_prebuffering,
        )
        return traced_job(job, Tracer(TraceCache(self._plan.cache)))[0]

    def used(self, notes: Sequence[Note] | None = None) -> dict[str, int | float]:
        """What the session has used, and what that costs; `notes`: in place of the agent's."""
        told = self.agent.notes if notes is None else notes
        return usage_and_cost(self._providers, self.large, self.small, self.tts, self.tool, told)

    def _timing(self) -> SttTiming:
        settings = self._plan.settings
        timing = stt_timing_of(self._providers.stt, self._region, streaming=self._techniques.streaming_stt)
        endpoints = {
            "end_of_speech": settings.detector.ends_by_stt,
            "utterance_gap_s": self._plan.conditions.stt_silence,
        }
        return timing.model_copy(update=endpoints)

    @property
    def _transcripts(self) -> tuple[SttEvent, ...] | None:
        stt, labels = self._cell.stt, self.recording.labels
        assert labels is not None
        return None if stt is None else stt.events(labels)

    @property
    def origin_s(self) -> float:
        """`time.time()` of the recording's second 0."""
        return self.stt.origin_s

    @cached_property
    def stt(self) -> _Stt:
        return _Stt(self._timing())

    @cached_property
    def large(self) -> ScriptedLLM:
        return self._llm(self._providers.large, "large")

    @cached_property
    def small(self) -> ScriptedLLM:
        return self._llm(self._providers.small, "small")

    def _llm(self, provider: LlmProvider, part: str) -> ScriptedLLM:
        return simulated_llm(
            provider,
            self._region,
            replies=lambda chat_ctx: replies(self._scenario, chat_ctx, self._techniques.levers),
            seed=self._cell.seed,
            part=part,
            mark_cache=self._techniques.prefix_caching,
            earlier=earlier_prompt(self._techniques, self._scenario),
            prewarms=True,
            draws=Draws(self._cell.seed, "llm"),  # the same random delays for both models
        )

    @cached_property
    def tts(self) -> ScriptedTTS:
        return simulated_tts(
            self._providers.tts,
            self._region,
            seed=self._cell.seed,
            prewarms=self._techniques.tts_warmup,
            draws=Draws(self._cell.seed, "tts"),
            chunk_s=CHUNK_S,
            min_sentence_len=min_sentence_len(self._techniques.levers),
        )

    @cached_property
    def tool(self) -> SimulatedTool:
        found = self._scenario.tool.found
        return SimulatedTool(self._providers.tool.latency, self._cell.seed, answer=found)

    @cached_property
    def agent(self) -> _Agent:
        scenario, techniques = self._scenario, self._techniques
        tool = LookUp(scenario.tool.description, self.tool, scenario.foreseen)
        parts = AgentParts(
            instructions=scenario.instructions,
            large=self.large,
            small=self.small,
            look_ups={scenario.tool.name: tool},
            judge=SimulatedJudge(self._providers.judge, self._cell.seed),
            cache=_filled_cache(scenario, techniques),
            tenant=scenario.tenant,
            greeting=scenario.greeting if self._greets else "",
        )
        return _Agent(techniques, parts)


def replies(scenario: Scenario, chat_ctx: llm.ChatContext, levers: Collection[LeverName] = ()) -> Reply:
    """The model's answer, which depends on the newest user message and the number of user messages.

    The model does as the levers' lines in its instructions say.
    """
    said = [message.text_content or "" for message in chat_ctx.messages() if message.role == "user"]
    answer = scenario.answer(said[-1] if said else "", len(said))
    opening = scenario.opens_with(levers)
    if isinstance(answer, AskedFor):
        return ToolRequest(
            scenario.tool.name,
            {"query": answer.identifier},
            answer=opening + scenario.tool.answer,
            preamble=PREAMBLE if "tool_preamble" in levers else "",
        )
    return opening + answer


def _filled_cache(scenario: Scenario, techniques: Techniques) -> SemanticCache:
    """A cache as after many calls: it holds every common question's answer and the answer's audio.

    It also holds answers to the same questions for another tenant, which must make no difference.
    """
    cache = SemanticCache(LIKENESS, one_key_for_all="shared_cache" in techniques.mistakes)
    for common in scenario.common:
        for tenant in (scenario.tenant, OTHER_TENANT):
            cache.store(tenant, common.question, common.answer, [_spoken(common.answer)])
    return cache


@lru_cache(maxsize=64)
def _spoken(text: str) -> rtc.AudioFrame:
    sound = speak(text, "tone", SAMPLE_RATE_HZ)
    return rtc.AudioFrame(sound, SAMPLE_RATE_HZ, 1, len(sound) // 2)
