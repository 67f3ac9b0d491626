"""Push-to-talk beside the detectors: what a caller's button would do. A reference, no detector.

Assumptions: each turn is ended by a press a reaction after its true end, and nothing else is. In manual mode
AgentSession commits at the press, but not before the final transcript (`latency.extras.push_to_talk`, which
leaves out LiveKit's `min_delay` and its wait for a transcript that isn't due).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...core.errors import InputError
from ...core.settings import Conditions

REACTION_S = 0.2
"""From the end of the turn to the press, where nothing else is said: an assumption, not measured."""


@dataclass(frozen=True)
class PushToTalk:
    """What it comes to; rates as fractions."""

    reaction_s: float
    latency_s: float
    """From the end of the turn to the commit, the same for every turn."""
    false_boundary_rate: float = 0.0
    missed_rate: float = 0.0

    @property
    def in_words(self) -> str:
        """One sentence."""
        waits = ", for the final transcript comes later" if self.latency_s > self.reaction_s else ""
        return (
            f"For reference, push-to-talk pressed {1000 * self.reaction_s:.0f} ms after each end of turn: no "
            f"false boundary, none missed, {1000 * self.latency_s:.0f} ms{waits}; the caller judges, not a "
            "detector."
        )


def push_to_talk(conditions: Conditions, reaction_s: float = REACTION_S) -> PushToTalk:
    """What a perfect press would do. Raises InputError for a reaction that is no time.

    >>> push_to_talk(Conditions(transcription_delay=0.3), 0.2).latency_s
    0.3
    """
    if not (math.isfinite(reaction_s) and 0 <= reaction_s <= 10):
        raise InputError(f"a reaction of {reaction_s} s; expected 0 to 10 seconds after the end of the turn")
    return PushToTalk(reaction_s, max(reaction_s, conditions.transcription_delay))
