"""Calls to a StackedAgent for tests: questions on the virtual clock, each with the words of a transcript."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from calls import one_question
from livekit.agents import llm

from lab_utils.core.delays import Delay
from lab_utils.core.recording import Recording
from lab_utils.core.session_log import SessionLog
from lab_utils.core.settings import Settings
from lab_utils.core.traces import EotTrace, SttEvent
from lab_utils.latency.techniques.agent import AgentParts, StackedAgent
from lab_utils.latency.techniques.choice import Techniques
from lab_utils.latency.techniques.switches import session_options
from lab_utils.session.job import Limits, SessionJob, SessionTraces
from lab_utils.session.run import run
from lab_utils.session.scripted.llm import ScriptedLLM
from lab_utils.session.scripted.tts import ScriptedTTS
from lab_utils.turns.tracing import TraceCache, Tracer

SLOT_S = 10.0
"""From one question to the next."""
FINAL_S = 1.9
"""From a question's beginning to its final transcript; it is committed about 0.05 s later."""


def questions(count: int) -> Recording:
    """The same two seconds of speech, `count` times, every `SLOT_S`."""
    once = one_question()
    slot = np.zeros(round(SLOT_S * 16_000), np.int16)
    slot[: len(once.user)] = once.user
    return replace(once, user=np.tile(slot, count), agent=None, labels=None)


@dataclass
class Backend:
    """A look-up that takes its time, and lists its calls."""

    takes_s: float = 0.5
    fails: int = 0
    """The first so many calls raise."""
    hangs: int = 0
    """The first so many calls never return."""
    calls: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    async def __call__(self, query: str) -> str:
        self.calls.append(query)
        number = len(self.calls)
        try:
            if number <= self.hangs:
                await asyncio.Event().wait()
            await asyncio.sleep(self.takes_s)
            if number <= self.fails:
                raise ConnectionError("the backend is down")
        except asyncio.CancelledError:
            self.cancelled.append(query)
            raise
        self.ended.append(query)
        return f"order {query} is on its way"


@dataclass
class Call:
    """What came of a call."""

    log: SessionLog
    agent: StackedAgent
    left: Sequence[str]
    """Names of the agent's own tasks that ran on after its exit."""
    speech: ScriptedTTS

    def told(self, technique: str) -> list[str]:
        return [note.what for note in self.agent.notes if note.technique == technique]

    def times(self, kind: Any) -> list[float]:
        return [event.time_s for event in self.log.of_kind(kind)]

    @property
    def waits_s(self) -> list[float]:
        """From each commit to the first audio after it."""
        heard = self.times("playout_starts")
        return [min(at for at in heard if at >= commit) - commit for commit in self.times("commit")]

    @property
    def history(self) -> list[tuple[str, str | None]]:
        """What the session report says was said."""
        items = self.log.report["chat_history"]["items"]
        return [(item["role"], item["content"][0]) for item in items if item["type"] == "message"]


@cache
def traces_of(count: int, tail_s: float) -> SessionTraces:
    """The VAD's trace of so many questions, computed once."""
    with tempfile.TemporaryDirectory() as folder:
        (vad,) = Tracer(TraceCache(Path(folder)), tail_s).vad(questions(count), "livekit", [0])
    return SessionTraces(vad, EotTrace())


def scripted(reply: Any = "Yes.", ttft_s: float = 0.4, **options: Any) -> ScriptedLLM:
    """A model that always says the same."""
    return ScriptedLLM(reply if callable(reply) else [reply], ttft=Delay(ttft_s), **options)


def call(
    techniques: Techniques,
    *texts: str,
    events: Sequence[SttEvent] | None = None,
    settings: Settings | None = None,
    llm_parts: dict[str, Any] | None = None,
    speech: ScriptedTTS | None = None,
    agent_class: type[StackedAgent] = StackedAgent,
    tail_s: float = 2.0,
    fails: bool = False,
    **parts: Any,
) -> Call:
    """One call in which the caller says `texts`, one after the other; `parts` of the agent."""
    made: list[StackedAgent] = []
    spoken: list[ScriptedTTS] = []
    left: list[str] = []

    class Watched(agent_class):  # type: ignore[misc, valid-type]
        async def on_exit(self) -> None:
            await super().on_exit()
            await asyncio.sleep(0)
            own = ("prefetch", "judging", "ask")
            left.extend(task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith(own))

    def agent() -> StackedAgent:
        models = {"large": scripted(), "small": scripted("Okay.", 0.1)} | (llm_parts or {})
        made.append(Watched(techniques, AgentParts(**{"instructions": "Be brief."} | models | parts)))
        return made[-1]

    def tts() -> ScriptedTTS:
        spoken.append(speech or ScriptedTTS(voice="tone"))
        return spoken[-1]

    said = events or [SttEvent(k * SLOT_S + FINAL_S, "final", text) for k, text in enumerate(texts)]
    count = round(max(event.time_s for event in said) // SLOT_S) + 1
    threads = threading.active_count()
    log = run(
        SessionJob(
            questions(count),
            settings or Settings().replace(detector="vad"),
            agent=agent,
            tts=tts,
            transcripts=said,
            options=dict(session_options(techniques)),
            tail_s=tail_s,
            traces=traces_of(count, tail_s),
            limits=Limits(virtual_s=60.0, real_s=60.0),
            keep_audio=False,
        )
    )
    assert fails or log.failure == "", log.failure
    assert threading.active_count() <= threads + 1  # LiveKit's own executor may have grown
    return Call(log, made[0], left, spoken[0])


def prompts_of(asked: list[llm.ChatContext], reply: Any = "Yes.") -> Any:
    """A script that keeps every prompt it is sent."""

    def answer(chat_ctx: llm.ChatContext) -> Any:
        asked.append(chat_ctx.copy())
        return reply

    return answer
