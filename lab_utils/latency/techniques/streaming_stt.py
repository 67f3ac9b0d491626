"""Technique 1: streaming speech-to-text, and replies that start before the turn is committed.

What it does: the STT tells what it hears while the user speaks; as soon as a transcript is final the LLM
starts on it, while the turn detector still waits. If the user goes on, that call is thrown away.

LiveKit surface: a streaming `stt` with interim results; `turn_handling={"preemptive_generation": {...}}` of
`AgentSession` or, as here, of `Agent` (which overrides the session's).

What 1.8.9 does by itself: preemptive generation is on by default. (So it was in 1.5.8, for which the guide
is written: its common mistake, leaving the default, is none.) It starts on PREFLIGHT and FINAL transcripts,
never on interims, so the saving depends on how early the provider's final or preflight comes, not on its
first partial. Where the STT decides turns (`turn_detection="stt"`) it starts on PREFLIGHT only, in manual
mode not before the turn is committed. It starts at most 3 times a turn (`max_retries`), and not once the user
has spoken for 10 s (`max_speech_duration`). It is thrown away if the transcript changes, or if
`on_user_turn_completed` changes the chat context or the tools.

Common mistake: editing `turn_ctx` in `on_user_turn_completed`: every preemptive call is then wasted.

Offline: off is an STT that recognizes whole utterances (finals only, by the provider's batch delay) and no
preemptive generation.
"""

from __future__ import annotations

from livekit.agents import TurnHandlingOptions


def turn_handling(on: bool) -> TurnHandlingOptions:
    """`turn_handling` of an agent that starts replies before the commit, or doesn't.

    Only what this technique decides: the session's further options (retries, TTS …) stay as they are.
    """
    return {"preemptive_generation": {"enabled": on}}
