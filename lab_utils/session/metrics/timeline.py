"""What a timeline of a session shows: spans, times and values within a stretch of time.

Conventions: seconds of recording time. Spans have shape=(n, 2), in order, cut to the stretch shown. A span
without length in it is left out; a span that never ended lasts to the end of the stretch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ...core.labels import Labels
from ...core.session_log import SessionEventKind, SessionLog
from ...core.sound import Envelope, envelope
from ...core.timeline import SAMPLE_RATE_HZ, Floats
from .spans import activities, playouts

Span = tuple[float, float]


@dataclass(frozen=True)
class Runs:
    """When an LLM, a TTS or a tool worked."""

    waits: Floats
    """From the start of each run to its first token or audio; empty for tools."""
    works: Floats
    """From the first token or audio to the end; a run without a recorded end lasts up to the next one."""


@dataclass(frozen=True)
class Predictions:
    """The turn detector's predictions; all arrays have shape=(predictions,)."""

    time_s: Floats
    probability: Floats
    threshold: Floats
    """The threshold that each probability was compared with."""


@dataclass(frozen=True)
class SessionTimeline:
    """One session, or a stretch of it, as it is drawn."""

    span: Span
    """What is shown; may reach beyond the session's end."""
    lasted: Span
    """The part of `span` in which the session ran."""
    holds: Floats
    ends_of_turn: Floats
    caller: Envelope
    """The caller's audio as sent to the agent; full scale is 1."""
    agent: Envelope
    vad_speech: Floats
    """The caller's speech as detected by the VAD."""
    interim_s: Floats
    """When interim transcripts came."""
    final_s: Floats
    predictions: Predictions
    llm: Runs
    tts: Runs
    tool: Runs
    uses_tools: bool
    """Whether any tool was called in the session, also outside of `span`."""
    playouts: Floats
    pauses: Floats
    """Pauses of playouts."""
    interrupted_s: Floats
    """When playouts were interrupted."""
    commits: pd.DataFrame
    """The rows of `spans.session_commits` within the stretch."""
    troubles: tuple[tuple[float, str], ...]
    """Errors and limits: time, and a short text."""


def session_timeline_of(
    log: SessionLog, commits: pd.DataFrame, labels: Labels | None = None, span: Span | None = None
) -> SessionTimeline:
    """The timeline of a session, or of the stretch `span` of it; `commits`: from `spans.session_commits`."""
    span = span or (0.0, log.duration_s)
    lasted = (span[0], min(span[1], log.duration_s))

    def moments(found: Iterable[float]) -> Floats:
        return np.array([time_s for time_s in found if span[0] <= time_s <= lasted[1]], dtype=np.float64)

    transcripts = log.of_kind("transcript")
    played = playouts(log)
    llm, tts, tool = (_runs(log, starts, lasted) for starts in ("llm_starts", "tts_starts", "tool_starts"))
    caller, agent = (_full_scale(log, channel, lasted) for channel in (0, 1))
    return SessionTimeline(
        span=span,
        lasted=lasted,
        holds=_within([] if labels is None else labels.of_kind("hold"), span),
        ends_of_turn=_within([] if labels is None else labels.of_kind("shift"), span),
        caller=caller,
        agent=agent,
        vad_speech=_within([(run.start_s, run.end_s) for run in activities(log, "user_starts")], lasted),
        interim_s=moments(event.time_s for event in transcripts if not event.data.get("final")),
        final_s=moments(event.time_s for event in transcripts if event.data.get("final")),
        predictions=_predictions(log, lasted),
        llm=llm,
        tts=tts,
        tool=tool,
        uses_tools=bool(log.of_kind("tool_starts")),
        playouts=_within([(one.start_s, one.end_s) for one in played], lasted),
        pauses=_within([pause for one in played for pause in one.pauses], lasted),
        interrupted_s=moments(one.end_s for one in played if one.interrupted),
        commits=commits[commits["commit_s"].between(*lasted)],
        troubles=tuple(_troubles(log, lasted)),
    )


def _within(spans: Iterable[Iterable[float]], view: Span) -> Floats:
    """Spans cut to the view, without empty ones; a span without an end lasts to the end of the view."""
    found = np.array([tuple(span) for span in spans], dtype=np.float64).reshape(-1, 2)
    start_s = np.maximum(found[:, 0], view[0])
    end_s = np.fmin(found[:, 1], view[1])
    return np.stack((start_s, end_s), axis=1)[end_s > start_s]


def _full_scale(log: SessionLog, channel: int, view: Span) -> Envelope:
    pcm = log.heard[:, channel]
    shape = envelope(pcm, SAMPLE_RATE_HZ, 0.0, view)
    scale = float(max(1, -int(pcm.min(initial=0)), int(pcm.max(initial=0))))
    return Envelope(shape.time_s, shape.low / scale, shape.high / scale)


def _predictions(log: SessionLog, view: Span) -> Predictions:
    usual = log.settings.detector.threshold_in(log.conditions.language)
    found = [
        (event.time_s, event.data["probability"], event.data.get("threshold", usual))
        for event in log.of_kind("prediction")
        if view[0] <= event.time_s <= view[1] and event.data.get("probability") is not None
    ]
    return Predictions(*np.array(found, dtype=np.float64).reshape(-1, 3).T)


def _runs(log: SessionLog, starts: SessionEventKind, view: Span) -> Runs:
    runs = activities(log, starts)
    next_s = [*(run.start_s for run in runs[1:]), np.nan]
    ended = [
        replace(run, end_s=until_s) if np.isnan(run.end_s) else run
        for run, until_s in zip(runs, next_s, strict=False)
    ]
    works = [run.working_s for run in ended if run.working_s is not None]
    return Runs(_within([run.waiting_s for run in ended], view), _within(works, view))


def _troubles(log: SessionLog, view: Span) -> Iterable[tuple[float, str]]:
    for event in log.of_kind("error", "limit"):
        if view[0] <= event.time_s <= view[1]:
            told = [
                value for value in event.data.values() if isinstance(value, str)
            ]  # a text may be left out
            yield event.time_s, ": ".join([event.kind, *told[:1]])
