"""A provider profile: how long each stage of the agent's pipeline takes, where, and what it costs.

Everything here is data. `Delay`s are log-normal, given by median and 95th percentile (`delays`). The delay of
a stage is what its provider takes *without* the network and without set-up: a request made over a connection
costs `Region.round_trip` on top, and the first one (or one after `Connection.idle_s` of disuse)
`Connection.setup` as well.

Every part says where its figures come from: `origin`, and `origins` for those figures that come from
elsewhere, by name. What no source gives has a source that begins with "assumed:" and says why.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ...core.delays import Delay
from ...core.models import Frozen
from ...core.settings import Seconds

PerSecond = Annotated[float, Field(ge=0.1, le=100_000)]
Dollars = Annotated[float, Field(ge=0.0, le=10_000, allow_inf_nan=False)]


def _to_date(value: Any) -> Any:
    """A day, a month or a year as text; whatever else came is left to the type's own check."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str):
        try:
            datetime.date.fromisoformat(text + {4: "-01-01", 7: "-01"}.get(len(text), ""))
        except ValueError:
            raise ValueError("expected a date as 2026-05-04, a month as 2026-05 or a year as 2026") from None
    return text


Date = Annotated[str, BeforeValidator(_to_date)]
"""As exact as it is known: "2026-05-04", "2026-05" or "2026"."""


class Origin(Frozen):
    """Where figures come from."""

    source: Annotated[str, Field(min_length=1)]
    date: Date | None = None
    """Of the measurement or of the page, where known."""
    note: str = ""
    """How the figure follows from the source, if it isn't the source's own."""

    @property
    def assumed(self) -> bool:
        """Whether nobody measured it."""
        return self.source.startswith("assumed")


class Sourced(Frozen):
    """A part of a profile that says where its figures come from."""

    NAMES: ClassVar[frozenset[str]] = frozenset({"provider", "model", "automatic", "origin", "origins"})
    """Fields that are no figures of the part's own."""

    origin: Origin
    """Of all figures that `origins` doesn't name."""
    origins: Mapping[str, Origin] = Field(default_factory=dict)
    """Figure -> where it comes from."""

    @classmethod
    def figures(cls) -> tuple[str, ...]:
        """The names of the figures of this part; those of a part inside it have an origin there."""
        parts = {"connection", "cache"}
        return tuple(name for name in cls.model_fields if name not in cls.NAMES | parts)

    @model_validator(mode="after")
    def _origins_of_figures(self) -> Self:
        for name in self.origins:
            if name not in self.figures():
                raise ValueError(f"origins.{name}: no such figure; figures are {', '.join(self.figures())}")
        return self

    def origin_of(self, figure: str) -> Origin:
        """Where one figure comes from."""
        return self.origins.get(figure, self.origin)


class Connection(Sourced):
    """What it takes to open a connection to a provider, and when it is closed again."""

    setup: Delay
    """DNS, TCP, TLS, WebSocket and authentication, from cold; round trips included."""
    idle_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 300.0
    """An unused connection is closed after this long."""


class PromptCache(Sourced):
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


class SttProvider(Sourced):
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
    tells_end: bool = False
    """Whether its END_OF_SPEECH tells when the speech ended (`speech_end_time`): there LiveKit then begins to
    count `min_delay` if it is the turn detector ("stt")."""
    batch: Delay
    """Batch: from the request, with a whole utterance, to its transcript."""
    connection: Connection
    price: Dollars = 0.0
    """Per hour of audio."""


class LlmProvider(Sourced):
    """A language model."""

    provider: str
    model: str
    ttft: Delay
    """From request to first token with an empty (or wholly cached) prompt. A published figure stands here
    as it is, though it holds the network of its own measurement."""
    prefill_s_per_1k: Seconds = 0.0
    """Added per 1,000 prompt tokens that the cache doesn't hold."""
    tokens_per_s: PerSecond = 60.0
    cache: PromptCache | None = None
    connection: Connection
    input_price: Dollars = 0.0
    """Per million prompt tokens."""
    output_price: Dollars = 0.0
    """Per million completion tokens."""


class TtsProvider(Sourced):
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


class Region(Sourced):
    """Where the providers' endpoints are, seen from the agent."""

    round_trip: Delay
    """Network time added to each request and its answer."""


class Room(Sourced):
    """The caller's side."""

    join: Delay
    """From the caller's first word to the audio path being open: the client's handshake with the SFU."""


class Judge(Sourced):
    """A model that scores a turn."""

    verdict: Delay


class Tool(Sourced):
    """The user's own backend behind a function tool."""

    latency: Delay


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
            raise ValueError(
                f"regions.{missing[0]}: missing; give both near and far, the same twice if there is only one"
            )
        return self
