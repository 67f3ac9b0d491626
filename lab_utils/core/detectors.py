"""What is known about each end-of-turn detector before any is built: names, needs, LiveKit's rules for it.

A new detector is one row here, and one file in `turns/detectors` that says how it predicts and how it is
built for `AgentSession`. A user's own has a name of its own, "own:" and what they call it, and the row
"own" stands for them all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from .timeline import SAMPLE_RATE_HZ

STREAMING_DETECTOR_MIN_SILENCE_S = 0.25
"""AgentSession refuses a VAD with less silence than this beside an audio turn detector."""

Needs = Literal["transcripts", "stt_events", "predictions", "words"]


@dataclass(frozen=True)
class DetectorTraits:
    """One detector, as far as settings, replay and documentation must know it."""

    name: str
    """As in profiles and grids."""
    help: str
    needs: Needs
    """What a replay needs beside the VAD: final transcripts alone, all events of the speech-to-text, the
    detector's predictions by what it hears, or those by the words that were known."""
    constructor: str = ""
    """What builds it in an agent's code; "" if a mode of this name is all that AgentSession is told."""
    imported_from: str = ""
    """The module of the constructor, where that is no part of livekit.agents."""
    streams: bool = False
    """LiveKit counts it among streaming detectors: other default delays, and a least silence of the VAD."""
    has_threshold: bool = False
    """Whether an end of turn is unlikely if the detector's probability is below `unlikely_threshold`."""
    hears_s: float = 1.2
    """How much audio up to the request a detector hears at most."""
    since_commit: bool = True
    """Whether it hears nothing from before the last commit."""
    default_threshold: float | None = None
    """Its own `unlikely_threshold`; None: LiveKit's, which has one for each language."""

    @property
    def default_delays_s(self) -> tuple[float, float]:
        """LiveKit's min_delay and max_delay (livekit/agents/voice/turn.py)."""
        return (0.3, 2.5) if self.streams else (0.5, 3.0)

    @property
    def hears_samples(self) -> int:
        """`hears_s` in samples."""
        return round(self.hears_s * SAMPLE_RATE_HZ)


OWN = "own"
_OWN_NAME = re.compile(rf"{OWN}:[\w.-]{{1,60}}")

DETECTORS: dict[str, DetectorTraits] = {
    traits.name: traits
    for traits in (
        DetectorTraits("vad", "silence alone", needs="transcripts"),
        DetectorTraits("stt", "the speech-to-text's own end of speech", needs="stt_events"),
        DetectorTraits(
            "english",
            "LiveKit's text model of English",
            needs="words",
            constructor="EnglishModel",
            imported_from="livekit.plugins.turn_detector.english",
            has_threshold=True,
        ),
        DetectorTraits(
            "multilingual",
            "LiveKit's text model of several languages",
            needs="words",
            constructor="MultilingualModel",
            imported_from="livekit.plugins.turn_detector.multilingual",
            has_threshold=True,
        ),
        DetectorTraits(
            "v1-mini",
            "LiveKit's on-device audio model",
            needs="predictions",
            constructor="inference.TurnDetector",
            streams=True,
            has_threshold=True,
        ),
    )
}
TEXT_DETECTORS = tuple(name for name, traits in DETECTORS.items() if traits.needs == "words")
"""Those that are asked about the words so far."""

OWN_TRAITS = DetectorTraits(
    OWN,
    "a function of your own, or a table of probabilities",
    needs="predictions",
    streams=True,
    has_threshold=True,
    hears_s=8.0,
    since_commit=False,
    default_threshold=0.5,
)
"""Of each detector whose name begins with "own:"."""


def is_own(name: object) -> bool:
    """Whether this names a detector that a user brings.

    >>> is_own("own:late_night"), is_own("own:"), is_own("v1-mini")
    (True, False, False)
    """
    return isinstance(name, str) and _OWN_NAME.fullmatch(name) is not None


def traits_of(name: str) -> DetectorTraits:
    """What is known about a detector, by its name in settings; KeyError for a name that is none.

    >>> traits_of("own:late_night").hears_s, traits_of("vad").needs
    (8.0, 'transcripts')
    """
    return replace(OWN_TRAITS, name=name) if is_own(name) else DETECTORS[name]


def names_where(trait: Literal["streams", "has_threshold"]) -> tuple[str, ...]:
    """Names of the detectors that have a trait.

    >>> names_where("streams")
    ('v1-mini',)
    """
    return tuple(name for name, traits in DETECTORS.items() if getattr(traits, trait))


def names_without(trait: Literal["streams", "has_threshold"]) -> tuple[str, ...]:
    """Names of the detectors that lack a trait.

    >>> names_without("has_threshold")
    ('vad', 'stt')
    """
    return tuple(name for name in DETECTORS if name not in names_where(trait))


def among(values: Any, names: tuple[str, ...]) -> Any:
    """Whether a value is one of the names; for a column of values, a column of answers.

    >>> among("stt", ("vad", "stt"))
    True
    """
    found = values == names[0]
    for name in names[1:]:
        found = found | (values == name)
    return found
