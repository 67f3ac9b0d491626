"""LiveKit's on-device audio turn detector, v1-mini (for use with LiveKit Agents only).

Goal: the very probabilities that `inference.TurnDetector(version="v1-mini")` (1.8.9) gives for the audio in
its buffer.
Conventions: int16 mono audio at 16 kHz; at most 19,200 samples (1.2 s), shorter audio is padded by the model.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np

from ...core.detectors import DETECTORS
from ...core.samples.stream import Audio
from ...core.settings import DetectorSettings
from ...core.timeline import Floats, Ints
from ...core.traces import EotTrace
from .base import Detector, Predictor, Questions


def model_version() -> str:
    """Package and version that carry the weights."""
    return f"livekit-local-inference-{version('livekit-local-inference')}"


def end_of_turn_probabilities(stream: Audio, starts: Ints, ends: Ints) -> EotTrace:
    """Probabilities for the samples `[start, end)` of a stream; `starts`, `ends`: shape=(n,)."""
    return EotTrace(starts, ends, _predicted(stream, starts, ends)).merged(EotTrace())


def _predicted(stream: Audio, starts: Ints, ends: Ints) -> Floats:
    from livekit.local_inference import EOT

    with EOT() as model:
        p = [model.predict(np.ascontiguousarray(stream[a:b])) for a, b in zip(starts, ends, strict=True)]
    return np.array(p, dtype=np.float64)


def answers(questions: Questions) -> Floats:
    """The model's probabilities, shape=(n,)."""
    return _predicted(questions.stream, questions.starts, questions.ends)


def build(settings: DetectorSettings) -> Any:
    """`inference.TurnDetector` with these settings."""
    from livekit.agents import inference

    return inference.TurnDetector(**(settings.arguments() or {}))


DETECTOR = Detector(DETECTORS["v1-mini"], build, Predictor(model_version, answers))
