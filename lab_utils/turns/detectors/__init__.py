"""End-of-turn detectors, one file each: how each predicts, and how it is built for `AgentSession`.

A user brings their own as a function (`own`) or as a table of probabilities (`table`). To add one to the lab:
a row in `core.detectors.DETECTORS`, a file here with its `DETECTOR`, and its name in the list
below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.detectors import is_own
from ...core.settings import DetectorSettings
from . import silence, stt, v1_mini
from .base import Detector, Predictor, Questions

__all__ = ["DETECTORS", "Detector", "Predictor", "Questions", "built", "predictor_of"]

DETECTORS: dict[str, Detector] = {
    module.DETECTOR.traits.name: module.DETECTOR for module in (silence, stt, v1_mini)
}
"""By the name in profiles and grids."""


def predictor_of(name: str, own: Mapping[str, Predictor]) -> Predictor | None:
    """The model behind a detector's name in settings, the user's own first; None where nothing is asked."""
    return own.get(name) or (DETECTORS[name].predictor if name in DETECTORS else None)


def built(settings: DetectorSettings) -> Any:
    """`turn_detection` of `AgentSession`. Raises InputError for a detector of the user's own."""
    if is_own(settings.model):
        settings.arguments()
    return DETECTORS[settings.model].build(settings)
