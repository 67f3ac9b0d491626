"""Technique 5: prefetched tool calls.

What it does: if it is clear from the user's words which look-up the turn will need, it runs while the LLM
still writes the request for it; the tool then takes the result.

LiveKit surface: `on_user_turn_completed`, `asyncio.create_task`, `@function_tool`. With preemptive generation
`llm_node` comes before that hook; a look-up started there runs through the endpointing delay too.

What 1.8.9 does by itself: nothing, and it runs tools only once the reply is scheduled, never preemptively. So
only look-ups without side effects may be prefetched: a turn that goes on has asked for nothing.

Common mistake ("leaked_prefetch"): not cancelling what wasn't used. Tasks pile up, and, as in the guide's own
code, the next turn's tool takes the last turn's result, whatever its arguments.

Offline: the tool's backend has a latency of its own; a ledger counts what was started, used and cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livekit.agents import ToolError

from .bounded import Answer, ask, checked_limit
from .intents import same_words
from .notes import Notes

TIMEOUT_S = 8.0
CLOSE_S = 1.0

Call = Callable[[str], Awaitable[str]]
"""A look-up: query → what the LLM is told."""


@dataclass(frozen=True)
class LookUp:
    """A function tool with one text argument, `query`, that only reads."""

    description: str
    """What the LLM is told of it."""
    call: Call
    cue: Callable[[str], str | None]
    """User's text → the query it will lead to, or None where that isn't clear (confidence: yours)."""


@dataclass(frozen=True)
class _Ahead:
    tool: str
    query: str
    task: asyncio.Task[Answer[str]]


class Prefetch:
    """At most one look-up ahead, of the current turn.

    A look-up may take `timeout_s`; one that failed or hung ahead is tried once more when the tool is called,
    and if that fails too the LLM is told so (`ToolError`). `leaks` is the mistake "leaked_prefetch".
    """

    def __init__(self, notes: Notes, timeout_s: float = TIMEOUT_S, *, leaks: bool = False) -> None:
        self._timeout_s = checked_limit("timeout_s", timeout_s)
        self._notes, self._leaks = notes, leaks
        self._ahead: _Ahead | None = None
        self._running: set[asyncio.Task[Answer[str]]] = set()

    @property
    def running(self) -> int:
        """Look-ups that run ahead now; more than one only if they leak."""
        return len(self._running)

    def start(self, tool: str, query: str, call: Call) -> None:
        """Run a look-up ahead, unless it does already. One for another query is cancelled."""
        ahead = self._ahead
        if ahead is not None and ahead.tool == tool and same_words(ahead.query, query):
            return
        self.cancel("unused")
        task = asyncio.create_task(ask(lambda: call(query), self._timeout_s), name=f"prefetch {tool}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._ahead = _Ahead(tool, query, task)
        self._notes("tool_prefetch", "prefetched")

    async def take(self, tool: str, query: str, call: Call) -> str:
        """What the tool answers: from ahead if that was this query's, else from a call made now.

        Raises ToolError, for the LLM to read, if the look-up fails or takes more than `timeout_s`.
        """
        ahead, self._ahead = self._ahead, None
        if ahead is not None and (self._leaks or (ahead.tool == tool and same_words(ahead.query, query))):
            answer = await ahead.task  # cancelling the tool cancels it too
            if answer.value is not None:
                self._notes("tool_prefetch", "hit")
                return answer.value
            self._notes("tool_prefetch", f"failed ahead: {answer.error}")
        elif ahead is not None:
            self._drop(ahead, "cancelled")
        self._notes("tool_prefetch", "called cold")
        answer = await ask(lambda: call(query), self._timeout_s)
        if answer.value is None:
            raise ToolError(f"{tool} is not available: {answer.error}")
        return answer.value

    def settle(self, called: frozenset[str]) -> None:
        """The LLM has answered and called these tools; what runs ahead for another one is cancelled."""
        if self._ahead is not None and self._ahead.tool not in called:
            self.cancel("cancelled" if called else "unused")

    def cancel(self, why: str) -> None:
        """Give up what runs ahead."""
        ahead = self._ahead
        if ahead is not None and not self._leaks:
            self._ahead = None
            self._drop(ahead, why)

    async def aclose(self) -> None:
        """Give up what runs ahead, and wait until it has ended."""
        self.cancel("unused")
        if self._running and not self._leaks:
            await asyncio.wait(self._running, timeout=CLOSE_S)

    def _drop(self, ahead: _Ahead, why: str) -> None:
        ahead.task.cancel()
        self._notes("tool_prefetch", why)
