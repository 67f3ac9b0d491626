"""Frozen results that travel between the layers: recordings, labels, traces, commits and scores.

Times are float seconds from the start of the recording; spans are arrays of shape=(n, 2) with
`[start, end)` rows in time order. Probabilities lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .settings import Settings
from .timeline import SAMPLE_RATE_HZ, WINDOW_SAMPLES, Floats, Ints

Pcm = NDArray[np.int16]
Bools = NDArray[np.bool_]
LabelKind = Literal["hold", "shift", "cut_off", "backchannel"]
LABEL_KINDS: tuple[LabelKind, ...] = ("hold", "shift", "cut_off", "backchannel")
Cause = Literal["detector", "max_delay", "vad", "stt", "late_transcript"]
CAUSES: tuple[Cause, ...] = ("detector", "max_delay", "vad", "stt", "late_transcript")
"""Why a commit came (`Commits`)."""
Speaker = Literal["user", "agent"]


@dataclass(frozen=True)
class Ipu:
    """An inter-pausal unit: one stretch of one speaker's speech."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True)
class Word:
    """One spoken word."""

    speaker: Speaker
    start_s: float
    end_s: float
    text: str

    @property
    def middle_s(self) -> float:
        """It is said to lie where this lies."""
        return (self.start_s + self.end_s) / 2


SttEventKind = Literal["start_of_speech", "interim", "preflight", "final", "end_of_speech"]


@dataclass(frozen=True)
class SttEvent:
    """One event of a streaming speech-to-text, on the recording's time axis."""

    time_s: float
    """When it reaches the agent."""
    kind: SttEventKind
    text: str = ""
    """A final without text does nothing (audio_recognition.py:1276)."""
    start_s: float | None = None
    """Start of the speech it is about, if the STT tells times; a start_of_speech's `speech_start_time`."""
    end_s: float | None = None
    """End of the speech it is about, if the STT tells times; an end_of_speech's `speech_end_time`."""


@dataclass(frozen=True)
class Segment:
    """A stretch of speech or a word, by a speaker's name in the file it comes from."""

    speaker: str
    start_s: float
    end_s: float
    text: str = ""


@dataclass(frozen=True)
class Annotation:
    """Who speaks when according to some file: segments (turns, IPUs) and words, each in order of time."""

    segments: tuple[Segment, ...]
    words: tuple[Segment, ...] = ()
    duration_s: float | None = None
    """Of the audio, if the file tells."""
    source: str = ""
    """Its format, for example "rttm"."""

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names in order of first appearance."""
        return tuple(dict.fromkeys(segment.speaker for segment in (*self.segments, *self.words)))


@dataclass(frozen=True)
class Label:
    """A judgement on the user's channel (terms: `hold`, `shift`, `cut_off`, `backchannel`).

    A hold or cut_off is the silence between two IPUs of one user turn. A shift begins at the true end of the
    user's turn and ends where the agent starts (both equal if the agent started earlier). A backchannel is
    the user's short speech itself. `confidence` is 1 for labels that are known, less for estimated ones.
    """

    kind: LabelKind
    start_s: float
    end_s: float
    confidence: float = 1.0
    reason: str = ""
    edited: bool = False
    """Set by a person: it wins over any estimate."""


@dataclass(frozen=True)
class Labels:
    """All that is known about who speaks when in one recording."""

    duration_s: float
    ipus: tuple[Ipu, ...]
    labels: tuple[Label, ...]
    words: tuple[Word, ...] = ()
    source: str = ""
    """Where they come from, for example "construction" or "two channels"."""

    def spans(self, speaker: Speaker) -> Floats:
        """The IPUs of one speaker, shape=(n, 2)."""
        return as_spans([(ipu.start_s, ipu.end_s) for ipu in self.ipus if ipu.speaker == speaker])

    def of_kind(self, kind: LabelKind) -> Floats:
        """The spans with one label, shape=(n, 2)."""
        return as_spans([(label.start_s, label.end_s) for label in self.labels if label.kind == kind])


@dataclass(frozen=True)
class ObservedTurn:
    """What one participant said in one turn, as the system that recorded the call saw it."""

    speaker: Speaker
    start_s: float | None
    end_s: float | None
    text: str = ""
    interrupted: bool = False
    stages: Mapping[str, float] = field(default_factory=dict)
    """Latencies that were measured then, in seconds, by `STAGES`."""
    models: Mapping[str, str] = field(default_factory=dict)
    """The model behind a latency, by `STAGES`, where it was told."""


@dataclass(frozen=True)
class Provenance:
    """Where a recording comes from, and what was observed when it was made; plain values only."""

    format: str
    """Import format, for example "livekit_report"."""
    turns: tuple[ObservedTurn, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The agent's settings then in force, by the names that their source gives them."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Identifiers, dates, versions, language and the like."""


def as_spans(pairs: list[tuple[float, float]]) -> Floats:
    """Pairs of seconds as an array of shape=(n, 2), also for n = 0."""
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


@dataclass(frozen=True)
class Recording:
    """One conversation at 16 kHz: the user's channel and, if recorded, the agent's."""

    name: str
    path: str
    user: Pcm
    """shape=(samples,)"""
    agent: Pcm | None
    """shape=(samples,), aligned with `user`; None for a user-only recording."""
    sha256: str
    """Of the two channels' 16 kHz samples: the same audio in another container has the same hash."""
    labels: Labels | None = None
    notes: tuple[str, ...] = ()
    """What loading had to mend or guess, in plain words."""
    provenance: Provenance | None = None

    @property
    def duration_s(self) -> float:
        return len(self.user) / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class VadTrace:
    """Speech probability of every window of one recording at one phase."""

    model: str
    phase_samples: int
    probabilities: Floats
    """shape=(windows,); for silero with LiveKit's exponential smoothing."""
    restarts: Mapping[int, Floats] = field(default_factory=dict)
    """What the VAD says if it begins anew at a stream sample, by window from there on: as many windows as
    were asked for. In `stt` mode the speech-to-text's END_OF_SPEECH restarts a VAD that hears speech."""

    def windows_from(self, origin: int) -> int:
        """Windows from a stream sample to the end of the stream."""
        return len(self.probabilities) - -(-origin // WINDOW_SAMPLES)


BUFFER_SAMPLES = 19_200
"""The detector hears the last 1.2 s (livekit/agents/inference/eot/transports.py)."""


@dataclass(frozen=True)
class EotTrace:
    """End-of-turn probabilities by the audio heard: samples `[start, end)` of the stream.

    Sorted by end, then by length (`eot_keys`); `end - start` is at most `BUFFER_SAMPLES`.
    """

    starts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    ends: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    probabilities: Floats = field(default_factory=lambda: np.zeros(0))

    @property
    def keys(self) -> Ints:
        """`eot_keys` of the entries, ascending; shape=(n,)."""
        return eot_keys(self.starts, self.ends)

    def merged(self, other: EotTrace) -> EotTrace:
        """Both traces' entries; where both have one, this trace's stays."""
        starts = np.concatenate((self.starts, other.starts))
        ends = np.concatenate((self.ends, other.ends))
        _, first = np.unique(eot_keys(starts, ends), return_index=True)
        probabilities = np.concatenate((self.probabilities, other.probabilities))
        return EotTrace(starts[first], ends[first], probabilities[first])


def eot_keys(starts: Ints, ends: Ints) -> Ints:
    """One integer per span of audio, ordered by end, then by length; shape=(n,)."""
    return ends * 32_768 + (ends - starts)


@dataclass(frozen=True)
class Traced:
    """A labelled recording with all that a replay needs; no audio. One entry per phase."""

    name: str
    path: str
    sha256: str
    duration_s: float
    labels: Labels
    vad: Mapping[str, tuple[VadTrace, ...]]
    """VAD model name → one trace per phase."""
    eot: tuple[EotTrace, ...]
    """One per phase."""
    tail_s: float
    """Silence added after the recording, so that its last turn can be committed."""
    notes: tuple[str, ...] = ()
    """What loading had to mend or guess."""

    @property
    def phases(self) -> int:
        return len(self.eot)


@dataclass(frozen=True)
class Pauses:
    """All arrays have shape=(pauses,) but `blip_s`; seconds of stream time."""

    speech_start_s: Floats
    """Where the speech before the pause began, as LiveKit estimates it at START_OF_SPEECH."""
    start_of_speech_s: Floats
    """Arrival of that START_OF_SPEECH."""
    last_speaking_s: Floats
    end_of_speech_s: Floats
    """Arrival of END_OF_SPEECH."""
    resume_s: Floats
    """Arrival of the next START_OF_SPEECH, which cancels what waits; for the last pause the stream's end."""
    predict_sample: Ints
    """Stream sample at which the prediction is requested: the end of the audio it hears; 0 if never."""
    blip_s: Floats
    """shape=(blips,): moments in silence at which speech too short for START_OF_SPEECH moves the last
    speaking time (audio_recognition.py:1481)."""
    opening_s: float
    """Arrival of the first START_OF_SPEECH, whether or not it is followed by a pause; or the stream's end."""
    stream_end_s: float
    """Nothing is committed from then on."""

    def __len__(self) -> int:
        return len(self.end_of_speech_s)

    @property
    def predict_s(self) -> Floats:
        return self.predict_sample / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Shortened:
    """A pause whose prediction may hear less than 1.2 s: a commit may empty the buffer shortly before it."""

    pause: int
    emptied: Ints
    """Earlier pauses whose commit can do so, shape=(k,)."""
    start: Ints
    """Which start of the audio their commits lead to: shape=(k, columns), places in `probability`."""
    probability: Floats
    """By start, ascending, shape=(starts,); the latest start counts. NaN where no setting leads to it."""


@dataclass(frozen=True)
class Decisions:
    """What every setting of a block does in every pause.

    Whether an end of turn is accepted depends on the setting's threshold alone, but for the few pauses that
    are neither `accepted` nor `rejected` at a threshold: there it depends on the delays too (`Shortened`).
    """

    accepted_s: Floats
    """shape=(pauses, columns): the commit if the end is accepted and that column's delay applies."""
    rejected_s: Floats
    """shape=(pauses, columns): the commit if the end is unlikely."""
    threshold: Floats
    """The distinct thresholds, shape=(levels,)."""
    accepted: Bools
    """shape=(pauses, levels)"""
    rejected: Bools
    """shape=(pauses, levels)"""
    level: Ints
    """Each setting's threshold, shape=(settings,)."""
    min_column: Ints
    """Each setting's column of `accepted_s`."""
    max_column: Ints
    """Each setting's column of `rejected_s`."""
    probability: Floats
    """shape=(pauses, 1), or (pauses, settings); NaN without a detector, and for what `shortened` holds."""
    shortened: tuple[Shortened, ...] = ()
    late_s: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """shape=(triggers, settings): commits that belong to no pause or come after its first, by what triggered
    them; infinity where it led to none."""
    late_cause: tuple[Cause, ...] = ()
    """The cause of each trigger's commits."""

    def __len__(self) -> int:
        return len(self.level)

    def resolve(self, settings: Ints, wanted: Bools) -> dict[int, tuple[Bools, Ints]]:
        """Shortened pauses under some settings: pause -> (accepted, start), each shape=(settings,).

        `wanted` says which pauses, shape=(pauses,); those they depend on are resolved on the way.
        """
        level = self.level[settings]
        min_column, max_column = self.min_column[settings], self.max_column[settings]
        sure = np.all((self.accepted | self.rejected)[:, np.unique(level)], axis=1)
        resolved: dict[int, tuple[Bools, Ints]] = {}
        for one in self.shortened:
            if sure[one.pause] and not wanted[one.pause]:
                continue
            which = np.zeros(len(settings), dtype=np.int64)
            for i, start in zip(one.emptied.tolist(), one.start, strict=True):
                yes = resolved[i][0] if i in resolved else self.accepted[i, level]
                np.maximum(which, np.where(yes, start[min_column], start[max_column]), out=which)
            resolved[one.pause] = (one.probability[which] >= self.threshold[level], which)
        return resolved


@dataclass(frozen=True)
class Commits:
    """The moments at which the agent decides that the user's turn is over, under one setting.

    `cause`: `detector` (it accepted the end), `max_delay` (it did not, and the longest wait ran out), `vad`
    (no prediction: silence alone), `stt` (the speech-to-text's END_OF_SPEECH), `late_transcript` (a final
    transcript that came after a commit, or before any speech that the VAD heard). In `stt` mode it is what
    triggered the commit: `stt`, or, while the turn has been ended but not committed, `vad` (the VAD's
    END_OF_SPEECH) or `late_transcript` (a final).
    """

    time_s: Floats
    """shape=(n,), ascending"""
    cause: tuple[Cause, ...]
    probability: Floats
    """shape=(n,); NaN without a prediction"""


SessionEventKind = Literal[
    "user_starts",
    "user_ends",
    "transcript",
    "prediction",
    "preemptive",
    "commit",
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


STAGES = (
    "transcription_delay",
    "end_of_turn_delay",
    "on_user_turn_completed_delay",
    "llm_node_ttft",
    "tts_node_ttfb",
    "playback_latency",
    "e2e_latency",
)
"""Latencies of a reply as AgentSession reports them in `ChatMessage.metrics`, in order."""


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
    """LiveKit's own figures in seconds, by `STAGES`; what it did not report is missing."""


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
    text: bool = True
    """Whether the log holds what was said; without, each text is replaced by its length (`LeftOut`)."""

    def of_kind(self, *kinds: SessionEventKind) -> tuple[SessionEvent, ...]:
        """The events of some kinds, in order."""
        return tuple(event for event in self.events if event.kind in kinds)
