"""Waits that are longer while numbers are given or after the agent asked for one, for many settings. Pure.

Definition: what is added to a setting's wait at a moment, by the turn's finals and the agent's last message
that AgentSession knows then (`core.policies.number_words`). Assumptions about both as in `said`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.policies import PolicySettings
from ...core.timeline import Floats
from .said import Conversation, Talk


@dataclass(frozen=True)
class ExtraDelays:
    """Both extra delays of some settings; arrays of shape=(settings,)."""

    numbers_s: Floats
    asked_s: Floats

    @classmethod
    def of(cls, policies: Sequence[PolicySettings]) -> ExtraDelays | None:
        """Those of some policies; None where no wait depends on what was said.

        >>> ExtraDelays.of([PolicySettings()]), ExtraDelays.of([PolicySettings(extra_delay_asked=0.5)])
        (None, ExtraDelays(numbers_s=array([0.]), asked_s=array([0.5])))
        """
        numbers_s = np.array([one.extra_delay_numbers for one in policies], dtype=np.float64)
        asked_s = np.array([one.extra_delay_asked for one in policies], dtype=np.float64)
        return cls(numbers_s, asked_s) if (numbers_s > 0).any() or (asked_s > 0).any() else None

    def on(self, talk: Talk, conversation: Conversation, at_s: float) -> Floats:
        """What is added to each wait that begins at a moment, in seconds; shape=(settings,)."""
        firsts, of_setting = np.unique(talk.first, return_inverse=True)
        gives = np.array([conversation.gives_numbers(first, talk.heard) for first in firsts.tolist()])
        numbers_s = np.where(gives[of_setting], self.numbers_s, 0.0)
        if not conversation.was_asked(at_s):
            return numbers_s
        found: Floats = np.maximum(numbers_s, self.asked_s)
        return found
