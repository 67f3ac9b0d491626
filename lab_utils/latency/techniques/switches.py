"""What the techniques without code of their own switch on and off (described in `descriptions.SWITCHES`).

The others have a module each.
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

    Only what this technique decides: the session's further options (retries, TTS …) stay as they are.
    """
    return {"preemptive_generation": {"enabled": techniques.streaming_stt}}


def session_options(techniques: Techniques) -> SessionOptions:
    """Arguments of `AgentSession` that go with the agent, beside STT, LLM and TTS.

    With audio prebuffering it is what the guide sets, which changes nothing in 1.8.9. Preemptive generation
    isn't among them: the agent itself switches it, over the session's setting.
    """
    return {"aec_warmup_duration": AEC_WARMUP_S} if techniques.audio_prebuffering else {}


def region(techniques: Techniques) -> RegionName:
    """Which of a provider profile's regions the agent talks to."""
    return "near" if techniques.regional_routing else "far"
