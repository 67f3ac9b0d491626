"""End-of-turn detectors, one file each: how each predicts, and how it is built for `AgentSession`.

To add one: a row in `core.detectors.DETECTORS`, a file here with its `DETECTOR`, and its name in the list
below.
"""

from __future__ import annotations

from . import silence, stt, v1_mini
from .base import Detector, Predictor

__all__ = ["DETECTORS", "Detector", "Predictor", "predicting"]

DETECTORS: dict[str, Detector] = {
    module.DETECTOR.traits.name: module.DETECTOR for module in (silence, stt, v1_mini)
}
"""By the name in profiles and grids."""


def predicting() -> tuple[str, Predictor]:
    """Name and model of the detector whose predictions are traced."""
    return next((name, one.predictor) for name, one in DETECTORS.items() if one.predictor is not None)
