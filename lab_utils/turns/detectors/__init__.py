"""End-of-turn detectors, one file each: how each predicts, and how it is built for `AgentSession`.

A user brings their own as a function (`own`) or as a table of probabilities (`table`). To add one to the lab:
a row in `core.detectors.DETECTORS`, a file here with its `DETECTOR`, and its name in the list
below.
"""

from __future__ import annotations

from typing import Any

from ...core.detectors import is_own
from ...core.settings import DetectorSettings
from . import silence, stt, v1_mini
from .base import Detector, Predictor, Questions

__all__ = ["DETECTORS", "Detector", "Predictor", "Questions", "built"]

DETECTORS: dict[str, Detector] = {
    module.DETECTOR.traits.name: module.DETECTOR for module in (silence, stt, v1_mini)
}
"""By the name in profiles and grids."""


def built(settings: DetectorSettings) -> Any:
    """`turn_detection` of `AgentSession`. Raises InputError for a detector of the user's own."""
    if is_own(settings.model):
        settings.arguments()
    return DETECTORS[settings.model].build(settings)
