"""Technique 9: smaller models for short turns, by what they mean.

What it does: acknowledgements ("yes", "okay, go on") go to the small model. By a list of phrases, not by
length: "cancel my entire order" is as short, and goes to the large one.

LiveKit surface: as technique 4 (`model_routing`), whose rule this one overrules.

What 1.8.9 does by itself: nothing.

Common mistake: routing by the number of words (the guide's own code: up to four words).

Offline: as technique 4.
"""

from __future__ import annotations

from .intents import Intent


def small_is_enough(intent: Intent) -> bool:
    """Whether the small model answers turns of this class."""
    return intent == "acknowledgement"
