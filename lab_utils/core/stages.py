"""The stages of a reply's latency: names, order and meaning. Every other list of stages derives from it.

Definitions: `session.metrics.stages` says from what moment to what moment each one runs.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple


class Stage(NamedTuple):
    """A latency that AgentSession reports of a reply."""

    name: str
    """In `ChatMessage.metrics`."""
    words: str
    """In tables and pictures."""
    in_sum: bool = False
    """One of those that follow one another, from the user's last speech to the first audio."""
    part: Literal["stt", "hook", "llm", "tts"] | None = None
    """The part of the agent that takes the time; None for waits, playback and the total."""
    short: str = ""
    """Its name in the tables of techniques; empty for a stage that they don't show."""
    starts: Literal["llm_starts", "tts_starts"] | None = None
    """The event it starts with, where it may start before the commit (preemptive generation)."""
    delays: tuple[str, ...] = ()
    """The delays of a provider profile that it measures, the usual one first."""


STAGES: Final = (
    Stage(
        "transcription_delay",
        "transcript (inside the end of turn)",
        part="stt",
        short="transcription",
        delays=("stt.final",),
    ),
    Stage("end_of_turn_delay", "end of turn", in_sum=True),
    Stage("on_user_turn_completed_delay", "on_user_turn_completed", in_sum=True, part="hook", short="hook"),
    Stage(
        "llm_node_ttft",
        "LLM, to first token",
        in_sum=True,
        part="llm",
        short="llm_ttft",
        starts="llm_starts",
        delays=("large.ttft", "small.ttft"),
    ),
    Stage(
        "tts_node_ttfb",
        "TTS, to first audio",
        in_sum=True,
        part="tts",
        short="tts_first_audio",
        starts="tts_starts",
        delays=("tts.first_audio",),
    ),
    Stage("playback_latency", "playback", in_sum=True),
    Stage("e2e_latency", "last speech to first audio"),
)
"""In order; the last one is the total."""
STAGE_NAMES: Final = tuple(stage.name for stage in STAGES)
"""The keys of `Reply.stages`, in order."""
