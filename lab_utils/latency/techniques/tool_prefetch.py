"""Technique 5: prefetched tool calls.

What it does: if it is clear from the user's words which look-up the turn will need, it runs while the LLM
still writes the request for it; the tool then takes the result.

LiveKit surface: `on_user_turn_completed`, `asyncio.create_task`, `@function_tool`. With preemptive generation
`llm_node` comes before that hook; a look-up started there runs through the endpointing delay too.

What 1.8.9 does by itself: nothing, and it runs tools only once the reply is scheduled, never preemptively. So
only look-ups without side effects may be prefetched: a turn that goes on has asked for nothing.

Common mistake ("leaked_prefetch"): not cancelling what wasn't used. Tasks pile up, and, as in the guide's own
code, the next turn's tool takes the last turn's result, whatever its arguments.

Offline: the tool's backend has a latency of its own; each call and what became of it are listed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import FunctionTool, RunContext, ToolError, function_tool

from ..extras.bounded import Answer, ask, checked_limit
from .intents import same_words
from .notes import Notes

TIMEOUT_S = 8.0
CLOSE_S = 1.0

Call = Callable[[str], Awaitable[str]]
"""A look-up: query → the text for the LLM."""


@dataclass(frozen=True)
class LookUp:
    """A function tool with one text argument, `query`, that only reads."""

    description: str
    """The tool's description for the LLM."""
    call: Call
    cue: Callable[[str], str | None]
    """User's text → the query that it will lead to, or None where that isn't clear enough."""


@dataclass(frozen=True)
class _Ahead:
    tool: str
    query: str
    task: asyncio.Task[Answer[str]]


STALE = "answered with another question's result"
"""Note in the turn log: what the mistake "leaked_prefetch" leads to."""


class Prefetch:
    """Runs at most one look-up ahead, for the current turn.

    A look-up may take `timeout_s`. One that failed or hung ahead is tried once more when the tool is called;
    if that fails too, the LLM gets a `ToolError`. `leaks` is the mistake "leaked_prefetch".
    """

    def __init__(self, notes: Notes, timeout_s: float = TIMEOUT_S, *, leaks: bool = False) -> None:
        self._timeout_s = checked_limit("timeout_s", timeout_s)
        self._notes, self._leaks = notes, leaks
        self._ahead: _Ahead | None = None
        self._running: set[asyncio.Task[Answer[str]]] = set()

    @property
    def running(self) -> int:
        """Number of look-ups that run ahead now; more than one only with `leaks`."""
        return len(self._running)

    def start(self, tool: str, query: str, call: Call) -> None:
        """Run a look-up ahead, unless the same one runs already. One for another query is cancelled."""
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
        """The tool's result: that of the look-up ahead if it had the same query, else of a call made now.

        Raises ToolError, which LiveKit passes to the LLM, if the look-up fails or takes more than
        `timeout_s`.
        """
        ahead, self._ahead = self._ahead, None
        wanted = ahead is not None and ahead.tool == tool and same_words(ahead.query, query)
        if ahead is not None and (wanted or self._leaks):
            answer = await ahead.task  # cancelling the tool cancels it too
            if answer.value is not None:
                self._notes("tool_prefetch", "hit" if wanted else STALE)
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
        """The LLM has answered and called the tools `called`: cancel a look-up ahead for another tool."""
        if self._ahead is not None and self._ahead.tool not in called:
            self.cancel("cancelled" if called else "unused")

    def cancel(self, why: str) -> None:
        """Cancel the look-up ahead."""
        ahead = self._ahead
        if ahead is not None and not self._leaks:
            self._ahead = None
            self._drop(ahead, why)

    async def aclose(self) -> None:
        """Cancel the look-up ahead, and wait until it has ended."""
        self.cancel("unused")
        if self._running and not self._leaks:
            await asyncio.wait(self._running, timeout=CLOSE_S)

    def _drop(self, ahead: _Ahead, why: str) -> None:
        ahead.task.cancel()
        self._notes("tool_prefetch", why)


class Foresight:
    """Starts the look-up that a turn's words call for: once per turn, and until the turn's reply ends.

    The agent calls `asked` at each call of its `llm_node` (with preemptive generation the first one comes
    before the commit), `committed` in `on_user_turn_completed`, and `answered` at the end of a call of
    `llm_node`. Messages are identified by their ids: a preemptive call's message has its own id.
    """

    def __init__(
        self, look_ups: Mapping[str, LookUp], prefetch: Prefetch, *, on: bool, filler: str = ""
    ) -> None:
        """`look_ups`: by the name of their tool. `on`: whether any of them is to be called ahead. `filler`:
        said while a tool runs; nothing if empty."""
        self._look_ups, self._prefetch, self._on, self._filler = look_ups, prefetch, on, filler
        self._foreseen: str | None = None  # the user's text of the turn that isn't committed yet
        self._committed: str | None = None  # message id of the newest committed turn
        self._newest: str | None = None  # message id of the newest call of the LLM

    def tools(self) -> list[FunctionTool[..., Any]]:
        """The function tools, which return what was looked up ahead."""
        return [self._tool(name, look_up) for name, look_up in self._look_ups.items()]

    def _tool(self, name: str, look_up: LookUp) -> FunctionTool[..., Any]:
        async def answer(query: str) -> str:
            return await self._prefetch.take(name, query, look_up.call)

        async def answer_with_filler(context: RunContext[Any], query: str) -> str:
            async with context.with_filler(self._filler):
                return await answer(query)

        # The model is told a title made of this name: it must not change, or no prompt cache holds the tool.
        answer_with_filler.__name__ = answer.__name__
        made = answer_with_filler if self._filler else answer
        return function_tool(made, name=name, description=look_up.description)

    def cued(self, text: str) -> tuple[str, str] | None:
        """The look-up that a text calls for, as tool and query; None if there is none."""
        for name, look_up in self._look_ups.items():
            query = look_up.cue(text)
            if query is not None:
                return name, query
        return None

    def asked(self, message_id: str | None, text: str) -> None:
        """The LLM is asked for a reply to a message; `text` is "" if the message isn't the user's."""
        self._newest = message_id
        if text and message_id != self._committed:  # `committed` has started the look-up of a committed turn
            self._foresee(text)

    def committed(self, message_id: str, text: str | None) -> None:
        """The turn is over; `text` is None where no LLM will answer it."""
        if text is None:
            self._prefetch.cancel("unused")
        else:
            self._foresee(text)
        self._foreseen, self._committed = None, message_id

    def answered(self, message_id: str | None, called: frozenset[str] | None) -> None:
        """A reply has ended with calls of the tools `called`; None: the reply failed or was given up."""
        if called is not None:
            self._prefetch.settle(called)
        elif self._foreseen is None and self._newest == message_id:
            self._prefetch.cancel("unused")  # the committed turn gets no reply, so no tool is asked for

    def _foresee(self, text: str) -> None:
        """Start the look-up that the words call for, or cancel one that is left from an earlier turn."""
        if not self._on or (self._foreseen is not None and same_words(self._foreseen, text)):
            return
        self._foreseen = text
        cued = self.cued(text)
        if cued is None:
            self._prefetch.cancel("unused")
        else:
            name, query = cued
            self._prefetch.start(name, query, self._look_ups[name].call)
