"""How a session is made: by this package for an agent, or by a worker's entrypoint."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from livekit.agents import Agent, AgentSession


class Opening(Protocol):
    """Makes a session, starts it, and cleans up after it."""

    async def opened(self) -> tuple[AgentSession[Any], Agent]:
        """The session, which isn't started yet, and its first agent."""

    async def start(self) -> None:
        """Start the session."""

    async def broke_off(self) -> str:
        """Wait until the session's maker ends it early. Returns the reason."""

    async def aclose(self) -> list[str]:
        """Clean up after the session. Returns what failed."""


class OwnSession:
    """A session that this package makes for an agent."""

    def __init__(self, session: AgentSession[Any], agent: Agent) -> None:
        self._session, self._agent = session, agent

    async def opened(self) -> tuple[AgentSession[Any], Agent]:
        return self._session, self._agent

    async def start(self) -> None:
        await self._session.start(self._agent, record=False)

    async def broke_off(self) -> str:
        return await asyncio.get_running_loop().create_future()

    async def aclose(self) -> list[str]:
        return []
