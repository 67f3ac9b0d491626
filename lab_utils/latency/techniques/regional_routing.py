"""Technique 12: regional routing for STT, LLM and TTS.

What it does: the providers' endpoints are the ones next to the agent, and the agent is next to the room.

LiveKit surface: `base_url` (Deepgram, OpenAI, Cartesia, ElevenLabs …) or `region` of the plugins; the
project's region in LiveKit Cloud. The guide's `base_url="https://api.deepgram.com"` is the default and pins
nothing.

What 1.8.9 does by itself: routes the media to the nearest point of presence. Where plugins connect to is
theirs.

Common mistake: European callers on a project of us-east, whose audio crosses the Atlantic twice.

Offline: each request and its answer takes the region's round trip on top. A streaming connection pays it once
per message, not per turn stage.
"""

from __future__ import annotations

from typing import Literal

RegionName = Literal["near", "far"]


def region(on: bool) -> RegionName:
    """Which of a provider profile's regions the agent talks to."""
    return "near" if on else "far"
