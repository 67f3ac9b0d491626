"""Settings for the techniques without a module of their own (described in `descriptions.SWITCHES`).

The other techniques have a module each.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from livekit.agents import TurnHandlingOptions

from .choice import Techniques

RegionName = Literal["near", "far"]
AEC_WARMUP_S = 3.0
"""As in the guide; LiveKit's default too."""


class SessionOptions(TypedDict, total=False):
    """Arguments of `AgentSession`."""

    aec_warmup_duration: float


def turn_handling(techniques: Techniques) -> TurnHandlingOptions:
    """`turn_handling` of an agent: with streaming STT replies start before the commit.

    Contains only what this technique decides: the session's other options (retries, TTS …) don't change.
    """
    return {"preemptive_generation": {"enabled": techniques.streaming_stt}}


def session_options(techniques: Techniques) -> SessionOptions:
    """Arguments of `AgentSession` that the techniques need, besides STT, LLM and TTS.

    With audio prebuffering this is what the guide sets; it changes nothing in 1.8.9. Preemptive generation
    isn't among them: the agent's own setting overrides the session's.
    """
    return {"aec_warmup_duration": AEC_WARMUP_S} if techniques.audio_prebuffering else {}


def region(techniques: Techniques) -> RegionName:
    """Which of a provider profile's regions the agent talks to."""
    return "near" if techniques.regional_routing else "far"
