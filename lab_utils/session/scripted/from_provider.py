"""Makes the simulated parts of a session from a provider profile, each with its own random streams.

Call these inside the session (as in `SessionJob.llm`): connections and calls belong to one run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...core.delays import Delay, Draws, rng_for
from ..providers import schema
from ..providers.schema import LlmProvider, Region, SttProvider, TtsProvider
from .connection import Connection
from .llm import DEFAULT_REPLIES, Replies, ScriptedLLM
from .prompt_cache import PrefixCache
from .stt_plan import SttTiming
from .tts import CHUNK_S, ScriptedTTS
from .voices import MIN_SENTENCE_LEN, Voice

BATCH_SILENCE_S = 0.55
"""LiveKit's StreamAdapter sends an utterance to be recognized after this silence, its VAD's default."""


def simulated_connection(rules: schema.Connection, region: Region, *, seed: int, part: str) -> Connection:
    """A closed connection of `part` to an endpoint in this region."""
    return Connection(rules.setup, region.round_trip, rules.idle_s, rng_for(seed, f"{part} connection"))


def simulated_llm(
    provider: LlmProvider,
    region: Region,
    *,
    replies: Replies = DEFAULT_REPLIES,
    seed: int = 0,
    part: str = "llm",
    mark_cache: bool = False,
    earlier: Sequence[str] = (),
    prewarms: bool = False,
    draws: Draws | None = None,
) -> ScriptedLLM:
    """The provider's model with its own connection and cache. Two models of a run need different `part`s.

    `earlier`: tokens with which other calls' prompts begin (`PrefixCache`).
    """
    return ScriptedLLM(
        replies,
        ttft=provider.ttft,
        tokens_per_s=provider.tokens_per_s,
        seed=seed,
        part=part,
        model=provider.model,
        connection=simulated_connection(provider.connection, region, seed=seed, part=part),
        prewarms=prewarms,
        prefill_s_per_1k=provider.prefill_s_per_1k,
        cache=None if provider.cache is None else PrefixCache(provider.cache, earlier),
        mark_cache=mark_cache,
        draws=draws,
    )


def simulated_tts(
    provider: TtsProvider,
    region: Region,
    *,
    seed: int = 0,
    prewarms: bool = False,
    draws: Draws | None = None,
    chunk_s: float = CHUNK_S,
    voice: Voice | None = "tone",
    min_sentence_len: int = MIN_SENTENCE_LEN,
) -> ScriptedTTS:
    """The provider's synthesizer. By default it plays a tone, which takes hardly any computing."""
    return ScriptedTTS(
        first_audio=provider.first_audio,
        speed=provider.speed,
        voice=voice,
        seed=seed,
        model=provider.model,
        connection=simulated_connection(provider.connection, region, seed=seed, part="tts"),
        prewarms=prewarms,
        draws=draws,
        chunk_s=chunk_s,
        min_sentence_len=min_sentence_len,
        chunk_schedule=provider.chunk_length_schedule,
    )


@dataclass(frozen=True)
class Call:
    """What became of one call of a simulated backend."""

    at_s: float
    """Loop time at which it began."""
    argument: str
    outcome: Literal["running", "done", "cancelled"] = "running"
    end_s: float | None = None


class SimulatedTool:
    """The user's backend behind a tool: returns `answer`, with the argument filled in, after its latency.

    The latency depends on the argument: the n-th call with an argument takes equally long in every run of a
    seed.
    """

    def __init__(
        self, latency: Delay, seed: int = 0, *, answer: str = "{argument}", part: str = "tool"
    ) -> None:
        """`answer`: what a call returns; `{argument}` stands for the call's argument."""
        self._latency, self._draws, self._answer = latency, Draws(seed, part), answer
        self.calls: list[Call] = []
        """Every call, in order."""

    @property
    def running(self) -> int:
        """How many calls have neither ended nor been cancelled."""
        return sum(call.outcome == "running" for call in self.calls)

    async def __call__(self, argument: str = "") -> str:
        """Call the backend."""
        loop, index = asyncio.get_running_loop(), len(self.calls)
        latency_s = self._latency.sample(self._draws.rng(argument))
        self.calls.append(Call(loop.time(), argument))
        outcome: Literal["done", "cancelled"] = "cancelled"
        try:
            await asyncio.sleep(latency_s)
            outcome = "done"
        finally:
            self.calls[index] = replace(self.calls[index], outcome=outcome, end_s=loop.time())
        return self._answer.replace("{argument}", argument)


class SimulatedJudge:
    """A model that scores a turn: its verdict comes after a delay, and is always that the turn was fine."""

    def __init__(self, judge: schema.Judge, seed: int = 0) -> None:
        self._asked = SimulatedTool(judge.verdict, seed, answer="fine", part="judge")

    @property
    def calls(self) -> list[Call]:
        """Every call, in order."""
        return self._asked.calls

    async def __call__(self, text: str) -> None:
        """Judge a turn."""
        await self._asked(text)


def stt_timing_of(
    provider: SttProvider, region: Region, *, streaming: bool = True, batch_silence_s: float = BATCH_SILENCE_S
) -> SttTiming:
    """The timing of this STT. Its random delays come from the session's seed.

    Batch (`streaming=False`): only finals, one for each utterance, which `batch_silence_s` of silence ends.
    """
    if not streaming:
        return SttTiming(
            partials=False,
            final_delay=provider.batch,
            segment_gap_s=batch_silence_s,
            setup=provider.connection.setup,
            idle_s=provider.connection.idle_s,
            round_trip=region.round_trip,
        )
    return SttTiming(
        interim_every_s=provider.partial_every_s,
        interim_delay=provider.first_partial,
        final_delay=provider.final,
        segment_gap_s=provider.segment_gap_s,
        preflight_delay=provider.preflight,
        setup=provider.connection.setup,
        round_trip=region.round_trip,
    )
