"""What is known about each end-of-turn detector before any is built: names, needs, LiveKit's rules for it.

A new detector is one row here, and one file in `turns/detectors` that says how it predicts and how it is
built for `AgentSession`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

STREAMING_DETECTOR_MIN_SILENCE_S = 0.25
"""AgentSession refuses a VAD with less silence than this beside an audio turn detector."""

Needs = Literal["transcripts", "stt_events", "predictions"]


@dataclass(frozen=True)
class DetectorTraits:
    """One detector, as far as settings, replay and documentation must know it."""

    name: str
    """As in profiles and grids."""
    help: str
    needs: Needs
    """What a replay needs beside the VAD: final transcripts alone, all events of the speech-to-text, or also
    the detector's predictions."""
    streams: bool = False
    """LiveKit counts it among streaming detectors: other default delays, and a least silence of the VAD."""
    has_threshold: bool = False
    """Whether an end of turn is unlikely if the detector's probability is below `unlikely_threshold`."""

    @property
    def default_delays_s(self) -> tuple[float, float]:
        """LiveKit's min_delay and max_delay (livekit/agents/voice/turn.py)."""
        return (0.3, 2.5) if self.streams else (0.5, 3.0)


DETECTORS: dict[str, DetectorTraits] = {
    traits.name: traits
    for traits in (
        DetectorTraits("vad", "silence alone", needs="transcripts"),
        DetectorTraits("stt", "the speech-to-text's own end of speech", needs="stt_events"),
        DetectorTraits(
            "v1-mini",
            "LiveKit's on-device audio model",
            needs="predictions",
            streams=True,
            has_threshold=True,
        ),
    )
}


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
