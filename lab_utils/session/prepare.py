"""Prepares what a session needs: the timing of its STT, its transcripts and traces."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ..core.delays import Delay
from ..core.settings import USUAL_CONDITIONS, Conditions, Settings
from ..core.traces import Traced
from ..turns.tracing import Tracer
from .job import SessionJob, SessionTraces
from .scripted.stt_plan import SttTiming, planned


def stt_timing(settings: Settings, conditions: Conditions = USUAL_CONDITIONS) -> SttTiming:
    """The scripted STT's timing under the conditions.

    In a sweep a `transcription_delay` of 0 leaves transcripts out of account. A
    session needs a figure, and takes the scripted STT's default.
    """
    timing = SttTiming(
        end_of_speech=settings.detector.ends_by_stt,
        utterance_gap_s=conditions.stt_silence,
        end_time=conditions.stt_tells_end,
        language=conditions.language or "en",
    )
    if not conditions.transcription_delay:
        return timing
    return timing.model_copy(update={"final_delay": Delay(conditions.transcription_delay)})


def traced_job(job: SessionJob, tracer: Tracer) -> tuple[SessionJob, Traced]:
    """An open-loop job with transcripts and traces added, so that no model need run; and what was traced.

    Transcripts that the job has are kept. Otherwise they are made from the labels' words.
    """
    assert job.recording.labels is not None
    events = job.transcripts
    if events is None:
        events = planned(job.recording.labels, job.stt_timing, job.seed)
    traced = tracer.trace_session(job.recording, job.settings, job.conditions, job.phase_samples, events)
    detector = job.settings.detector.model
    heard = traced.vad[job.settings.vad.model][0], traced.predictions(detector)[0]
    predict = partial(tracer.predict_one, job.recording, job.phase_samples)
    traces = SessionTraces(*heard, traced.texts.get(detector), predict)
    return replace(job, transcripts=events, traces=traces), traced
