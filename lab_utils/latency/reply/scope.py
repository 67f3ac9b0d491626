"""For which sessions the closed form holds; what is outside is named, never guessed.

Besides what is refused here: the agent greets (a caller who speaks first joins the room late), and the caller
is a recording, who speaks on whatever the agent says.
"""

from __future__ import annotations

from ...core.settings import Conditions, Settings
from ...session.providers.schema import Providers
from ..techniques.choice import Techniques
from .records import NotCovered

LEAST_TOKENS_PER_S, LEAST_SPEED = 30, 5


def check_covered(
    settings: Settings, conditions: Conditions, techniques: Techniques, providers: Providers
) -> None:
    """Raise NotCovered, with a remedy, for what the closed form of a reply doesn't model."""
    if settings.detector.ends_by_stt:
        raise NotCovered("the detector is stt, whose end of speech stops a reply otherwise; choose another")
    if settings.endpointing.mode == "dynamic":
        raise NotCovered("endpointing is dynamic: when a reply may be heard is learned; choose fixed")
    if not settings.interruption.enabled or settings.interruption.min_words:
        raise NotCovered("interruption is off or asks for min_words; only min_duration is modelled")
    if settings.interruption.min_duration <= 0:
        raise NotCovered("interruption.min_duration is 0; expected above 0")
    if techniques.semantic_cache:
        raise NotCovered("semantic_cache answers without the LLM; leave it out")
    if not techniques.async_evaluation:
        raise NotCovered("a judge is awaited before each reply; use async_evaluation")
    if techniques.mistakes:
        raise NotCovered(f"the mistake {min(techniques.mistakes)} is not modelled; leave it out")
    slowest = min(providers.large.tokens_per_s, providers.small.tokens_per_s)
    if slowest < LEAST_TOKENS_PER_S or providers.tts.speed < LEAST_SPEED:
        raise NotCovered(
            f"{providers.name} writes {slowest:g} tokens per second and speaks {providers.tts.speed:g} times "
            f"as fast as it plays; below {LEAST_TOKENS_PER_S} and {LEAST_SPEED} a reply may run out of sound"
        )
