"""Replay against session: the proof that a replay's commits are those of the real `AgentSession`.

`draw_cases` draws settings over the whole knob space; each is replayed and run as a session on a recording,
with the same transcripts, and the two lists of commits must agree in number, time and cause.

What is not compared, and counted: commits at or after the end of the audio, which the end of a session brings
forward. Assumed by the replay, and so arranged in the session: with dynamic endpointing the agent is the
recorded one, uninterrupted (`RecordedAgent`); with fixed endpointing it is any agent, since nothing an agent
does moves a commit.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.delays import Delay, rng_for
from ..core.recording import Recording
from ..core.session_log import SessionLog
from ..core.settings import Conditions, Settings, parse_with_conditions
from ..core.timeline import SAMPLE_RATE_HZ, frame_samples, phase_offsets
from ..core.traces import Cause, Commits, SttEvent
from ..recordings.find import RecordingFiles, load_recording
from ..turns.replay import find_pauses, replay, stt_events
from ..turns.replay.stt_events import transcripts_of
from ..turns.tracing import TraceCache, Tracer, default_cache
from .job import SessionJob, SessionTraces
from .scripted.stt_plan import SttTiming, plan_events, words_of
from .workers import in_workers, run_watched

TOLERANCE_S = 1e-3
PHASES = 4
FRAMES_MS = (10, 20, 32, 50)
LIVE_SHARE = 0.1
"""Of the cases so many run LiveKit's own models instead of reading traces."""


@dataclass(frozen=True)
class Case:
    """One setting to be proven on one recording."""

    number: int
    recording: int
    settings: Settings
    conditions: Conditions
    phase: int
    from_words: bool
    """Whether the STT sends what it would for the labels' words, instead of what a sweep assumes."""
    live: bool
    """Whether LiveKit's own VAD and turn detector run, instead of traces."""


@dataclass(frozen=True)
class Moment:
    """One commit, as far as the two sides can be compared."""

    time_s: float
    cause: Cause


@dataclass(frozen=True)
class Outcome:
    """Both sides of one case."""

    case: Case
    recording: str
    replayed: tuple[Moment, ...]
    session: tuple[Moment, ...]
    excluded: int
    """Commits of the session at or after the end of the audio."""
    failure: str = ""

    @property
    def largest_error_s(self) -> float:
        """Between commits of the same place in both lists; infinite if their numbers differ."""
        if len(self.replayed) != len(self.session):
            return float("inf")
        pairs = zip(self.replayed, self.session, strict=True)
        return max((abs(a.time_s - b.time_s) for a, b in pairs), default=0.0)

    @property
    def agrees(self) -> bool:
        """Whether number, times (within `TOLERANCE_S`) and causes are the same."""
        causes = [m.cause for m in self.replayed] == [m.cause for m in self.session]
        return not self.failure and causes and self.largest_error_s <= TOLERANCE_S


def draw_cases(count: int, recordings: int, seed: int = 0) -> list[Case]:
    """`count` cases over the whole knob space, spread over the recordings and in their order."""
    cases = []
    for number in range(count):
        rng = rng_for(seed, f"case {number}")
        settings, conditions = _draw_settings(rng)
        cases.append(
            Case(
                number=number,
                recording=number % recordings,
                settings=settings,
                conditions=conditions,
                phase=int(rng.integers(PHASES)),
                from_words=bool(rng.random() < 0.5),
                live=bool(rng.random() < LIVE_SHARE),
            )
        )
    return sorted(cases, key=lambda case: (case.recording, case.number))


def _draw_settings(rng: np.random.Generator) -> tuple[Settings, Conditions]:
    """Any setting AgentSession accepts, to the millisecond; a third of the delays is the defaults' or 0."""

    def between(low: float, high: float) -> float:
        return round(float(rng.uniform(low, high)), 3)

    detector = str(rng.choice(["vad", "stt", "v1-mini"], p=[0.3, 0.3, 0.4]))
    activation = between(0.25, 0.75)
    min_delay = float(rng.choice([0.0, 0.3, 0.5, between(0.0, 1.2), between(0.0, 1.2)]))
    return parse_with_conditions(
        {
            "vad": {
                "model": str(rng.choice(["livekit", "silero"])),
                "activation_threshold": activation,
                "deactivation_threshold": None if rng.random() < 0.5 else between(0.05, activation),
                "min_speech_duration": between(0.03, 0.25),
                "min_silence_duration": between(0.25 if detector == "v1-mini" else 0.08, 1.0),
            },
            "detector": {"model": detector, "unlikely_threshold": between(0.05, 0.8)},
            "endpointing": {
                "mode": str(rng.choice(["fixed", "dynamic"], p=[0.7, 0.3])),
                "min_delay": min_delay,
                "max_delay": round(min_delay + between(0.0, 2.5), 3),
                "alpha": between(0.5, 0.99),
            },
        },
        {
            "transcription_delay": 0.0 if rng.random() < 0.3 else between(0.05, 1.8),
            "stt_silence": between(0.15, 1.0),
            "prediction_delay": float(rng.choice([0.0, 0.04, between(0.0, 0.3)])),
            "frame_duration": float(rng.choice(FRAMES_MS)) / 1000,
        },
    )


def verify(
    files: Sequence[RecordingFiles],
    cases: Sequence[Case],
    *,
    cache: Path | None = None,
    processes: int = 2,
) -> Iterator[Outcome | Exception]:
    """The outcome of each case, in order; an exception where a recording can't be used."""
    folder = cache or default_cache()
    arguments = ((files[case.recording], case, folder) for case in cases)
    return in_workers(verify_case, arguments, processes)


def verify_case(files: RecordingFiles, case: Case, cache: Path) -> Outcome:
    """Replay one case and run it as a session; in a process with a virtual clock."""
    from .agents import RecordedAgent

    tracer = Tracer(TraceCache(cache))
    recording = _labelled(files, tracer)
    settings = case.settings
    offset = phase_offsets(PHASES)[case.phase]
    events = transcripts(case, recording, tracer)
    traced = tracer.trace_session(recording, settings, case.conditions, offset, events)
    replayed = replay(traced, settings, case.conditions, 0, events)
    vad = traced.vad[settings.vad.model][0]
    recorded = functools.partial(RecordedAgent, recording, vad.phase_samples)
    job = SessionJob(
        recording=recording,
        settings=settings,
        conditions=case.conditions,
        agent=recorded if settings.endpointing.mode == "dynamic" else None,
        options={"aec_warmup_duration": None},
        seed=case.number,
        phase_samples=vad.phase_samples,
        tail_s=tracer.tail_s,
        transcripts=events,
        traces=None if case.live else SessionTraces(vad, traced.eot[0]),
        keep_audio=False,
    )
    return outcome(case, recording, replayed, run_watched(job), recording.duration_s + tracer.tail_s)


def transcripts(case: Case, recording: Recording, tracer: Tracer) -> tuple[SttEvent, ...]:
    """What the STT of a case sends, in recording time."""
    settings = case.settings
    conditions = case.conditions
    assert recording.labels is not None
    if case.from_words:
        timing = SttTiming(
            final_delay=Delay(p50_s=conditions.transcription_delay, p95_s=2 * conditions.transcription_delay),
            end_of_speech=settings.detector.model == "stt",
            utterance_gap_s=conditions.stt_silence,
            word_times=case.number % 2 == 0,
        )
        return plan_events(words_of(recording.labels), timing, rng_for(case.number, "words"))
    if settings.detector.model == "stt":
        return stt_events(recording.labels, conditions)
    offset = phase_offsets(PHASES)[case.phase]
    (trace,) = tracer.vad(recording, settings.vad.model, [offset])
    pauses = find_pauses(trace, settings.vad, frame_samples(conditions.frame_duration))
    finals = transcripts_of(pauses, conditions.transcription_delay)
    return tuple(replace(final, time_s=final.time_s - offset / SAMPLE_RATE_HZ, text="…") for final in finals)


def outcome(
    case: Case, recording: Recording, replayed: Commits, log: SessionLog, audio_end_s: float
) -> Outcome:
    """Both sides' commits before the end of the audio (recording time)."""
    ours, theirs = both_sides(replayed, log, audio_end_s)
    excluded = len(log.of_kind("commit")) - len(theirs)
    return Outcome(case, recording.name, ours, theirs, excluded, log.failure)


def both_sides(
    replayed: Commits, log: SessionLog, until_s: float
) -> tuple[tuple[Moment, ...], tuple[Moment, ...]]:
    """The commits of a replay and of a session before `until_s`."""
    ours = map(Moment, replayed.time_s.tolist(), replayed.cause)
    theirs = (Moment(event.time_s, event.data["cause"]) for event in log.of_kind("commit"))
    before_s = until_s - TOLERANCE_S
    return tuple(m for m in ours if m.time_s < before_s), tuple(m for m in theirs if m.time_s < before_s)


@functools.lru_cache(maxsize=1)  # cases come in the recordings' order
def _labelled(files: RecordingFiles, tracer: Tracer) -> Recording:
    return tracer.labelled(load_recording(files))
