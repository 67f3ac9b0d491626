"""`stt`: the turn is over when the speech-to-text says so (its END_OF_SPEECH); see `replay.stt_mode`."""

from __future__ import annotations

from ...core.detectors import DETECTORS
from .base import Detector

DETECTOR = Detector(DETECTORS["stt"], build=lambda settings: settings.model)
