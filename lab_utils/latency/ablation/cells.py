"""What one worker call of an ablation is asked and answers.

Plain data: it doesn't import LiveKit, which must come after the worker's clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.settings import Conditions, Settings
from ...recordings.find import RecordingFiles
from ...session.providers.schema import Providers
from ..techniques.choice import Techniques


@dataclass(frozen=True)
class Plan:
    """What all cells of an ablation have in common."""

    settings: Settings
    conditions: Conditions
    providers: Providers
    cache: Path
    """Of traces."""
    wait_s: float
    """The caller waits for an answer at least so long (`lengthened_pauses`)."""
    greeting: bool | None = None
    """Whether the agent greets; None: where the recorded agent spoke first."""


@dataclass(frozen=True)
class Cell:
    """One call by one agent under one draw of delays."""

    files: RecordingFiles
    configuration: str
    techniques: Techniques
    seed: int


@dataclass(frozen=True)
class Rows:
    """What a cell gives: rows of `turns.TURN_COLUMNS`, and one of `turns.SESSION_COLUMNS`."""

    turns: tuple[dict[str, Any], ...]
    session: dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """What a recording holds."""

    turns: int
    transcribed: bool
    """Whether all of the caller's words are known; placeholders stand for others."""
