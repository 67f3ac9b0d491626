"""What each detector can do: predict for audio, if it does, and be built for `AgentSession`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...core.detectors import DetectorTraits
from ...core.labels import Labels
from ...core.samples.stream import Audio
from ...core.settings import DetectorSettings
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints


@dataclass(frozen=True)
class Questions:
    """Moments of one call, as one take hears it, at which a detector is asked whether the turn is over."""

    stream: Audio
    """The user's channel at 16 kHz; on a branch, with the silence in which the caller waits."""
    starts: Ints
    """First sample that the detector may hear, shape=(n,)."""
    ends: Ints
    """Where what it may hear ends: the moment of each question; shape=(n,)."""
    offset: int
    """Samples of silence in the stream before the recording."""
    sha256: str
    """Of the recording."""
    labels: Labels
    """Who says what, recording times; on a branch, until the caller waits."""

    @property
    def times_s(self) -> Floats:
        """The moments in recording time, shape=(n,)."""
        return (self.ends - self.offset) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Predictor:
    """A model that tells how probable the end of the turn is."""

    model_version: Callable[[], str]
    """What its answers depend on, beside the call: package and version of the weights, or a hash."""
    probabilities: Callable[[Questions], Floats]
    """One for each question, shape=(n,)."""


@dataclass(frozen=True)
class Detector:
    """One end-of-turn detector; importing it loads neither a model nor LiveKit."""

    traits: DetectorTraits
    build: Callable[[DetectorSettings], Any]
    """The `turn_detection` of `AgentSession`. Loads LiveKit; raises ImportError without it."""
    predictor: Predictor | None = None
