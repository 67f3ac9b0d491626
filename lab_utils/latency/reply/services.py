"""The simulated LLM, TTS and tool of an ablation's session, asked in the same order: with the same delays.

Definition: `latency.ablation.measure` (parts and their random streams), `session.scripted`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from ...core.delays import Draws, remembered
from ...core.timeline import Ints
from ...session.providers.schema import LlmProvider, Providers, TtsProvider
from ...session.scripted.connection import Connection, Request
from ...session.scripted.prompt import tokens_of
from ..ablation.cells import CHUNK_S
from ..ablation.scenario import LookUp, Scenario
from ..techniques.choice import Techniques
from ..techniques.intents import classify
from ..techniques.levers import PREAMBLE, min_sentence_len
from ..techniques.model_routing import Model, model_for
from ..techniques.switches import region
from .prompts import Item, Prompts, Reader
from .sentences import WORDS, chunks, pieces
from .sound import Frames, frames
from .usage import Call


@dataclass(frozen=True)
class Answer:
    """What the LLM sends: seconds from the request."""

    first_s: float
    """Its first token; of nothing but a tool call, its last."""
    ends_s: float
    """Its last token, and the tool call if there is one."""
    text: tuple[tuple[float, str], ...]
    """When each piece can go to the TTS, and the piece."""
    sent_s: float = 0.0
    """When the first of it can: with a schedule a word, else the first piece."""
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
        tokens, count = tokens_of(said), len(tokens_of(called))
        first_s = ttft_s if tokens else ttft_s + count / per_s
        call = Call(model, self.now_s, prompt, read, self.now_s + first_s, len(tokens), per_s, count)
        self.calls.append(call)
        ends_s = first_s
        if tokens:
            ends_s += (len(tokens) + count - (not count)) / per_s
        came = self._pieces(tokens)
        if not self._techniques.token_streaming:
            at_once = tuple((ends_s, text) for _, text in came)
            return Answer(ends_s, ends_s, at_once, ends_s, query, said, call)
        timed = [(first_s + (count - 1) / per_s, text) for count, text in came]
        if timed:  # the end of the text isn't known before that of the call
            timed[-1] = ends_s, timed[-1][1]
        sent_s = timed[0][0] if timed else ends_s
        if timed and self._providers.tts.chunk_length_schedule is not None:
            count, _ = pieces(tokens, WORDS)[0]
            sent_s = min(sent_s, first_s + (count - 1) / per_s)
        return Answer(first_s, ends_s, tuple(timed), sent_s, query, said, call)

    def _pieces(self, tokens: Sequence[str]) -> list[tuple[int, str]]:
        """What the TTS speaks at a time, and how many tokens it needs."""
        schedule = self._providers.tts.chunk_length_schedule
        if schedule is not None:
            return chunks(tokens, schedule)
        return pieces(tokens, min_sentence_len(self._techniques.levers))

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

    def greeting(self) -> Answer:
        """The greeting, which is there from the start."""
        came = self._pieces([self._scenario.greeting])
        spoken = tuple((0.0, text) for _, text in came)
        return Answer(0.0, 0.0, spoken, said=self._scenario.greeting)
