"""One drawn case, replayed and run as a session with the same transcripts; in a worker process.

Where the caller waits, the session runs on the recording up to where the branch leaves it and the silence
after that, as on any recording, with transcripts modelled on what is heard there. What the replay does on the
recording until then, and on the branch from then on, is compared with it.

What is not compared, and counted: commits at or after the end of the audio, which the end of a session brings
forward. Assumed by the replay, and so arranged in the session: with dynamic endpointing the agent is the
recorded one, uninterrupted (`RecordedAgent`), and so it is with `min_words`, with extra delays and for text
detectors; else it is any agent.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ...core.delays import Delay, rng_for
from ...core.files.places import Place
from ...core.labels import Labels, user_turns
from ...core.recording import Recording
from ...core.session_log import SessionLog
from ...core.settings import Settings
from ...core.timeline import SAMPLE_RATE_HZ, frame_samples, phase_offsets
from ...core.traces import Commits, SttEvent
from ...recordings.find import RecordingFiles, load_recording
from ...recordings.heard_paths import HEARD_PATHS, HeardPath
from ...session.commits import TOLERANCE_S, Moment, both_sides
from ...session.job import SessionJob
from ...session.prepare import traced_job
from ...session.scripted.stt_plan import SttTiming, plan_events, words_of
from ...session.workers import run_watched
from ...turns.branches import BEYOND_S, LONGEST_WAIT_S, Fork, branch_recording, forks_of, longest_wait_s
from ...turns.detectors import Predictor
from ...turns.replay import find_pauses, replay, replay_branches, stt_events
from ...turns.replay.refusals import word_times, words_by_pause
from ...turns.replay.said import Speech
from ...turns.replay.stt_events import transcripts_of
from ...turns.takes import HeardRecording
from ...turns.tracing import TraceCache, Tracer
from .cases import PHASES, Case


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
    on_branch: int = 0
    """Commits of the session after the moment from which the caller waits."""

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


def verify_case(
    files: RecordingFiles, case: Case, cache: Place, own: Mapping[str, Predictor] | None = None
) -> Outcome:
    """Replay one case and run it as a session; in a process with a virtual clock.

    `own`: the user's own detectors, by their names in settings.
    """
    from ...session.agents import RecordedAgent

    tracer = Tracer(TraceCache(cache), own=own or {})
    tape = _heard(files, case.path, tracer)
    assert tape.labels is not None
    settings = _possible(case.settings, tape.labels)
    if case.waits is not None and case.number % 2 == 0:
        settings = _patient(settings, _fork(case, tape.labels, LONGEST_WAIT_S), tape.labels)
    tracer = replace(tracer, wait_s=float(longest_wait_s(np.array([settings.endpointing.max_delay]))[0]))
    fork = _fork(case, tape.labels, tracer.wait_s)
    case = replace(case, settings=settings, from_words=case.from_words and fork is None)
    recording = tape if fork is None else branch_recording(tape, fork.turn, tracer.wait_s)
    refuses = settings.interruption.enabled and settings.interruption.min_words > 0
    offset = phase_offsets(PHASES)[case.phase]
    events = transcripts(case, recording, tracer)
    by_words = settings.detector.traits.needs == "words" or settings.policy.by_words
    interruptible = settings.interruption.enabled if by_words else refuses
    recorded = functools.partial(RecordedAgent, recording, offset, interruptible=interruptible)
    job = SessionJob(
        recording=recording,
        settings=settings,
        conditions=case.conditions,
        agent=recorded if refuses or by_words or settings.endpointing.mode == "dynamic" else None,
        options={"aec_warmup_duration": None},
        seed=case.number,
        phase_samples=offset,
        tail_s=tracer.tail_s,
        transcripts=events,
        stt_timing=SttTiming(language=recording.language or case.conditions.language or "en"),
        keep_audio=False,
    )
    job, traced = traced_job(job, tracer)
    until_s = recording.duration_s + tracer.tail_s
    if fork is None:
        replayed = replay(traced, settings, case.conditions, 0, events)
    else:
        replayed = _with_branch(tape, case, fork, tracer)
        until_s = recording.duration_s - BEYOND_S
    if case.live and not own:
        job = replace(job, traces=None)
    compared = outcome(case, recording, replayed, run_watched(job), until_s)
    if fork is None:
        return compared
    waits_s = fork.from_sample / SAMPLE_RATE_HZ
    return replace(
        compared, recording=tape.name, on_branch=sum(one.time_s >= waits_s for one in compared.session)
    )


def _fork(case: Case, labels: Labels, wait_s: float) -> Fork | None:
    """The branch that a case is about; None for the tape, and where the recording has no branch.

    One of the half that begins soonest after its end of turn: the others are mostly answered before.
    """
    if case.waits is None:
        return None
    ends_s = [turn.end_s for turn in user_turns(labels)]
    forks = sorted(
        forks_of(labels, wait_s), key=lambda fork: fork.from_sample / SAMPLE_RATE_HZ - ends_s[fork.turn]
    )
    soonest = forks[: -(-len(forks) // 2)]
    return soonest[int(case.waits * len(soonest))] if soonest else None


def _patient(settings: Settings, fork: Fork | None, labels: Labels) -> Settings:
    """The settings with delays so long that they answer after the moment from which the caller waits."""
    if fork is None:
        return settings
    later_s = fork.from_sample / SAMPLE_RATE_HZ - user_turns(labels)[fork.turn].end_s
    endpointing = settings.endpointing
    min_delay, max_delay = (round(one + later_s, 3) for one in (endpointing.min_delay, endpointing.max_delay))
    return settings.replace(min_delay=min_delay, max_delay=max_delay)


def _with_branch(tape: Recording, case: Case, fork: Fork, tracer: Tracer) -> Commits:
    """The replay's commits on a recording until a branch leaves it, then those on the branch."""
    settings, conditions, offset = case.settings, case.conditions, phase_offsets(PHASES)[case.phase]
    traced = tracer.trace_session(tape, settings, conditions, offset, branched=True)
    before = replay(traced, settings, conditions)
    from_s, after = replay_branches(traced, settings, conditions)[fork.turn]
    parts = (before, np.flatnonzero(before.time_s < from_s)), (after, np.flatnonzero(after.time_s >= from_s))
    return Commits(
        np.concatenate([one.time_s[rows] for one, rows in parts]),
        tuple(one.cause[row] for one, rows in parts for row in rows),
        np.concatenate([one.probability[rows] for one, rows in parts]),
        np.concatenate([one.last_speaking_s[rows] for one, rows in parts]),
    )


def _possible(settings: Settings, labels: Labels) -> Settings:
    """The settings without `min_words` and extra delays where no words, or none of the agent, are known."""
    try:
        word_times(labels)
    except ValueError:
        interruption = settings.interruption.model_copy(update={"min_words": 0})
        settings = settings.model_copy(update={"interruption": interruption})
    speech = Speech.of(labels, 0.0)
    if not speech.words or not any(speech.agent):
        return settings.replace(extra_delay_numbers=0.0, extra_delay_asked=0.0)
    return settings


def transcripts(case: Case, recording: Recording, tracer: Tracer) -> tuple[SttEvent, ...]:
    """What the STT of a case sends, in recording time."""
    settings = case.settings
    conditions = case.conditions
    assert recording.labels is not None
    if case.from_words:
        timing = SttTiming(
            final_delay=Delay(p50_s=conditions.transcription_delay, p95_s=2 * conditions.transcription_delay),
            end_of_speech=settings.detector.ends_by_stt,
            utterance_gap_s=conditions.stt_silence,
            word_times=case.number % 2 == 0,
            end_time=conditions.stt_tells_end,
        )
        return plan_events(words_of(recording.labels), timing, rng_for(case.number, "words"))
    if settings.detector.ends_by_stt:
        return stt_events(recording.labels, conditions)
    offset = phase_offsets(PHASES)[case.phase]
    (trace,) = tracer.vad(recording, settings.vad.model, [offset])
    pauses = find_pauses(trace, settings.vad, frame_samples(conditions.frame_duration))
    offset_s = offset / SAMPLE_RATE_HZ
    finals = transcripts_of(pauses, conditions.transcription_delay)
    if settings.detector.traits.needs == "words" or settings.policy.by_words:
        finals = Speech.of(recording.labels, offset_s).finals(finals, pauses.last_speaking_s)
    elif settings.interruption.min_words:
        counts = words_by_pause(word_times(recording.labels) + offset_s, pauses.last_speaking_s)
        finals = [replace(one, text="word " * n or one.text) for one, n in zip(finals, counts, strict=True)]
    return tuple(replace(final, time_s=final.time_s - offset_s) for final in finals)


def outcome(
    case: Case, recording: Recording, replayed: Commits, log: SessionLog, audio_end_s: float
) -> Outcome:
    """Both sides' commits before the end of the audio (recording time)."""
    ours, theirs = both_sides(replayed, log, audio_end_s)
    excluded = len(log.of_kind("commit")) - len(theirs)
    return Outcome(case, recording.name, ours, theirs, excluded, log.failure)


@functools.lru_cache(maxsize=len(HEARD_PATHS))  # cases come in the recordings' order
def _heard(files: RecordingFiles, path: HeardPath, tracer: Tracer) -> Recording:
    """A labelled recording as it is heard over a path; the agent's own audio is as it was."""
    recording = tracer.labelled(load_recording(files))
    heard = HeardRecording(recording, path)
    return replace(recording, user=heard.user, sha256=heard.sha256)
