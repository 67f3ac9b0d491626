"""`vad`: the turn is over when the VAD has heard no speech for long enough."""

from __future__ import annotations

from ...core.detectors import DETECTORS
from .base import Detector

DETECTOR = Detector(DETECTORS["vad"], build=lambda settings: settings.model)
