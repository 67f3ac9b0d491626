"""A worker's entrypoint run up to its session, to see what it asks for and what it gives to its session."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.utils import is_given

from ...core.settings import Settings
from .. import clock
from ..stand_ins.imports import ProcessStandIns
from ..stand_ins.unanswerable import Unanswerable
from ..user_parts import BadPart
from .entry import Entry, EntrypointFailed
from .facts import RoomFacts
from .job import offline_job
from .load import OPTION, Worker
from .settings import settings_of

Given = TypeVar("Given")


@dataclass(frozen=True)
class PlugIn:
    """A part that a worker's session speaks to."""

    label: str
    """Module and class."""
    provider: str
    model: str


@dataclass(frozen=True)
class LiveParts:
    """What a worker gives to its session."""

    settings: Settings
    stt: PlugIn
    llm: PlugIn
    tts: PlugIn
    tools: tuple[str, ...]
    """Names of the tools of the agent and its session; a toolset that isn't loaded yet is one name."""
    instructions: int
    """Characters of the agent's instructions."""
    mcp_servers: tuple[str, ...] = ()
    """Hosts or programs of the servers that bring more tools."""


def settings_given(worker: Worker, facts: RoomFacts, stand_ins: ProcessStandIns | None) -> Settings:
    """The settings of the worker's AgentSession, which isn't started. Raises BadPart."""
    return _given(worker, facts, stand_ins, settings_of)


def parts_given(worker: Worker, facts: RoomFacts) -> LiveParts:
    """The parts of the worker's AgentSession, which isn't started; nothing stands in.

    Raises BadPart, also for a session that has no STT, LLM or TTS, or a speech-to-speech model.
    """
    return _given(worker, facts, None, lambda session, agent: _parts_of(worker, session, agent))


def _parts_of(worker: Worker, session: AgentSession[Any], agent: Agent) -> LiveParts:
    found = {name: getattr(agent, name) or getattr(session, name) for name in ("stt", "llm", "tts")}
    missing = [name.upper() for name, part in found.items() if part is None]
    if missing or isinstance(found["llm"], llm.RealtimeModel):
        finding = f"its session has no {missing[0]}" if missing else "a speech-to-speech model has no stages"
        raise BadPart.of(OPTION, worker.name, finding, "give it an STT, an LLM and a TTS")
    parts = {name: PlugIn(_label(part), part.provider, part.model) for name, part in found.items()}
    servers = agent.mcp_servers if is_given(agent.mcp_servers) else session.mcp_servers
    return LiveParts(
        settings_of(session, agent),
        **parts,
        tools=tuple(dict.fromkeys(_names_of([*session.tools, *agent.tools]))),
        instructions=len(str(agent.instructions)),
        mcp_servers=tuple(map(_server, servers or ())),
    )


def _names_of(tools: Iterable[llm.Tool | llm.Toolset]) -> Iterator[str]:
    for tool in tools:
        if isinstance(tool, llm.Toolset) and tool.tools:
            yield from _names_of(tool.tools)
        else:
            yield f"all of {tool.id}" if isinstance(tool, llm.Toolset) else tool.id


def _server(server: Any) -> str:
    """An MCP server by its host or program alone: its URL, arguments and headers may hold secrets."""
    if url := getattr(server, "url", ""):
        return urlsplit(url).hostname or "?"
    return Path(getattr(server, "command", type(server).__name__)).name


def _label(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _given(
    worker: Worker,
    facts: RoomFacts,
    stand_ins: ProcessStandIns | None,
    read: Callable[[AgentSession[Any], Agent], Given],
) -> Given:
    async def up_to_the_session() -> Given:
        async with offline_job(facts, stand_ins) as job:
            entry = Entry(worker, job, stand_ins)
            try:
                return read(*await entry.opened())
            finally:
                entry.abandon()

    loop = asyncio.new_event_loop() if stand_ins is None else clock.VirtualLoop()
    try:
        return clock.run_on(loop, up_to_the_session)
    except EntrypointFailed as error:
        found = error.__cause__ if isinstance(error.__cause__, Unanswerable) else error
        raise BadPart(f"--{OPTION} {worker.name}: {found}") from None
    except Unanswerable as error:
        raise BadPart(f"--{OPTION} {worker.name}: {error}") from None
