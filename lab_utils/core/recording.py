"""A recording: its samples, its labels, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .labels import Labels, Speaker
from .languages import base_language
from .text.html import facts_html
from .timeline import SAMPLE_RATE_HZ, Floats

Pcm = NDArray[np.int16]


@dataclass(frozen=True)
class ObservedTurn:
    """What one participant said in one turn, as the system that recorded the call saw it."""

    speaker: Speaker
    start_s: float | None
    end_s: float | None
    text: str = ""
    interrupted: bool = False
    stages: Mapping[str, float] = field(default_factory=dict)
    """Latencies that were measured then, in seconds, by `stages.STAGE_NAMES`."""
    models: Mapping[str, str] = field(default_factory=dict)
    """The model behind a latency, by `stages.STAGE_NAMES`, where it was told."""


@dataclass(frozen=True)
class Provenance:
    """Where a recording comes from, and what was observed when it was made; plain values only."""

    format: str
    """Import format, for example "livekit_report"."""
    turns: tuple[ObservedTurn, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The agent's settings then in force, by the names that their source gives them."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Identifiers, dates, versions, language and the like."""


@dataclass(frozen=True)
class Recording:
    """One conversation at 16 kHz: the user's channel and, if recorded, the agent's."""

    name: str
    path: str
    user: Pcm
    """shape=(samples,)"""
    agent: Pcm | None
    """shape=(samples,), aligned with `user`; None for a user-only recording."""
    sha256: str
    """Of the two channels' 16 kHz samples: the same audio in another container has the same hash."""
    labels: Labels | None = None
    notes: tuple[str, ...] = ()
    """What loading had to mend or guess, in plain words."""
    provenance: Provenance | None = None

    @property
    def made_of(self) -> tuple[Any, ...]:
        """What tells it from others without a look at its samples."""
        return self.name, self.path, self.sha256, self.labels, self.notes, self.provenance

    @property
    def duration_s(self) -> float:
        return len(self.user) / SAMPLE_RATE_HZ

    @property
    def language(self) -> str:
        """What the user speaks, as its labels or its source tell, without region; "" if neither does."""
        told = self.provenance.details.get("language") if self.provenance else ""
        named = (self.labels.language if self.labels else "", told)
        return next((base for code in named if isinstance(code, str) and (base := base_language(code))), "")

    @property
    def finals(self) -> Floats:
        """The session's own final transcripts: end of the user's speech and the final's arrival, (n, 2)."""
        turns = self.provenance.turns if self.provenance else ()
        told = [
            (turn.end_s, turn.end_s + delay_s)
            for turn in turns
            if turn.speaker == "user"
            and turn.end_s is not None
            and (delay_s := turn.stages.get("transcription_delay")) is not None
        ]
        return np.array(sorted(told), dtype=np.float64).reshape(-1, 2)

    def _repr_html_(self) -> str:
        facts = [
            ("length", f"{self.duration_s:.1f} s"),
            ("channels", "user" if self.agent is None else "user and agent"),
            ("labels", "none" if self.labels is None else self.labels.counted),
            ("file", self.path),
            *(("note", note) for note in self.notes),
        ]
        return facts_html(self.name, facts)
