"""A person in the place of the agent, or of the caller.

In the agent's they hear a caller alone, and silence where the agent would reply, and say when the turn is
over. A press is a commit: it belongs to a pause as any other (`turns.metrics`), and their figures stand
beside those of settings on the same turns. In the caller's they speak a turn themselves (`spoken`).
"""

from .score import listened, meaning, scored_turns
from .spoken import SpokenTurn, keep_turn, one_turn
from .turns import HeardTurn, choose_turns, turn_sound

__all__ = [
    "HeardTurn",
    "SpokenTurn",
    "choose_turns",
    "keep_turn",
    "listened",
    "meaning",
    "one_turn",
    "scored_turns",
    "turn_sound",
]
