"""Input and output of one worker call of an ablation.

Plain data. Doesn't import LiveKit, which must be imported after the worker's clock is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...core.files.places import Place
from ...core.settings import Conditions, Settings
from ...recordings.find import RecordingFiles
from ...session.providers.schema import Providers
from ...session.scripted.eager_stt import EagerStt
from ..techniques.choice import Techniques

CHUNK_S = 0.5
"""Seconds of audio in each piece from the TTS: longer pieces save computing, first audio comes as early."""


@dataclass(frozen=True)
class Plan:
    """What all cells of an ablation have in common."""

    settings: Settings
    conditions: Conditions
    providers: Providers
    cache: Place
    """Folder of the trace cache."""
    wait_s: float
    """The caller waits at least so long for an answer (`lengthened_pauses`)."""
    greeting: bool | None = None
    """Whether the agent greets; None: where the recorded agent spoke first."""


@dataclass(frozen=True)
class Cell:
    """One call with one agent, with one set of random delays."""

    files: RecordingFiles
    configuration: str
    techniques: Techniques
    seed: int
    agent: str = ""
    """Your own agent ("module:Class") in place of the scripted one; it has the session's techniques only."""
    stt: EagerStt | None = None
    """In place of the providers' speech-to-text; its events have fixed times."""


@dataclass(frozen=True)
class Rows:
    """The result of a cell: rows of `turns.TURN_COLUMNS`, and one row of `turns.SESSION_COLUMNS`."""

    turns: tuple[dict[str, Any], ...]
    session: dict[str, Any]

    @property
    def failure(self) -> str:
        """Why the session ended before its end; "" if it didn't."""
        return str(self.session["failure"])


@dataclass(frozen=True)
class Prepared:
    """What is known of a recording after its preparation."""

    turns: int
    transcribed: bool
    """Whether all of the caller's words are known; placeholders stand for unknown words."""
