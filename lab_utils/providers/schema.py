"""A provider profile: how long each stage of the agent's pipeline takes, where, and what it costs.

Everything here is data. `Delay`s are log-normal, given by median and 95th percentile (`delays`). The delay of
a stage is what its provider takes *without* the network and without set-up: a request made over a connection
costs `Region.round_trip` on top, and the first one (or one after `Connection.idle_s` of disuse)
`Connection.setup` as well. `Origin` says where the figures come from.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..delays import Delay
from ..settings import Frozen, Seconds

PerSecond = Annotated[float, Field(ge=0.1, le=100_000)]
Dollars = Annotated[float, Field(ge=0.0, le=10_000, allow_inf_nan=False)]


class Origin(Frozen):
    """Where figures come from."""

    source: Annotated[str, Field(min_length=1)]
    date: datetime.date | None = None
    """Of the measurement, where known."""
    note: str = ""


class Connection(Frozen):
    """What it takes to open a connection to a provider, and when it is closed again."""

    setup: Delay
    """DNS, TCP, TLS, WebSocket and authentication, from cold; round trips included."""
    idle_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 300.0
    """An unused connection is closed after this long."""
    origin: Origin


class PromptCache(Frozen):
    """A provider's rules for reusing the computed prefix of a prompt."""

    min_tokens: Annotated[int, Field(ge=0)] = 1024
    """Shorter prefixes are not kept."""
    step_tokens: Annotated[int, Field(ge=1)] = 1
    """What matches is counted in whole blocks of so many tokens."""
    ttl_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 300.0
    """From its last use, a prefix is kept this long."""
    automatic: bool = True
    """Whether the provider caches unasked (OpenAI), or only what a request marks (Anthropic's `caching`)."""
    read_price: Dollars | None = None
    """Per million tokens read from the cache; None: as `LlmProvider.input_price`."""
    write_price: Dollars | None = None
    """Per million tokens written to it; None: as `LlmProvider.input_price`."""
    origin: Origin


class SttProvider(Frozen):
    """A speech-to-text service."""

    provider: str
    model: str
    final: Delay
    """Streaming: from the end of a stretch of speech to its final transcript."""
    first_partial: Delay
    """Streaming: from audio to the partial transcript that tells of it."""
    partial_every_s: Annotated[float, Field(ge=0.02, le=5.0)] = 0.15
    preflight: Delay | None = None
    """Streaming: from the end of a stretch of speech to an early transcript to start on (eager end of turn);
    None where the provider has none."""
    batch: Delay
    """Batch: from the request, with a whole utterance, to its transcript."""
    connection: Connection
    price: Dollars = 0.0
    """Per hour of audio."""
    origin: Origin


class LlmProvider(Frozen):
    """A language model."""

    provider: str
    model: str
    ttft: Delay
    """From request to first token with an empty (or wholly cached) prompt."""
    prefill_s_per_1k: Seconds = 0.0
    """Added per 1,000 prompt tokens that the cache doesn't hold."""
    tokens_per_s: PerSecond = 60.0
    cache: PromptCache | None = None
    connection: Connection
    input_price: Dollars = 0.0
    """Per million prompt tokens."""
    output_price: Dollars = 0.0
    """Per million completion tokens."""
    origin: Origin


class TtsProvider(Frozen):
    """A streaming speech synthesizer."""

    provider: str
    model: str
    first_audio: Delay
    """From the first sentence to its first audio."""
    speed: PerSecond = 10.0
    """Seconds of audio made per second."""
    connection: Connection
    price: Dollars = 0.0
    """Per million characters."""
    origin: Origin


class Region(Frozen):
    """Where the providers' endpoints are, seen from the agent."""

    round_trip: Delay
    """Network time added to each request and its answer."""
    origin: Origin


class Room(Frozen):
    """The caller's side."""

    join: Delay
    """From the caller's first word to the audio path being open: the client's handshake with the SFU."""
    origin: Origin


class Judge(Frozen):
    """A model that scores a turn."""

    verdict: Delay
    origin: Origin


class Tool(Frozen):
    """The user's own backend behind a function tool."""

    latency: Delay
    origin: Origin


class Providers(Frozen):
    """A provider profile."""

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    stt: SttProvider
    large: LlmProvider
    """The model that answers unless a technique chooses another."""
    small: LlmProvider
    """The one that routing may choose."""
    tts: TtsProvider
    regions: Mapping[Literal["near", "far"], Region]
    """The endpoints next to the agent's room, and those a default would reach."""
    room: Room
    judge: Judge
    tool: Tool

    @model_validator(mode="after")
    def _both_regions(self) -> Self:
        missing = [name for name in ("near", "far") if name not in self.regions]
        if missing:
            raise ValueError(f"regions lacks {' and '.join(missing)}; give both, equal ones if there is one")
        return self
