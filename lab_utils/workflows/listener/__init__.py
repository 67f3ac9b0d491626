"""A person who says when a caller's turn is over, judged as a setting is.

They hear the caller alone, and silence where the agent would reply. A press is a commit: it belongs to a
pause as any other (`turns.metrics`), and their figures stand beside those of settings on the same turns.
"""

from .score import listened, meaning, scored_turns
from .turns import HeardTurn, choose_turns, turn_sound

__all__ = [
    "HeardTurn",
    "choose_turns",
    "listened",
    "meaning",
    "scored_turns",
    "turn_sound",
]
