"""A provider profile: how long each stage of the agent's pipeline takes, where, and what it costs.

Everything here is data. `Delay`s are log-normal, given by median and 95th percentile (`delays`). The delay of
a stage is its provider's own time *without* network and connection set-up. Each request adds
`Region.round_trip`; the first one, and one after `Connection.idle_s` without requests, adds
`Connection.setup` too.

Every part says where its figures come from: `origin`, and by figure name `origins` for figures from another
source. A figure that no source gives has a source that begins with "assumed:" and says why.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ...core.delays import Delay
from ...core.models import Frozen
from ...core.settings import Seconds

PerSecond = Annotated[float, Field(ge=0.1, le=100_000)]
ScheduledChunk = Annotated[int, Field(ge=50, le=500)]
"""Characters, in the range that ElevenLabs takes."""
Schedule = Annotated[tuple[ScheduledChunk, ...], Field(min_length=1, strict=False)]
"""Not strict, since YAML has lists only; its items are."""
Dollars = Annotated[float, Field(ge=0.0, le=10_000, allow_inf_nan=False)]


def _to_date(value: Any) -> Any:
    """A day, a month or a year as text. Any other value is returned as it is, for the type's own check."""
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
    """Date of the measurement or of the page, where known."""
    note: str = ""
    """How the figure was derived, if the source doesn't state it itself."""

    @property
    def assumed(self) -> bool:
        """Whether the figure is assumed: nobody measured it."""
        return self.source.startswith("assumed")


FLUX_PARAMETERS: Final = ("eager_eot_threshold", "eot_threshold", "eot_timeout_ms")
"""Of Deepgram Flux alone, about the end of turn."""


class Sourced(Frozen):
    """A part of a profile that says where its figures come from."""

    NAMES: ClassVar[frozenset[str]] = frozenset(
        {
            *("provider", "model", "automatic", "warm", "origin", "origins"),
            *FLUX_PARAMETERS,
            "chunk_length_schedule",
        }
    )
    """Fields that aren't figures."""

    origin: Origin
    """Where all figures come from that `origins` doesn't name."""
    origins: Mapping[str, Origin] = Field(default_factory=dict)
    """Figure -> where it comes from."""

    @classmethod
    def figures(cls) -> tuple[str, ...]:
        """The names of this part's own figures, without those of parts inside it (with their own origins)."""
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
    """A match counts in whole blocks of so many tokens."""
    ttl_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 300.0
    """A prefix is kept this long after its last use."""
    automatic: bool = True
    """True: all requests are cached (OpenAI). False: only those that ask for it (Anthropic's `caching`)."""
    warm: bool = True
    """Whether other calls of the same agent keep its instructions in the cache, as a call centre's do; else
    each call begins with an empty one."""
    read_price: Dollars | None = None
    """Per million tokens read from the cache; None: as `LlmProvider.input_price`."""
    write_price: Dollars | None = None
    """Per million tokens written to it; None: as `LlmProvider.input_price`."""


EAGER = 0.5
"""The eager threshold of an exported worker where a profile names none; nobody measured it."""
FINAL = 0.7
"""Flux's own `eot_threshold`, where it is given none (developers.deepgram.com/docs/flux/configuration)."""


class SttProvider(Sourced):
    """A speech-to-text service."""

    provider: str
    model: str
    final: Delay
    """Streaming: from the end of a stretch of speech to its final transcript."""
    first_partial: Delay
    """Streaming: from audio to the first partial transcript that contains it."""
    partial_every_s: Annotated[float, Field(ge=0.02, le=5.0)] = 0.15
    segment_gap_s: Annotated[float, Field(gt=0.0, le=60.0)] = 0.3
    """Streaming: the silence that ends a segment; each segment has a final transcript."""
    preflight: Delay | None = None
    """Streaming: from the end of a stretch of speech to the preflight transcript, on which preemptive
    generation starts (eager end of turn); None where the provider has none."""
    eager_eot_threshold: Annotated[float, Field(ge=0.3, le=0.9)] | None = None
    """Deepgram Flux: the confidence at which that comes, for the exported worker; None: `EAGER`, where there
    is a `preflight`. What a threshold is worth is told by `lab compare --eager`, not by a profile."""
    eot_threshold: Annotated[float, Field(ge=0.5, lt=1.0)] | None = None
    """Deepgram Flux: the confidence that ends a turn, for the exported worker; None: `FINAL`."""
    eot_timeout_ms: Annotated[int, Field(ge=500, le=60_000)] | None = None
    """Deepgram Flux: the silence that ends a turn, for the exported worker; None: Flux's own (5000)."""
    tells_end: bool = False
    """Whether its END_OF_SPEECH holds the time at which the speech ended (`speech_end_time`). If the STT is
    the turn detector ("stt"), LiveKit counts `min_delay` from that time."""
    batch: Delay
    """Batch: from sending a whole utterance to its transcript."""
    connection: Connection
    price: Dollars = 0.0
    """Per hour of audio."""

    @property
    def is_flux(self) -> bool:
        """Whether it is Deepgram's Flux, which decides about the end of turn itself."""
        return self.provider.lower() == "deepgram" and self.model.startswith("flux")

    def named(self, provider: str, model: str) -> Self:
        """The same under another name; without `FLUX_PARAMETERS`, if that isn't Flux."""
        other = self.model_copy(update={"provider": provider, "model": model})
        return other if other.is_flux else other.model_copy(update=dict.fromkeys(FLUX_PARAMETERS))

    @model_validator(mode="after")
    def _end_of_turn_can_be_handed_on(self) -> Self:
        self.flux_parameters()
        return self

    def flux_parameters(self) -> dict[str, float]:
        """What an exported worker hands to Flux about the end of turn; empty for other services.

        Raises ValueError for parameters that can't be handed on, or that Flux refuses together.
        """
        values = {name: getattr(self, name) for name in FLUX_PARAMETERS}
        given = {name: value for name, value in values.items() if value is not None}
        if given and not self.is_flux:
            raise ValueError(
                f"{', '.join(given)}: {self.provider}'s {self.model} has no such parameter, only Deepgram's "
                "Flux has; leave it out"
            )
        if self.preflight is None and "eager_eot_threshold" in given:
            raise ValueError(
                f"eager_eot_threshold {given['eager_eot_threshold']:g}: there is no preflight; give its "
                "delay, or leave the threshold out"
            )
        if self.is_flux and self.preflight is not None:
            given = {"eager_eot_threshold": EAGER} | given
        eager, final = given.get("eager_eot_threshold", 0.0), given.get("eot_threshold", FINAL)
        if eager > final:
            own = "" if "eot_threshold" in given else " (Flux's own)"
            raise ValueError(
                f"eager_eot_threshold {eager:g} is above eot_threshold {final:g}{own}, which Flux refuses; "
                "give both as they were measured"
            )
        return given


class LlmProvider(Sourced):
    """A language model."""

    provider: str
    model: str
    ttft: Delay
    """From request to first token with an empty (or wholly cached) prompt. A published figure is used as it
    is, though it includes the network of its own measurement."""
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
    chunk_length_schedule: Schedule | None = None
    """ElevenLabs: the characters that it waits for before its first audio, its second, …; the end of a text
    ends the wait. `first_audio` then counts from the last of them. None: it speaks each sentence."""
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
    """From the caller's first word until the audio path is open: the client's handshake with the SFU."""


class Judge(Sourced):
    """A model that scores a turn."""

    verdict: Delay
    price: Dollars = 0.0
    """Per 1,000 verdicts."""


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
    """The model that routing may choose."""
    tts: TtsProvider
    regions: Mapping[Literal["near", "far"], Region]
    """The endpoints near the agent's room, and far ones, as reached without choosing a region."""
    room: Room
    judge: Judge
    tool: Tool

    @property
    def has_warm_caches(self) -> bool:
        """Whether a call begins with what other calls have left in a model's prompt cache."""
        return any(one.cache is not None and one.cache.warm for one in (self.large, self.small))

    def with_cold_caches(self) -> Self:
        """The same where each call begins with an empty prompt cache."""

        def cold(one: LlmProvider) -> LlmProvider:
            cache = None if one.cache is None else one.cache.model_copy(update={"warm": False})
            return one.model_copy(update={"cache": cache})

        return self.model_copy(update={"large": cold(self.large), "small": cold(self.small)})

    @model_validator(mode="after")
    def _both_regions(self) -> Self:
        missing = [name for name in ("near", "far") if name not in self.regions]
        if missing:
            raise ValueError(
                f"regions.{missing[0]}: missing; give both near and far, the same twice if there is only one"
            )
        return self
