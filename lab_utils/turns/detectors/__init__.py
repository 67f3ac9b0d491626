"""End-of-turn detectors, one file each: how each predicts, and how it is built for `AgentSession`.

A user brings their own as a function (`own`) or as a table of probabilities (`table`). To add one to the lab:
a row in `core.detectors.DETECTORS`, a file here with its `DETECTOR`, and its name in the list
below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core.detectors import TEXT_DETECTORS, is_own
from ...core.settings import DetectorSettings
from . import silence, stt, text_models, v1_mini
from .base import Detector, Predictor, Questions, TextPredictor

__all__ = [
    "DETECTORS",
    "Detector",
    "Predictor",
    "Questions",
    "TextPredictor",
    "built",
    "check_weights",
    "predictor_of",
    "text_predictor_of",
]

DETECTORS: dict[str, Detector] = {
    one.traits.name: one
    for one in (
        silence.DETECTOR,
        stt.DETECTOR,
        text_models.ENGLISH,
        text_models.MULTILINGUAL,
        v1_mini.DETECTOR,
    )
}
"""By the name in profiles and grids."""


def predictor_of(name: str, own: Mapping[str, Predictor]) -> Predictor | None:
    """The model behind a detector's name in settings, the user's own first; None where nothing is asked."""
    return own.get(name) or (DETECTORS[name].predictor if name in DETECTORS else None)


def text_predictor_of(name: str) -> TextPredictor:
    """The model behind a text detector's name."""
    found = DETECTORS[name].text_predictor
    assert found is not None
    return found


def check_weights(names: Iterable[str]) -> None:
    """Raise InputError, which tells how to get them, if a text detector's weights aren't here."""
    for name in sorted(set(names) & set(TEXT_DETECTORS)):
        text_predictor_of(name).model_version()


def built(settings: DetectorSettings) -> Any:
    """`turn_detection` of `AgentSession`. Raises InputError for a detector of the user's own."""
    if is_own(settings.model):
        settings.arguments()
    return DETECTORS[settings.model].build(settings)
