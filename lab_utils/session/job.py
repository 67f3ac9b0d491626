"""What one offline session is asked to do: plain data that can be sent to a worker process.

Doesn't import LiveKit, which a worker may load only after its clock is installed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from ..core.recording import Recording
from ..core.session_log import SessionMode
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.timeline import TAIL_S, WINDOW_SAMPLES
from ..core.traces import EotTrace, SttEvent, TextAnswers, VadTrace

if TYPE_CHECKING:
    from livekit.agents import Agent, llm, stt, tts

    from .entrypoint.facts import RoomFacts
    from .entrypoint.load import Worker
    from .scripted.stt import SttTiming
    from .stand_ins.imports import ProcessStandIns


class HasSettings(Protocol):
    """A profile, for instance."""

    @property
    def settings(self) -> Settings: ...

    @property
    def conditions(self) -> Conditions: ...


def conditions_in(profile: Settings | HasSettings) -> Conditions:
    """The conditions that a profile was measured under; the usual ones for bare settings."""
    return USUAL_CONDITIONS if isinstance(profile, Settings) else profile.conditions


def settings_in(profile: Settings | HasSettings) -> Settings:
    """The settings themselves, or those that a profile holds."""
    return profile if isinstance(profile, Settings) else profile.settings


@dataclass(frozen=True)
class SessionTraces:
    """Traces of exactly the stream that a session gets (`timeline.stream_of`), so that no model need run."""

    vad: VadTrace
    eot: EotTrace
    texts: TextAnswers | None = None
    """A text detector's answers."""
    predict: Callable[[int, int], float] | None = None
    """What v1-mini says of samples `[start, end)` that `eot` lacks; None: it is computed each time."""


@dataclass(frozen=True)
class Limits:
    """After how many seconds a session that doesn't end by itself is ended."""

    virtual_s: float = 120.0
    """Session time beyond the recording's length; a reactive call may take three times its length more."""
    real_s: float = 600.0

    def __post_init__(self) -> None:
        for name in ("virtual_s", "real_s"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; expected a finite number of seconds above 0")


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class SessionJob:
    """One run of an agent on a recording.

    `agent`, `stt`, `llm` and `tts` are called without arguments inside the session's loop (a class, a
    function, a `functools.partial`); None stands for a plain agent and for the scripted parts.
    """

    recording: Recording
    settings: Settings
    conditions: Conditions = USUAL_CONDITIONS
    agent: Callable[[], Agent] | None = None
    stt: Callable[[], stt.STT] | None = None
    llm: Callable[[], llm.LLM] | None = None
    tts: Callable[[], tts.TTS] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of `AgentSession`, such as `max_tool_steps` or `aec_warmup_duration`."""
    join_s: float = 0.0
    """How long a caller who speaks first waits for the room, from their first word on (`late_join`)."""
    prebuffered: bool = True
    """True: the client sends what is said meanwhile in one burst. False: its audio lags behind."""
    seed: int = 0
    mode: SessionMode = "open_loop"
    phase_samples: int = 0
    """Silence before the recording, less than one VAD window."""
    tail_s: float = TAIL_S
    """Silence after the recording, so that its last turn can be committed."""
    stt_timing: SttTiming | None = None
    """When the scripted STT sends transcripts of the labels' words."""
    transcripts: Sequence[SttEvent] | None = None
    """Events that the scripted STT sends instead, in recording time (open loop only)."""
    traces: SessionTraces | None = None
    """Used in open loop; None: LiveKit's models run during the session."""
    real_time: bool = False
    """Run in real time, with the `time` module unchanged."""
    limits: Limits = DEFAULT_LIMITS
    worker: Worker | None = None
    """A worker, which runs instead of `agent`: its entrypoint makes agent and session."""
    room: RoomFacts | None = None
    """What a worker may ask about its job."""
    stand_ins: ProcessStandIns | None = None
    """The stand-ins of this process, if there are any; their STTs then transcribe the caller too."""
    keep_audio: bool = True
    """Whether the log holds what was heard."""
    instructions: str | None = None
    """In place of those that the session's first agent brings."""

    def __post_init__(self) -> None:
        name = self.recording.name
        for part in ("agent", "stt", "llm", "tts"):
            given = getattr(self, part)
            if given is not None and not callable(given):
                raise ValueError(
                    f"{part} is {given!r}; expected a class or function that makes one, for it is made in "
                    f"the session: {part}=lambda: {type(given).__name__}(...)"
                )
        if not 0 <= self.phase_samples < WINDOW_SAMPLES:
            raise ValueError(
                f"{name}: phase_samples is {self.phase_samples}; expected 0 to {WINDOW_SAMPLES - 1}"
            )
        if not 0 <= self.tail_s < math.inf:
            raise ValueError(f"{name}: tail_s is {self.tail_s}; expected seconds from 0")
        if not 0 <= self.join_s <= 10:
            raise ValueError(f"{name}: join_s is {self.join_s}; expected 0 to 10 seconds")
        labels = self.recording.labels
        if self.join_s and labels is None:
            raise ValueError(
                f"{name}: join_s needs labels to know when the caller first speaks; add a label file, or "
                "leave join_s at 0"
            )
        if self.mode == "reactive" and (labels is None or not len(labels.spans("agent"))):
            raise ValueError(
                f"{name}: a reactive caller needs to know when the recorded agent spoke; add a label file or "
                "the agent's channel, or run it in open loop"
            )
        if self.mode == "reactive" and self.transcripts is not None:
            raise ValueError(f"{name}: transcripts with fixed times can be given in open loop only")
        if labels is None and self.stt is None and self.transcripts is None:
            raise ValueError(
                f"{name}: the scripted STT needs labels to know when the user speaks; add a label file, "
                "or bring an STT of your own"
            )
