"""Technique 8: TTS warm-up.

What it does: the connection to the TTS is open before the first sentence is there.

LiveKit surface: make the TTS object once per process (`prewarm_fnc`, `proc.userdata`), and its `prewarm()`.

What 1.8.9 does by itself: a session calls `prewarm()` of its STT, LLM and TTS when it starts, so a TTS made
in the entrypoint is warm too by the time it speaks, unless the agent greets at once. A worker runs each job
in a process of its own, and without an event loop there is no connection: what `prewarm_fnc` saves is the
time to make the object.

Common mistake: making the TTS inside the entrypoint: in 1.8.9 that costs the construction, not the
connection.

Offline: the first request pays the provider's connection set-up unless `prewarm` has; `keep_cold` is the off
switch, since LiveKit has none.
"""

from __future__ import annotations

from typing import Any, TypeVar

from livekit.agents import tts

Speech = TypeVar("Speech", bound="tts.TTS[Any]")


def keep_cold(speech: Speech) -> Speech:
    """The same TTS, deaf to `prewarm`: its first request opens the connection. To measure, not to use."""
    speech.prewarm = lambda: None  # type: ignore[method-assign]
    return speech
