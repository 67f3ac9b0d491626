"""The Python blocks of the latency guide, read from its text where that lies beside the repository.

The guide isn't ours to copy: tests skip where it is absent (`SHARED` names its folder elsewhere).
"""

from __future__ import annotations

import ast
import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
from calls import sample
from livekit.agents import Agent, AgentSession
from livekit.agents.testing import fake_job_context

from lab_utils.core.labels import Ipu, Labels
from lab_utils.core.recording import Recording
from lab_utils.core.session_log import Reply, SessionEvent
from lab_utils.core.timeline import stream_of, to_samples
from lab_utils.session.audio.audio_in import RecordingInput, Stream
from lab_utils.session.audio.audio_out import Playout
from lab_utils.session.audio.heard_text import synchronizer
from lab_utils.session.log.observer import Observer
from lab_utils.session.scripted.stt import ScriptedSTT
from lab_utils.session.scripted.stt_plan import planned
from lab_utils.session.user_parts import load_parts

ROOT = Path(__file__).resolve().parents[1]
GUIDE = Path(os.environ.get("SHARED", ROOT.parent / "shared"), "reference/livekit-latency-guide.txt")
needs_guide = pytest.mark.skipif(not GUIDE.is_file(), reason=f"the latency guide isn't at {GUIDE}")

BLOCK = re.compile(r"# (livekit-agents==|traceai-livekit|ai-evaluation)")
HEADING = re.compile(r"(\d+)\. [A-Z]")
LONGEST = 90
GAP_S = 6.0
"""Silence after each turn of a caller."""


@cache
def blocks() -> dict[str, str]:
    """Code by where it stands: "1" to "12" (techniques), "turn-taking", "stack", "tracing", "scoring"."""
    lines = GUIDE.read_text("utf-8").splitlines()
    found: dict[str, str] = {}
    place = ""
    for number, line in enumerate(lines):
        if heading := HEADING.match(line):
            place = heading[1]
        elif line.startswith("Bonus: turn-taking"):
            place = "turn-taking"
        elif line.startswith("Stacking the techniques"):
            place = "stack"
        elif line.startswith("Future AGI for LiveKit monitoring"):
            place = "tracing"
        elif line.startswith("For multi-modal audio scoring"):
            place = "scoring"
        elif BLOCK.match(line):
            assert place not in found, f"two blocks of code in {place!r}"
            found[place] = _longest_program(lines[number : number + LONGEST])
    return found


def _longest_program(lines: list[str]) -> str:
    """The lines up to where they stop being Python: prose follows without a mark."""
    for count in range(len(lines), 0, -1):
        text = "\n".join(lines[:count])
        try:
            ast.parse(text)
        except SyntaxError:
            continue
        return text + "\n"
    return ""


def worker(folder: Path, code: str, name: str) -> ModuleType:
    """Code as the file of a worker, imported as `lab run --agent` imports it."""
    path = folder / f"{name}.py"
    path.write_text(code, encoding="utf-8")
    made = load_parts({"agent": f"{path}:Assistant"})
    assert made["agent"] is not None
    return sys.modules[name]


def call(*turns: str, gap_s: float = GAP_S) -> Recording:
    """A caller who says these turns, each in 1.2 s, with so much silence after each."""
    speech = sample("01").user[to_samples(9.8) : to_samples(11.1)]
    silence = np.zeros(to_samples(gap_s), np.int16)
    user = np.concatenate([part for _ in turns for part in (speech, silence)])
    starts_s = [n * (gap_s + 1.3) for n in range(len(turns))]
    ipus = [Ipu("user", at + 0.054, at + 1.264, text) for at, text in zip(starts_s, turns, strict=True)]
    return Recording("call", "call", user, None, "0" * 64, Labels(len(user) / 16_000, tuple(ipus), ()))


@dataclass(frozen=True)
class Run:
    """What one session gave."""

    events: tuple[SessionEvent, ...]
    replies: tuple[Reply, ...]
    history: tuple[tuple[str, str], ...]
    """The conversation as LiveKit keeps it: role and text."""
    left: frozenset[str]
    """Names of the tasks that were still there when the session had been closed."""

    def times(self, kind: str) -> list[float]:
        """When events of a kind happened."""
        return [event.time_s for event in self.events if event.kind == kind]

    def told(self, kind: str) -> str:
        """What the errors, warnings … say, in lines."""
        return "\n".join(str(event.data.get("error", "")) for event in self.events if event.kind == kind)


async def answered(make: Callable[[], tuple[AgentSession, Agent]], recording: Recording) -> Run:
    """Run a session that `make` makes, with the room's audio taken from a recording."""
    with fake_job_context():
        session, agent = make()
        return await _heard(session, agent, recording, lambda: session.start(agent, record=False))


async def entered(module: ModuleType, recording: Recording) -> Run:
    """Prewarm a worker's process and run its entrypoint as a job would, the room's audio from a recording."""
    with fake_job_context() as context:
        module.prewarm(context.proc)
        started: asyncio.Future[tuple[AgentSession, Agent]] = asyncio.get_running_loop().create_future()
        go = asyncio.Event()

        async def start(session: AgentSession, agent: Agent, **_: Any) -> None:
            started.set_result((session, agent))
            await go.wait()

        with mock.patch.object(AgentSession, "start", start):
            entry = asyncio.ensure_future(module.entrypoint(context))
            await asyncio.wait([entry, started], return_when=asyncio.FIRST_COMPLETED)
            if not started.done():
                entry.result()
                raise AssertionError("the entrypoint started no session")
        session, agent = started.result()

        async def begin() -> None:
            await session.start(agent, record=False)
            go.set()
            await entry

        return await _heard(session, agent, recording, begin)


async def _heard(
    session: AgentSession, agent: Agent, recording: Recording, start: Callable[[], Awaitable[Any]]
) -> Run:
    observer = Observer("v1-mini")
    ears = agent.stt if isinstance(agent.stt, ScriptedSTT) else session.stt
    assert isinstance(ears, ScriptedSTT)
    assert recording.labels is not None
    said = planned(recording.labels, None, 0)
    source = Stream(stream_of(recording.user, 0, 6.0), 800)
    audio_in = RecordingInput(source, 800, on_start=lambda: ears.schedule(said, audio_in.started_at or 0.0))
    playout = Playout(on_event=lambda kind, data: observer.note(kind, **data))
    words = synchronizer(playout, tone=False)
    session.input.audio, session.output.audio = audio_in, words.audio_output
    session.output.transcription = words.text_output
    before = asyncio.all_tasks()
    with observer.log_records(), observer.watching(session, agent):
        await start()
        await audio_in.ended.wait()
        await session.aclose()
    await words.aclose()
    await asyncio.sleep(1.0)
    origin = audio_in.started_at or time.time()
    left = asyncio.all_tasks() - before
    history = tuple((m.role, m.text_content or "") for m in session.history.messages())
    run = Run(
        observer.events(origin),
        observer.replies(origin),
        history,
        frozenset(getattr(task.get_coro(), "__name__", "") for task in left),
    )
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    return run
