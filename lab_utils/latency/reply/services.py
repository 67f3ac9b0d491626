"""The simulated LLM, TTS and tool of an ablation's session, asked in the same order: with the same delays.

Definition: `latency.ablation.measure` (parts and their random streams), `session.scripted`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ...core.delays import Draws, remembered
from ...core.timeline import Ints
from ...session.providers.schema import LlmProvider, Providers, TtsProvider
from ...session.scripted.connection import Connection, Request
from ...session.scripted.prompt import tokens_of
from ..ablation.cells import CHUNK_S
from ..ablation.scenario import LookUp, Scenario
from ..techniques.choice import Techniques
from ..techniques.intents import classify
from ..techniques.levers import FILLER, PREAMBLE, min_sentence_len
from ..techniques.model_routing import Model, model_for
from ..techniques.switches import region
from .prompts import Item, Prompts, Reader
from .sentences import spoken_at_a_time, stretches
from .sound import Frames, frames
from .usage import Call


class Text(NamedTuple):
    """What the TTS gets in one request. Seconds from the request to the LLM."""

    begins_s: float
    """Its first token."""
    pieces: tuple[tuple[float, str], ...]
    """When each piece can go to the TTS, and the piece."""
    said: str
    """All of it."""
    sent_s: float
    """When the first of it can: with a schedule a word, else the first piece."""


@dataclass(frozen=True)
class Answer:
    """What the LLM sends: seconds from the request."""

    first_s: float
    """Its first token; of nothing but a tool call, its last."""
    ends_s: float
    """Its last token, and the tool call if there is one."""
    texts: tuple[Text, ...]
    """What is said: in one text, or with `first_sentence_flush` in two."""
    query: str | None = None
    """The look-up that is asked for, after the text."""
    said: str = ""
    """All of the text."""
    call: Call | None = None
    """The request; none for what needed no model."""


class Services:
    """The services of one session. Requests must be made in order of time."""

    def __init__(self, providers: Providers, techniques: Techniques, seed: int, scenario: Scenario) -> None:
        self.now_s = 0.0
        self._providers, self._techniques, self._scenario = providers, techniques, scenario
        self._shortest = min_sentence_len(techniques.levers)
        self._schedule = providers.tts.chunk_length_schedule
        self._seed, self._round_trip = seed, providers.regions[region(techniques)].round_trip
        self._models: dict[Model, LlmProvider] = {"large": providers.large, "small": providers.small}
        self._lines = {model: self._line(self._models[model], model) for model in self._models}
        self._ttft = {model: Draws(seed, "llm") for model in self._models}
        self._speech, self._backend = Draws(seed, "tts"), Draws(seed, "tool")
        self._prompts = Prompts(techniques, scenario)
        marked = techniques.prefix_caching
        self._readers = {
            model: Reader(self._models[model], self._prompts.earlier, marked=marked) for model in self._models
        }
        self.calls: list[Call] = []
        self.tts_line = self._line(providers.tts, "tts")
        self._lines["large"].warm_up()
        if techniques.model_routing or techniques.short_turn_models:
            self._lines["small"].warm_up()
        if techniques.tts_warmup:
            self.tts_line.warm_up()

    def _line(self, provider: LlmProvider | TtsProvider, part: str) -> Connection:
        rules = provider.connection
        rng = remembered(self._seed, f"{part} connection")
        return Connection(rules.setup, self._round_trip, rules.idle_s, rng, lambda: self.now_s)

    def ask(self, text: str, turn: int, said: Sequence[Item], *, found: bool = False) -> Answer:
        """Ask the LLM about the user's words, the `turn`-th of the conversation, at `now_s`.

        `said`: the conversation, which they (or the tool's output) end; `found`: whether the tool has
        answered already.
        """
        model = model_for(self._techniques, text, classify(text), self._scenario.foreseen(text) is not None)
        provider = self._models[model]
        prompt = self._prompts.tokens(said, self.now_s)
        ttft_s = self._ttft[model].sample(provider.ttft, text) + self._lines[model].request_s()
        read, reading_s = self._readers[model].begin(prompt, self.now_s)
        ttft_s += reading_s
        answer = self._scenario.answer(text, turn)
        opening = self._scenario.opens_with(self._techniques.levers)
        called = ""
        query = None
        if isinstance(answer, LookUp):
            if found:
                answer = self._scenario.tool.answer
            else:
                query = answer.identifier
                called = self._scenario.tool.name + json.dumps({"query": query})
                opening, answer = "", self._preamble
        return self._answer(model, prompt, read, ttft_s, opening + answer, called, query)

    @property
    def _preamble(self) -> str:
        return PREAMBLE if "tool_preamble" in self._techniques.levers else ""

    def _answer(
        self, model: Model, prompt: Ints, read: int, ttft_s: float, said: str, called: str, query: str | None
    ) -> Answer:
        per_s = self._models[model].tokens_per_s
        flushes = "first_sentence_flush" in self._techniques.levers
        spoken = stretches(said, self._shortest, self._schedule, flushes=flushes)
        tokens, count = spoken[-1].until if spoken else 0, len(tokens_of(called))
        first_s = ttft_s if tokens else ttft_s + count / per_s
        call = Call(model, self.now_s, prompt, read, self.now_s + first_s, tokens, per_s, count)
        self.calls.append(call)
        ends_s = first_s
        if tokens:
            ends_s += (tokens + count - (not count)) / per_s
        if not self._techniques.token_streaming:
            first_s, per_s = ends_s, math.inf
        texts = []
        for one in spoken:
            timed = [(first_s + (came - 1) / per_s, piece) for came, piece in one.pieces]
            sent_s = first_s + (one.sent - 1) / per_s
            if one is spoken[-1]:  # the end of the text isn't known before that of the call
                timed[-1] = ends_s, timed[-1][1]
                sent_s = ends_s if one.sent == one.until else sent_s
            texts.append(Text(first_s + one.since / per_s, tuple(timed), one.text, sent_s))
        return Answer(first_s, ends_s, tuple(texts), query, said, call)

    def computed(self, call: Call) -> None:
        """A call's first token comes: unless it was given up before, its prompt is in the cache now."""
        if call.stopped_s >= self.now_s:
            call.written = self._readers[call.model].done(call.prompt, self.now_s)

    def found(self, query: str) -> tuple[Item, Item]:
        """The call of the tool and its output, as the conversation holds them."""
        asked = json.dumps({"query": query})
        output = self._scenario.tool.found.replace("{argument}", query)
        return ("call", f"{self._scenario.tool.name} {asked}"), ("output", output)

    def speak(self, came: Sequence[tuple[float, str]], request: Request, open_s: float) -> Frames:
        """The audio of pieces of text that come at these times. `open_s`: when the connection is open."""
        provider, (first_s, text) = self._providers.tts, came[0]
        network_s = max(0.0, open_s - first_s) + request.round_trip_s
        delay_s = self._speech.sample(provider.first_audio, text) + network_s
        return frames(came, delay_s, provider.speed, CHUNK_S)

    def foreseen(self, text: str) -> str | None:
        """The look-up that the words call for ahead of the model; None without tool prefetch."""
        return self._scenario.foreseen(text) if self._techniques.tool_prefetch else None

    def look_up_s(self, query: str) -> float:
        """How long the tool takes."""
        return self._backend.sample(self._providers.tool.latency, query)

    @property
    def greeting(self) -> str:
        """What the agent says first."""
        return self._scenario.greeting

    @property
    def filler(self) -> str:
        """What it says while a tool works; "" without `tool_filler`."""
        return FILLER if "tool_filler" in self._techniques.levers else ""

    def known(self, text: str) -> Answer:
        """A text that needs no model, and is there from the start."""
        came = spoken_at_a_time([text], self._shortest, self._schedule)
        spoken = tuple((0.0, piece) for _, piece in came)
        return Answer(0.0, 0.0, (Text(0.0, spoken, text, 0.0),), said=text)
