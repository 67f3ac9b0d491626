"""The turn log: what each technique did, and when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .choice import TechniqueName


@dataclass(frozen=True)
class Note:
    """One entry of the turn log."""

    at_s: float
    """`time.time()`."""
    technique: TechniqueName
    what: str
    """"hit", "miss", "prefetched", "cancelled", "unused", "answered by small" …"""


Notes = Callable[[TechniqueName, str], None]
"""Takes what a technique has to tell."""


def notes_in(log: list[Note]) -> Notes:
    """Appends to a log."""
    return lambda technique, what: log.append(Note(time.time(), technique, what))
