"""A language model that answers by a script, with realistic delays."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from livekit.agents import APIConnectionError, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, APIConnectOptions, NotGivenOr

from ...core.delays import Delay, Draws, rng_for
from ..clock.pace import sleep_until
from .connection import Connection
from .prompt import description, messages_of, newest_words, output_of, prompt_of, tokens_of
from .prompt_cache import PrefixCache
from .usage import LlmRequest, Outcome

DEFAULT_REPLIES = (
    "Sure, I can help you with that. Could you tell me a little more?",
    "Thank you, I have noted that down. Is there anything else I should know?",
    "All right, that is done. What else can I do for you?",
)
"""Answers where no script is given: plausible in length and prosody, neutral in content."""
TTFT = Delay(0.35)
TOKENS_PER_S = 60.0


@dataclass(frozen=True)
class ToolRequest:
    """The model calls a tool instead of answering. Once the context holds the output, it says `answer`."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    answer: str = "I have looked that up for you: {output}."
    """`{output}` stands for what the tool returned."""
    preamble: str = ""
    """Said before the call, by a model that is told to."""


Reply = str | ToolRequest
Replies = Sequence[Reply] | Callable[[llm.ChatContext], Reply]


class ScriptedLLM(llm.LLM):
    """A streaming LLM: the first token comes after `ttft`, the others follow at an even pace.

    `replies`: the answers to the first, second, … user message of the conversation (the last one repeats), or
    a function of the chat context. `ttft` is drawn when a call begins: call k of a run always has the same
    delay, however long earlier calls took and whether or not they were discarded. Retries of a call keep its
    delay. `tokens_per_s` is the pace after the first token.

    Added to `ttft`: `connection`'s set-up if it isn't open, and a round trip for every call;
    `prefill_s_per_1k` for every 1,000 prompt tokens that `cache` doesn't hold. The cache holds a prompt from
    its call's first token on, when it has been computed. `mark_cache` asks for caching, as the Anthropic
    plugin's `caching="ephemeral"` does; an automatic cache needs no asking. With `prewarms` the connection is
    opened when LiveKit calls `prewarm`, at the start of a session, as LiveKit's own `inference.LLM` does.
    `requests` lists all calls.

    With `draws` the time to first token depends on the user's newest words instead of the call's number. So
    two runs have the same delays for the same words even if one of them makes further calls.

    `model` is the name in LiveKit's metrics. `part` names the random streams: two LLMs of a run need
    different ones.

    Faults: `never_answers` lets every call hang; `fail_after_tokens` breaks the connection after so many
    tokens (0: instead of the first), in the first `fails` attempts or in all (None). LiveKit retries what
    failed before the first token.
    """

    def __init__(
        self,
        replies: Replies = DEFAULT_REPLIES,
        *,
        ttft: Delay = TTFT,
        tokens_per_s: float = TOKENS_PER_S,
        seed: int = 0,
        part: str = "llm",
        model: str = "scripted-llm",
        connection: Connection | None = None,
        prewarms: bool = False,
        prefill_s_per_1k: float = 0.0,
        cache: PrefixCache | None = None,
        mark_cache: bool = False,
        draws: Draws | None = None,
        never_answers: bool = False,
        fail_after_tokens: int | None = None,
        fails: int | None = None,
    ) -> None:
        super().__init__()
        if isinstance(replies, str):
            raise ValueError(f"replies is one string, {replies!r}; expected a list of replies: put it in [ ]")
        if not callable(replies) and not replies:
            raise ValueError("replies is empty; expected at least one reply (the last one repeats)")
        if not 0.1 <= tokens_per_s <= 100_000:
            raise ValueError(f"tokens_per_s is {tokens_per_s}; expected 0.1 to 100000 tokens per second")
        if fail_after_tokens is not None and fail_after_tokens < 0:
            raise ValueError(f"fail_after_tokens is {fail_after_tokens}; expected 0 or more, or None")
        if not 0 <= prefill_s_per_1k <= 60:
            raise ValueError(f"prefill_s_per_1k is {prefill_s_per_1k}; expected 0 to 60 s per 1,000 tokens")
        if prewarms and connection is None:
            raise ValueError("prewarms needs a connection to open; give one, or leave prewarms out")
        self._replies, self._ttft, self._tokens_per_s = replies, ttft, tokens_per_s
        self._rng, self._draws = rng_for(seed, part), draws
        self._model = model
        self._connection, self._prewarms = connection, prewarms
        self._prefill_s_per_token = prefill_s_per_1k / 1000
        self._cache, self._mark_cache = cache, mark_cache
        # Without a provider's connection, cache or prefill, only spoken messages count as prompt, not tools.
        self._counts_all = connection is not None or cache is not None or prefill_s_per_1k > 0
        self._described = functools.cache(description)
        self._never_answers = never_answers
        self._fail_after_tokens, self._fails_left = fail_after_tokens, fails
        self.calls = 0
        """How many requests have been made, the discarded ones included."""
        self.requests: list[LlmRequest] = []
        """These requests, in order of the calls."""

    @property
    def model(self) -> str:
        """The name in LiveKit's metrics."""
        return self._model

    @property
    def provider(self) -> str:
        """The provider in LiveKit's metrics."""
        return "offline"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        """One request. With `tool_choice="none"` the answer is in words, never a scripted tool call."""
        self.calls += 1
        ttft_s = self._ttft.sample(
            self._rng if self._draws is None else self._draws.rng(newest_words(chat_ctx))
        )
        prompt = (
            prompt_of(chat_ctx, tools or [], self._described) if self._counts_all else messages_of(chat_ctx)
        )
        request = self._requested(prompt)
        self.requests.append(request)
        unread = request.prompt_tokens - request.read_tokens
        return _ScriptedStream(
            self,
            chat_ctx=chat_ctx,
            tools=tools or [],
            conn_options=conn_options,
            call=self.calls,
            prompt=prompt,
            ttft_s=ttft_s + request.network_s + unread * self._prefill_s_per_token,
            may_call=tool_choice != "none",
        )

    def prewarm(self, *, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Open the connection, if this LLM `prewarms`. `loop` must be the running one."""
        if self._prewarms and self._connection is not None:
            self._connection.warm_up()

    def _requested(self, prompt: Sequence[str]) -> LlmRequest:
        """A new call's entry in `requests`."""
        now_s = asyncio.get_running_loop().time()
        network_s, setup = 0.0, False
        if self._connection is not None:
            before = self._connection.setups
            network_s = self._connection.request_s()
            setup = self._connection.setups > before
        cache = self._cache
        return LlmRequest(
            at_s=now_s,
            model=self._model,
            prompt_tokens=len(prompt),
            read_tokens=cache.find(prompt, now_s, marked=self._mark_cache) if cache is not None else 0,
            marked=self._mark_cache,
            network_s=network_s,
            setup=setup,
        )

    def _computed(self, call: int, prompt: Sequence[str]) -> None:
        """Note that a call's first token has been sent: its whole prompt has been computed."""
        if self._cache is None:
            return
        written = self._cache.keep(prompt, asyncio.get_running_loop().time(), marked=self._mark_cache)
        self.requests[call - 1] = replace(self.requests[call - 1], written_tokens=written)

    def _sent(self, call: int, tokens: int, outcome: Outcome) -> None:
        """Note how a call ended."""
        self.requests[call - 1] = replace(self.requests[call - 1], completion_tokens=tokens, outcome=outcome)
        if self._connection is not None:
            self._connection.used()

    def _reply_to(self, chat_ctx: llm.ChatContext) -> Reply:
        if callable(self._replies):
            return self._replies(chat_ctx)
        turn = sum(message.role == "user" for message in chat_ctx.messages())
        return self._replies[min(max(turn, 1), len(self._replies)) - 1]

    def _breaks(self) -> bool:
        """Whether this attempt is to fail. Counts the failures that are left."""
        if self._fail_after_tokens is None or self._fails_left == 0:
            return False
        if self._fails_left is not None:
            self._fails_left -= 1
        return True


def _spoken(tokens: Sequence[str]) -> list[llm.ChoiceDelta]:
    return [llm.ChoiceDelta(role="assistant", content=token) for token in tokens]


class _ScriptedStream(llm.LLMStream):
    def __init__(
        self,
        script: ScriptedLLM,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
        call: int,
        prompt: Sequence[str],
        ttft_s: float,
        may_call: bool,
    ) -> None:
        self._script, self._ttft_s, self._may_call = script, ttft_s, may_call
        self._call, self._prompt = call, prompt
        self._id = f"scripted-llm-{call}"
        super().__init__(script, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)

    async def _run(self) -> None:
        script = self._script
        first_s = asyncio.get_running_loop().time() + self._ttft_s
        if script._never_answers:
            await asyncio.Future()
        reply = self._worded(script._reply_to(self._chat_ctx))
        if isinstance(reply, ToolRequest):
            request = llm.FunctionToolCall(
                name=reply.name, arguments=json.dumps(dict(reply.arguments)), call_id=f"{self._id}-tool"
            )
            # A tool call is sent as a whole: it can't be used before its last token.
            said = tokens_of(reply.preamble)
            deltas = [*_spoken(said), llm.ChoiceDelta(role="assistant", tool_calls=[request])]
            called = len(tokens_of(reply.name + request.arguments))
            tokens = len(said) + called
            last_s = called / script._tokens_per_s
        else:
            deltas = _spoken(tokens_of(reply))
            tokens, last_s = len(deltas), 0.0
        breaks_after = script._fail_after_tokens if script._breaks() else None
        sent = 0
        outcome: Outcome = "discarded"
        try:
            for delta in deltas:
                wait_s = last_s if sent == len(deltas) - 1 else 0.0
                await sleep_until(first_s + sent / script._tokens_per_s + wait_s)
                if sent == breaks_after:
                    break
                if sent == 0:
                    script._computed(self._call, self._prompt)
                self._event_ch.send_nowait(llm.ChatChunk(id=self._id, delta=delta))
                sent += 1
            outcome = "done" if breaks_after is None else "failed"
        finally:
            script._sent(self._call, tokens if sent == len(deltas) else sent, outcome)
        if breaks_after is not None:
            # As in LiveKit's plug-ins: no retry once tokens have been sent, since they may have been spoken.
            raise APIConnectionError(f"the scripted failure after {sent} tokens", retryable=sent == 0)
        self._send_usage(tokens)

    def _worded(self, reply: Reply) -> Reply:
        """The reply itself. A tool request that can't be made (any more) becomes words."""
        if not isinstance(reply, ToolRequest):
            return reply
        output = output_of(reply.name, self._chat_ctx)
        if output is not None or not self._may_call:
            return reply.answer.replace("{output}", output or "nothing")
        known = sorted(llm.ToolContext(self._tools).function_tools)
        if reply.name not in known:
            raise ValueError(
                f"the script calls the tool {reply.name!r}, but the agent has {', '.join(known) or 'none'}"
            )
        return reply

    def _send_usage(self, tokens: int) -> None:
        request = self._script.requests[self._call - 1]
        usage = llm.CompletionUsage(
            completion_tokens=tokens,
            prompt_tokens=request.prompt_tokens,
            prompt_cached_tokens=request.read_tokens,
            cache_creation_tokens=request.written_tokens,
            cache_read_tokens=request.read_tokens,
            total_tokens=request.prompt_tokens + tokens,
        )
        self._event_ch.send_nowait(llm.ChatChunk(id=self._id, usage=usage))
