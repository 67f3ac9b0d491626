"""Technique 6: audio prebuffering.

What it does: the client records from the first moment and sends what it has buffered when the room is joined;
the agent reads that faster than it was spoken, and has caught up before the user's first turn ends.

LiveKit surface: the client's `preConnectBuffer` (web) or `withPreConnectAudio` (Swift, Android, Flutter); on
the agent's side `room_io.AudioInputOptions(pre_connect_audio=True)`.

What 1.8.9 does by itself: the agent's side is on by default; the client's isn't. The guide also names
`aec_warmup_duration=3.0`: that is the default, and it buffers nothing. It blocks interruptions for the first
three seconds that the agent speaks, while the client's echo canceller adapts.

Common mistake: leaving out the client's option.

Offline: the caller's audio path opens `Room.join` late; without the buffer the first turn reaches the agent
late by so much, with it at once and complete. It matters in the first turn only, and only where the user
speaks before the path is open.
"""

from __future__ import annotations

from typing import TypedDict

AEC_WARMUP_S = 3.0
"""As in the guide; LiveKit's default too."""


class SessionOptions(TypedDict, total=False):
    """Arguments of `AgentSession`."""

    aec_warmup_duration: float


def session_options(on: bool) -> SessionOptions:
    """What the guide sets in the session; it changes nothing in 1.8.9."""
    return {"aec_warmup_duration": AEC_WARMUP_S} if on else {}
