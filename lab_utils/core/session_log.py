"""What happened in one run of the real AgentSession."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .recording import Pcm
from .settings import USUAL_CONDITIONS, Conditions, Settings
from .text.html import facts_html

SessionEventKind = Literal[
    "user_starts",
    "user_ends",
    "transcript",
    "prediction",
    "preemptive",
    "commit",
    "commit_refused",
    "llm_starts",
    "llm_first_token",
    "llm_ends",
    "tool_starts",
    "tool_ends",
    "tts_starts",
    "tts_first_audio",
    "tts_ends",
    "speech_created",
    "playout_starts",
    "playout_pauses",
    "playout_resumes",
    "playout_ends",
    "false_interruption",
    "agent_state",
    "caller_starts",
    "caller_ends",
    "error",
    "warning",
    "limit",
    "audio_ends",
    "closed",
]


@dataclass(frozen=True)
class SessionEvent:
    """Something that happened in an offline session; `data` holds plain values only."""

    time_s: float
    kind: SessionEventKind
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LeftOut:
    """In place of a text that wasn't kept: how long it was."""

    words: int
    characters: int

    @classmethod
    def of(cls, text: str) -> LeftOut:
        """What stays of a text."""
        return cls(len(text.split()), len(text))


@dataclass(frozen=True)
class Reply:
    """One answer of the agent to a user turn, with its latency by stage."""

    commit_s: float | None
    """The commit it answers; None for a greeting."""
    user_text: str | LeftOut
    agent_text: str | LeftOut
    """What was heard of it."""
    interrupted: bool
    stages: Mapping[str, float]
    """LiveKit's own figures in seconds, by `stages.STAGE_NAMES`; what it did not report is missing."""


SessionMode = Literal["open_loop", "reactive"]


@dataclass(frozen=True)
class SessionLog:
    """One run of the real AgentSession on a recording. Times: seconds from the start of the recording."""

    recording: str
    sha256: str
    settings: Settings
    mode: SessionMode
    clock: Literal["virtual", "real"]
    seed: int
    phase_samples: int
    duration_s: float
    """When the session was closed."""
    events: tuple[SessionEvent, ...]
    """In order of happening."""
    replies: tuple[Reply, ...]
    heard: Pcm
    """What caller and agent sent, shape=(samples, 2) at 16 kHz: user left, agent right."""
    report: Mapping[str, Any]
    """LiveKit's own session report."""
    caveats: tuple[str, ...] = ()
    """What this mode can't know."""
    failure: str = ""
    """Why the run did not come to its proper end; empty if it did."""
    failure_message: str = ""
    """The end of `failure`, where that is an exception's own message, which may quote what was said."""
    conditions: Conditions = USUAL_CONDITIONS
    """What the session was run under."""
    text: bool = True
    """Whether the log holds what was said; without, each text is replaced by its length (`LeftOut`)."""

    def _repr_html_(self) -> str:
        facts = [
            ("mode", f"{self.mode.replace('_', ' ')}, {self.clock} clock, seed {self.seed}"),
            ("length", f"{self.duration_s:.1f} s"),
            ("commits", len(self.of_kind("commit"))),
            ("replies", len(self.replies)),
            *(("failed", self.failure) for _ in range(bool(self.failure))),
            *(("can't know", caveat) for caveat in self.caveats),
        ]
        return facts_html(self.recording, facts)

    def of_kind(self, *kinds: SessionEventKind) -> tuple[SessionEvent, ...]:
        """The events of some kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)
