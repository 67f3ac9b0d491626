"""The reference agent: all twelve techniques in one LiveKit agent, each with a switch.

A starting point to copy: it doesn't depend on the simulation and runs unchanged in a real worker (`export`
writes one). `descriptions` explains each technique, and what LiveKit 1.8.9 does by itself.

In the order of a turn:

1. `llm_node` (with preemptive generation before the commit, else after step 2): asks the cache, so that a hit
   needs no LLM call; starts the look-up that the user's words call for; chooses the model; builds the prompt.
2. `on_user_turn_completed` (the commit): starts the look-up if it hasn't been started; judges the turn,
   inline or async; says a cached answer. It never changes `turn_ctx`: LiveKit would then discard the
   preemptive reply.
3. The function tools made from `look_ups` return what has been looked up ahead.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    ConversationItemAddedEvent,
    FlushSentinel,
    FunctionTool,
    ModelSettings,
    StopResponse,
    llm,
)

from ..extras.judging import Judge, Judging
from . import kv_cache_reuse, prefix_caching
from .choice import Techniques
from .intents import Intent, classify
from .levers import FILLER, instructed
from .model_routing import Model, model_for
from .notes import Note, notes_in
from .semantic_cache import FOREIGN, Hit, SemanticCache
from .switches import turn_handling
from .token_streaming import buffered, flushed
from .tool_prefetch import Foresight, LookUp, Prefetch


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(frozen=True)
class AgentParts:
    """The parts of an agent, whichever techniques it uses."""

    instructions: str
    """The system prompt; the same for the whole session."""
    large: llm.LLM[Any]
    small: llm.LLM[Any]
    """The small model; may be the same as `large`."""
    look_ups: Mapping[str, LookUp] = field(default_factory=dict)
    """Read-only tools by name, which may be called ahead; the agent makes function tools of them."""
    tools: Sequence[FunctionTool[..., Any]] = ()
    """Further tools."""
    judge: Judge | None = None
    cache: SemanticCache | None = None
    tenant: str = ""
    """The tenant whose answers the cache may give."""
    greeting: str = ""
    """Said when the agent enters; nothing if empty."""
    filler: str = FILLER
    """Said while a look-up runs, with the lever `tool_filler`."""
    clock: Callable[[], datetime] = _now
    """Gives the time of day for the prompt."""
    classify: Callable[[str], Intent] = classify

    def __post_init__(self) -> None:
        if self.cache is not None and not self.tenant:
            raise ValueError("a cache without tenant; say whose answers it may give: tenant='acme'")
        twice = sorted({tool.info.name for tool in self.tools} & set(self.look_ups))
        if twice:
            raise ValueError(
                f"{twice[0]!r} is in look_ups and in tools; the agent makes the tools of look_ups"
            )


class StackedAgent(Agent):
    """An agent with the techniques, and the mistakes, that are switched on.

    Leaves no task behind when it exits. `notes` is its turn log, `judging` holds the verdicts.
    """

    def __init__(self, techniques: Techniques, parts: AgentParts) -> None:
        mistakes = techniques.mistakes
        shared = parts.cache is not None and parts.cache.one_key_for_all
        if techniques.semantic_cache and parts.cache is not None and shared != ("shared_cache" in mistakes):
            raise ValueError(
                f"the cache has one_key_for_all={shared}, but the mistake shared_cache is "
                f"{'on' if 'shared_cache' in mistakes else 'off'}; make them agree"
            )
        self.techniques, self.parts = techniques, parts
        self.notes: list[Note] = []
        self._note = notes_in(self.notes)
        self._prefetch = Prefetch(self._note, leaks="leaked_prefetch" in mistakes)
        self.judging: Judging | None = None
        filler = parts.filler if "tool_filler" in techniques.levers else ""
        self._foresight = Foresight(
            parts.look_ups, self._prefetch, on=techniques.tool_prefetch, filler=filler
        )
        self._asked: dict[str, Model] = {}  # user message id -> model, for replies not yet used
        self._unanswered: str | None = None  # id of a user message kept before its model was asked
        self._answering: Model | None = None  # answers the newest user message
        super().__init__(
            instructions=instructed(parts.instructions, techniques.levers),
            llm=parts.large,
            tools=[*parts.tools, *self._foresight.tools()],
            turn_handling=turn_handling(techniques),
        )

    # --- the session's events ---------------------------------------------------------------------

    async def on_enter(self) -> None:
        """Subscribe to the session's events, and greet."""
        self.session.on("conversation_item_added", self._on_item)
        self.session.on("close", self._on_close)  # not removed on exit: a last turn may come after it
        if self.parts.judge is not None:  # made here, since an agent may enter again
            self.judging = Judging(self.parts.judge, inline=not self.techniques.async_evaluation)
        if self.parts.small is not self.parts.large:
            # LiveKit subscribes to the agent's `llm` only, and prewarms no other.
            self.parts.small.on("metrics_collected", self._relay_metrics)
            self.parts.small.on("error", self._relay_error)
            if self.techniques.model_routing or self.techniques.short_turn_models:
                self.parts.small.prewarm()
        if self.parts.greeting:
            self.session.say(self.parts.greeting)

    async def on_exit(self) -> None:
        """End all background tasks, and unsubscribe."""
        self.session.off("conversation_item_added", self._on_item)
        if self.parts.small is not self.parts.large:
            self.parts.small.off("metrics_collected", self._relay_metrics)
            self.parts.small.off("error", self._relay_error)
        await self._prefetch.aclose()
        if self.judging is not None:
            await self.judging.aclose()

    def _on_close(self, _: object) -> None:
        self._prefetch.cancel("unused")

    def _relay_metrics(self, metrics: Any) -> None:
        self.parts.large.emit("metrics_collected", metrics)

    def _relay_error(self, error: Any) -> None:
        self.parts.large.emit("error", error)

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        """Note the model of a reply when the message that it answers is added to the conversation.

        LiveKit's report names the agent's `llm` for each reply: those of the small model get its name.
        """
        item = event.item
        if item.type == "message" and item.role == "assistant":
            if self._answering == "small" and "llm_node_ttft" in item.metrics:
                item.metrics["llm_metadata"] = self.parts.small.metrics_metadata
        elif item.type == "message" and item.role == "user":
            model = self._answering = self._asked.get(item.id)
            self._asked.clear()
            self._unanswered = item.id if model is None else None
            if model is not None:
                self._note("model_routing", f"answered by {model}")

    def _on_asked(self, message: llm.ChatMessage, model: Model) -> None:
        """Note the model if its message has been added already, as without preemptive generation."""
        if message.id == self._unanswered:
            self._unanswered, self._answering = None, model
            self._note("model_routing", f"answered by {model}")
        else:
            self._asked[message.id] = model

    # --- a turn -----------------------------------------------------------------------------------

    async def on_user_turn_completed(self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage) -> None:
        """Handle the commit of a turn. Raises StopResponse if the cache answers."""
        text = new_message.text_content or ""
        hit = self._look_up_answer(text)
        self._foresight.committed(new_message.id, None if hit is not None else text)
        if self.judging is not None:
            await self.judging.turn(text)
        if hit is not None:
            await self._say_cached(hit, new_message)
            raise StopResponse
        if self.techniques.semantic_cache and self.parts.cache is not None:
            self._note("semantic_cache", "miss")

    def _look_up_answer(self, text: str) -> Hit | None:
        if not self.techniques.semantic_cache or self.parts.cache is None or not text.strip():
            return None
        return self.parts.cache.lookup(self.parts.tenant, text)

    async def _say_cached(self, hit: Hit, question: llm.ChatMessage) -> None:
        """Say a stored answer instead of the LLM's, and add the question to the history, as LiveKit would."""
        self._note("semantic_cache", "hit" if hit.tenant == self.parts.tenant else FOREIGN)
        with suppress(RuntimeError):  # something uninterruptible is being said; the answer then follows it
            self.session.interrupt()  # discards the preemptive reply too
        history = self.chat_ctx.copy()
        history.insert(question)
        await self.update_chat_ctx(history)
        self.session.history.insert(question)
        self.session.emit("conversation_item_added", ConversationItemAddedEvent(item=question))
        self.session.say(hit.answer, audio=hit.frames() if hit.audio else self._spoken(hit))

    async def _spoken(self, hit: Hit) -> AsyncIterator[rtc.AudioFrame]:
        """A stored answer's audio from the TTS; it is stored when it is complete."""

        async def text() -> AsyncIterator[str]:
            yield hit.answer

        frames: list[rtc.AudioFrame] = []
        async with aclosing(Agent.default.tts_node(self, text(), ModelSettings())) as speech:
            async for frame in speech:
                frames.append(frame)
                yield frame
        if self.parts.cache is not None:
            self.parts.cache.add_audio(hit, frames)

    # --- the reply --------------------------------------------------------------------------------

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[llm.ChatChunk | FlushSentinel | str, None]:
        """The reply, streamed: a cached answer, or the reply of the model that suits the user's words."""
        message, continued = _newest(chat_ctx)
        text = (message.text_content if message is not None else None) or ""
        if not continued:
            hit = self._look_up_answer(text)
            if hit is not None:  # `on_user_turn_completed` will say it
                yield hit.answer
                return
        message_id = message.id if message is not None else None
        self._foresight.asked(message_id, "" if continued else text)
        model = self._model_for(text)
        if message is not None and not continued:
            self._on_asked(message, model)
        chunks = self._chunks(model, self._prompt(chat_ctx), tools, model_settings)
        if not self.techniques.token_streaming or "buffered_reply" in self.techniques.mistakes:
            chunks = buffered(chunks)
        reply = flushed(chunks) if "first_sentence_flush" in self.techniques.levers else chunks
        called: set[str] = set()
        finished = False
        try:
            async with aclosing(chunks), aclosing(reply):
                async for chunk in reply:
                    if isinstance(chunk, llm.ChatChunk) and chunk.delta:
                        called.update(call.name for call in chunk.delta.tool_calls)
                    yield chunk
            finished = True
        finally:
            self._foresight.answered(message_id, frozenset(called) if finished else None)

    async def _chunks(
        self,
        model: Model,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        model_settings: ModelSettings,
    ) -> AsyncGenerator[llm.ChatChunk, None]:
        asked = self.parts.small if model == "small" else self.parts.large
        async with asked.chat(
            chat_ctx=chat_ctx,
            tools=tools,
            tool_choice=model_settings.tool_choice,
            conn_options=self.session.conn_options.llm_conn_options,
        ) as stream:
            async for chunk in stream:
                yield chunk

    def _model_for(self, text: str) -> Model:
        needs_tool = self._foresight.cued(text) is not None
        return model_for(self.techniques, text, self.parts.classify(text), needs_tool)

    def _prompt(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """The model's prompt: instructions, history and time of day, cacheable or not by the techniques."""
        if not self.techniques.kv_cache_reuse:
            chat_ctx = kv_cache_reuse.rewritten(chat_ctx)
        if not self.techniques.prefix_caching or "timestamp_on_top" in self.techniques.mistakes:
            return prefix_caching.with_time_on_top(chat_ctx, self.parts.clock())
        return prefix_caching.with_time_at_the_end(chat_ctx, self.parts.clock())


def _newest(chat_ctx: llm.ChatContext) -> tuple[llm.ChatMessage | None, bool]:
    """The user's newest message, and whether its reply has already begun (for instance with a tool call)."""
    continued = False
    for item in reversed(chat_ctx.items):
        if item.type == "message" and item.role == "user":
            return item, continued
        continued = (
            continued
            or item.type == "function_call_output"
            or (item.type == "message" and item.role == "assistant")
        )
    return None, continued
