"""What each detector of a comparison may be tuned to."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ...core.policies import SHAPES
from ...turns.grid import expand
from .given import EXTENDED, SHAPED, GivenDetector

GRID: dict[str, list[Any]] = {
    "min_silence_duration": [0.25, 0.4, 0.55, 0.7],
    "min_delay": [0.0, 0.3, 0.5, 0.8, 1.2],
    "max_delay": [0.8, 1.2, 1.6, 2.0, 2.5, 3.0, 4.0],
    "unlikely_threshold": [0.02, 0.05, 0.1, 0.2, 0.3, 0.36, 0.45, 0.55, 0.65, 0.75, 0.85, 0.92, 0.97, 0.99],
}
"""What each detector may be tuned to, all with LiveKit's own voice activity; delays of the default
grid, so that a sweep's predictions serve here."""
SILENCE_GRID: dict[str, list[Any]] = {
    "min_silence_duration": GRID["min_silence_duration"],
    "min_delay": [0.0, *(round(0.1 * k, 1) for k in range(3, 41))],
}
"""The same without a threshold: the wait is all that can be tuned."""
TEXT_THRESHOLDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.36, 0.5, 0.65, 0.8, 0.95]
"""Of text detectors, whose own thresholds are small; 0.36 stands for these."""
SHAPED_GRID: dict[str, list[Any]] = {
    "min_silence_duration": [0.25, 0.55],
    "min_delay": [0.0, 0.3, 0.5, 0.8, 1.2],
    "max_delay": [1.2, 2.0, 3.0, 4.0],
    "unlikely_threshold": [0.05, 0.2, 0.36, 0.55, 0.75, 0.92, 0.99],
    "wait_shape": list(SHAPES),
}
"""The same for waits that fall with p: coarser, for such settings are walked through event by event."""
EXTENDED_GRID: dict[str, list[Any]] = {
    **SHAPED_GRID,
    "wait_shape": [None],
    "extra_delay_numbers": [0.0, 0.7, 1.4],
    "extra_delay_asked": [0.0, 0.7],
}
"""The same for waits that are longer while numbers are given; 0 is among them, as most calls need none."""


def settings_table(one: GivenDetector) -> pd.DataFrame:
    """A detector's settings."""
    grid = GRID if one.traits.has_threshold else SILENCE_GRID
    if one.service:
        grid = one.service.grid(one.options)
    if one.policy:
        grid = {SHAPED: SHAPED_GRID, EXTENDED: EXTENDED_GRID}[one.policy]
    if one.traits.needs == "words":
        grid = grid | {"unlikely_threshold": TEXT_THRESHOLDS}
    return expand({"vad": ["livekit"], "detector": [one.detector], **grid})[0]
