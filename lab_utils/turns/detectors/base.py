"""What each detector can do: predict for audio, if it does, and be built for `AgentSession`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.detectors import DetectorTraits
from ...core.labels import Labels, labels_until
from ...core.samples.stream import Audio
from ...core.settings import DetectorSettings
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ...core.traces import Prompt


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
    call: Labels
    """Who says what on the tape, recording times."""
    waits_s: float = math.inf
    """When the caller begins to wait, on a branch."""

    @property
    def labels(self) -> Labels:
        """Who says what until the caller waits; only some detectors ask, and a call has many branches."""
        if math.isinf(self.waits_s):
            return self.call
        return labels_until(self.call, self.waits_s, self.call.duration_s)

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

    @property
    def made_of(self) -> str:
        """What tells it from others."""
        return self.model_version()


@dataclass(frozen=True)
class TextPredictor:
    """A model that tells from the words so far how probable the end of the turn is."""

    model_version: Callable[[], str]
    """What its answers depend on, beside the text. Raises InputError without weights."""
    thresholds: Callable[[], Mapping[str, float]]
    """Its own threshold in each language that it knows."""
    probabilities: Callable[[Sequence[Prompt]], Floats]
    """One for each prompt, shape=(n,)."""


@dataclass(frozen=True)
class Detector:
    """One end-of-turn detector; importing it loads neither a model nor LiveKit."""

    traits: DetectorTraits
    build: Callable[[DetectorSettings], Any]
    """The `turn_detection` of `AgentSession`. Loads LiveKit; raises ImportError without it."""
    predictor: Predictor | None = None
    text_predictor: TextPredictor | None = None
