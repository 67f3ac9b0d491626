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
"""Called with a technique and what it did."""


def notes_in(log: list[Note]) -> Notes:
    """A function that appends notes to `log`, with the time."""
    return lambda technique, what: log.append(Note(time.time(), technique, what))
