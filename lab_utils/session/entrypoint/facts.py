"""What a worker may ask about its job. Doesn't import LiveKit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RoomFacts:
    """What a worker may ask about its job and its caller."""

    metadata: str = ""
    """Of the job, as a dispatch gives it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Of the caller."""


NO_FACTS = RoomFacts()
