"""What each detector can do: predict for audio, if it does, and be built for `AgentSession`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...core.detectors import DetectorTraits
from ...core.samples.stream import Audio
from ...core.settings import DetectorSettings
from ...core.timeline import Ints
from ...core.traces import EotTrace


@dataclass(frozen=True)
class Predictor:
    """A model that tells, from audio, how probable the end of the turn is."""

    model_version: Callable[[], str]
    """Package and version that carry the weights."""
    probabilities: Callable[[Audio, Ints, Ints], EotTrace]
    """For the samples `[start, end)` of a stream at 16 kHz; starts and ends of shape=(n,)."""


@dataclass(frozen=True)
class Detector:
    """One end-of-turn detector; importing it loads neither a model nor LiveKit."""

    traits: DetectorTraits
    build: Callable[[DetectorSettings], Any]
    """The `turn_detection` of `AgentSession`. Loads LiveKit; raises ImportError without it."""
    predictor: Predictor | None = None
