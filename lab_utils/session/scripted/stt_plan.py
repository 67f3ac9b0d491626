"""The events that a streaming speech-to-text would send for words with known times, and when.

`words_of` takes the user's words from labels, `plan_events` turns them into the events of a streaming
provider (pure, on the recording's time axis). Goal: the order and the delays of a real provider, not its
mistakes; those are only what `SttTiming.revision_rate` asks for.

In every plan an event comes after the audio that it is about, and no event about later speech comes before
the final of earlier speech.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from pydantic import Field, model_validator

from ...core.delays import Delay, rng_for
from ...core.labels import Ipu, Labels, Word
from ...core.models import Frozen
from ...core.settings import Probability, Seconds
from ...core.traces import SttEvent, SttEventKind
from ..late_join import Arrival, in_time

PLACEHOLDER = "[word]"
"""Stands for a word without a transcript: LiveKit drops empty transcripts, and counts words."""
PLACEHOLDERS_PER_S = 3.0
"""Words per second of conversational English, roughly; what LiveKit's `min_words` then counts."""


def words_of(labels: Labels) -> tuple[Word, ...]:
    """The user's words in time order, as far as the labels hold them.

    Without word times each IPU's text is spread evenly over the IPU; an IPU without text gets
    `PLACEHOLDER` words.
    """
    words = [word for word in labels.words if word.speaker == "user" and word.text.strip()]
    if not words:
        words = [word for ipu in labels.ipus if ipu.speaker == "user" for word in _spread(ipu)]
    return tuple(sorted(words, key=lambda word: (word.start_s, word.end_s)))


def _spread(ipu: Ipu) -> list[Word]:
    duration_s = ipu.end_s - ipu.start_s
    texts = ipu.text.split() or [PLACEHOLDER] * max(1, round(PLACEHOLDERS_PER_S * duration_s))
    edges = itertools.pairwise(np.linspace(ipu.start_s, ipu.end_s, len(texts) + 1).tolist())
    return [Word("user", start, end, text) for text, (start, end) in zip(texts, edges, strict=True)]


def has_placeholders(words: Sequence[Word]) -> bool:
    """Whether some of the words are placeholders, so that their transcripts tell nothing."""
    return any(word.text == PLACEHOLDER for word in words)


class SttTiming(Frozen):
    """When a streaming STT sends which events. Delays count from the audio that an event is about."""

    interim_every_s: Annotated[float, Field(ge=0.02, le=5.0)] = 0.15
    """Audio between two partial transcripts; providers send one every 100-200 ms."""
    interim_delay: Delay = Delay(0.15)
    final_delay: Delay = Delay(0.35)
    """From the end of a segment to its final transcript."""
    segment_gap_s: Annotated[float, Field(gt=0.0, le=60.0)] = 0.3
    """The silence that ends a segment; each segment has one final."""
    preflight_delay: Delay | None = None
    """From the end of a segment to its preflight transcript, which preemptive generation starts on."""
    end_of_speech: bool = False
    """Whether the STT has its own endpointing: START_OF_SPEECH and END_OF_SPEECH."""
    utterance_gap_s: Seconds = 0.8
    """The silence after which END_OF_SPEECH comes, or together with the final if that is later."""
    word_times: bool = False
    """Whether events hold start and end of the speech that they are about."""
    end_time: bool = False
    """Whether END_OF_SPEECH holds the time at which the speech ended, even if other events hold no times."""
    revision_rate: Probability = 0.0
    """Share of partials whose newest word is wrong and corrected by the next partial."""
    language: str = "en"
    """The language that each transcript reports."""
    partials: bool = True
    """False: batch recognition. It gets a segment when a silence of `segment_gap_s` has ended it, and sends
    only its final, `final_delay` later."""
    setup: Delay | None = None
    """Time to open the connection, when the session begins to stream; in batch, when a segment is sent."""
    idle_s: Annotated[float, Field(gt=0.0, le=86_400.0)] = 300.0
    """Batch: an unused connection is closed after this long. (Streaming uses it all the time.)"""
    round_trip: Delay | None = None
    """Added to every event: its audio travels to the provider, the event travels back."""

    @model_validator(mode="after")
    def _batch_has_no_preflight(self) -> Self:
        if not self.partials and self.preflight_delay is not None:
            raise ValueError(
                "partials is False with a preflight_delay, but batch recognition sends nothing before the "
                "final; leave preflight_delay out"
            )
        return self


def planned(
    labels: Labels, timing: SttTiming | None, seed: int, arrives: Arrival = in_time
) -> tuple[SttEvent, ...]:
    """What the scripted STT of a session with this seed sends in open loop, in recording time."""
    return plan_events(words_of(labels), timing or SttTiming(), rng_for(seed, "stt"), arrives=arrives)


def plan_events(
    words: Sequence[Word],
    timing: SttTiming,
    rng: np.random.Generator,
    *,
    opens_s: float = 0.0,
    used_s: float = -math.inf,
    arrives: Arrival = in_time,
) -> tuple[SttEvent, ...]:
    """The events that an STT with this timing sends for these words, in order of time.

    Within a segment the order is start_of_speech, interims, preflight, final, end_of_speech, also at equal
    times. Finals, partials and revisions each have their own random stream (a child of `rng`), so that
    changing one setting leaves the random delays of the others unchanged.

    `opens_s`: when the session began to stream and (with `SttTiming.setup`) to open the connection.
    `used_s`: in batch, when the connection was last used before these words.
    `arrives`: maps the second at which audio is spoken to the second at which it reaches the agent.
    """
    plan = _Plan(timing, rng, opens_s if timing.partials else used_s, arrives)
    segments = _split(words, timing.segment_gap_s)
    if not timing.end_of_speech:
        for segment in segments:
            plan.add_segment(segment)
        return tuple(plan.events)
    # An utterance can't end inside a segment: the segment's words have no final yet.
    utterance_gap_s = max(timing.utterance_gap_s, timing.segment_gap_s)
    for index, segment in enumerate(segments):
        if index == 0 or segment[0].start_s - _end_s(segments[index - 1]) >= utterance_gap_s:
            plan.start_utterance(segment)
        plan.add_segment(segment)
        if index + 1 == len(segments) or segments[index + 1][0].start_s - _end_s(segment) >= utterance_gap_s:
            plan.end_utterance(segment)
    return tuple(plan.events)


BETWEEN_MESSAGES_S = 1e-3
"""Least seconds between events of two segments: LiveKit's tasks would race if both came at once."""


class _Plan:
    """Plans events in stream order: no event comes before the one that precedes it in the stream."""

    def __init__(self, timing: SttTiming, rng: np.random.Generator, open_s: float, arrives: Arrival) -> None:
        self.events: list[SttEvent] = []
        self._timing, self._arrives = timing, arrives
        self._starts, self._partials, self._finals, self._revisions, network = rng.spawn(5)
        self._start_trips, self._partial_trips, self._final_trips, self._end_trips = network.spawn(4)
        (self._setups,) = network.spawn(1)
        self._utterance_start_s: float | None = None
        # Streaming: when the connection is open. Batch: when the connection was last used.
        self._open_s = open_s
        if timing.partials:
            self._open_s = -math.inf if timing.setup is None else open_s + timing.setup.sample(self._setups)

    def _at_provider_s(self, spoken_s: float) -> float:
        """When the provider has the audio spoken until `spoken_s`, without round trips."""
        return max(self._arrives(spoken_s), self._open_s)

    def _trip_s(self, rng: np.random.Generator) -> float:
        return 0.0 if self._timing.round_trip is None else self._timing.round_trip.sample(rng)

    def _batch_s(self, end_s: float) -> float:
        """When a segment that ends at `end_s` is sent to batch recognition."""
        timing = self._timing
        closed_s = self._arrives(end_s + timing.segment_gap_s)
        setup_s = 0.0 if timing.setup is None else timing.setup.sample(self._setups)
        sent_s = closed_s + setup_s if closed_s - self._open_s > timing.idle_s else closed_s
        self._open_s = sent_s
        return sent_s

    @property
    def _latest_s(self) -> float:
        return self.events[-1].time_s if self.events else -math.inf

    def _add(self, kind: SttEventKind, time_s: float, text: str, start_s: float, end_s: float | None) -> None:
        if not self._timing.word_times:
            self.events.append(SttEvent(time_s, kind, text))
        else:
            self.events.append(SttEvent(time_s, kind, text, start_s, end_s))

    def start_utterance(self, segment: Sequence[Word]) -> None:
        start_s = segment[0].start_s
        self._utterance_start_s = start_s
        heard_s = self._at_provider_s(start_s) + self._trip_s(self._start_trips)
        time_s = heard_s + self._timing.interim_delay.sample(self._starts)
        self._add("start_of_speech", max(time_s, self._latest_s + BETWEEN_MESSAGES_S), "", start_s, None)

    def add_segment(self, segment: Sequence[Word]) -> None:
        timing, floor_s = self._timing, self._latest_s + BETWEEN_MESSAGES_S
        start_s, end_s = segment[0].start_s, _end_s(segment)
        text = _text(segment)
        trip_s = self._trip_s(self._final_trips)
        if not timing.partials:
            final_s = self._batch_s(end_s) + trip_s + timing.final_delay.sample(self._finals)
            self._add("final", max(final_s, floor_s), text, start_s, end_s)
            return
        heard_s = self._at_provider_s(end_s) + trip_s
        final_s = max(heard_s + timing.final_delay.sample(self._finals), floor_s)
        last_interim_s = final_s
        if timing.preflight_delay is not None:
            preflight_s = min(max(heard_s + timing.preflight_delay.sample(self._finals), floor_s), final_s)
            last_interim_s = preflight_s
        self._add_interims(segment, floor_s, last_interim_s)
        if timing.preflight_delay is not None:
            self._add("preflight", preflight_s, text, start_s, end_s)
        self._add("final", final_s, text, start_s, end_s)

    def _add_interims(self, segment: Sequence[Word], floor_s: float, until_s: float) -> None:
        """Add partials in `(floor_s, until_s)`: a provider sends no partial that is already out of date."""
        timing = self._timing
        start_s = segment[0].start_s
        ends = np.maximum.accumulate([word.end_s for word in segment])
        known, sent = 0, ""
        for tick in range(1, math.ceil((ends[-1] - start_s) / timing.interim_every_s) + 2):
            heard_s = start_s + tick * timing.interim_every_s
            delay_s = timing.interim_delay.sample(self._partials) + self._trip_s(self._partial_trips)
            count = int(np.searchsorted(ends, heard_s, side="right"))
            if count == 0:
                continue
            text = _text(segment[:count])
            if count > known and self._revisions.random() < timing.revision_rate:
                text = _text([*segment[: count - 1]], misheard=segment[count - 1])
            known = count
            time_s = max(self._at_provider_s(heard_s) + delay_s, self._latest_s)
            if text == sent or not floor_s < time_s < until_s:
                continue
            self._add("interim", time_s, text, start_s, float(ends[count - 1]))
            sent = text

    def end_utterance(self, segment: Sequence[Word]) -> None:
        assert self._utterance_start_s is not None
        end_s = _end_s(segment)
        heard_s = self._at_provider_s(end_s + self._timing.utterance_gap_s) + self._trip_s(self._end_trips)
        time_s = max(heard_s, self._latest_s)
        if self._timing.end_time and not self._timing.word_times:
            self.events.append(SttEvent(time_s, "end_of_speech", end_s=end_s))
        else:
            self._add("end_of_speech", time_s, "", self._utterance_start_s, end_s)


def _split(words: Sequence[Word], gap_s: float) -> list[list[Word]]:
    """Words in stretches that contain no silence of `gap_s` or more."""
    segments: list[list[Word]] = []
    end_s = -math.inf
    for word in sorted(words, key=lambda word: (word.start_s, word.end_s)):
        if word.start_s - end_s >= gap_s:
            segments.append([])
        segments[-1].append(word)
        end_s = max(end_s, word.end_s)
    return segments


def _end_s(segment: Sequence[Word]) -> float:
    return max(word.end_s for word in segment)


def _text(words: Sequence[Word], misheard: Word | None = None) -> str:
    texts = [word.text.strip() for word in words]
    if misheard is not None:
        texts.append(_mishear(misheard.text.strip()))
    return " ".join(texts)


def _mishear(text: str) -> str:
    """A word misheard in a partial before it is complete: its first half; for a letter, another word."""
    return text[: len(text) // 2] or "uh"
