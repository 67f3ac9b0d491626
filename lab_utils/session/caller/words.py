"""Gives the scripted STT the caller's words: of a whole call, or turn by turn for a reactive caller."""

from __future__ import annotations

import math
from dataclasses import replace

from ...core.delays import rng_for
from ...core.timeline import SAMPLE_RATE_HZ
from ..agents import speaks_first
from ..job import SessionJob
from ..late_join import Arrival, in_time, late_join, since
from ..scripted.stt import ScriptedSTT
from ..scripted.stt_plan import SttTiming, plan_events, planned, words_of
from .turns import CallerTurn


class CallersWords:
    """The words of one session's caller. Times given to an STT are those of `time.time()`."""

    def __init__(self, job: SessionJob) -> None:
        self._job = job
        self.arrives = _arrival(job)
        """When the caller's audio reaches the agent, in stream seconds."""
        self._used_s = -math.inf  # reactive caller: stream second of the STT's last event

    def call(self, stt: ScriptedSTT, started_at: float) -> None:
        """Give `stt` all words of an open-loop call whose stream began at `started_at`."""
        job = self._job
        phase_s = job.phase_samples / SAMPLE_RATE_HZ
        arrives = since(phase_s, self.arrives)
        if job.transcripts is not None:
            events = [replace(event, time_s=arrives(event.time_s)) for event in job.transcripts]
        else:
            assert job.recording.labels is not None
            events = list(planned(job.recording.labels, job.stt_timing, job.seed, arrives))
        stt.schedule(events, started_at + phase_s)

    def turn(self, stt: ScriptedSTT, started_at: float, turn: CallerTurn, start_s: float) -> None:
        """Give `stt` the words of a turn that begins at stream second `start_s`."""
        job = self._job
        assert job.recording.labels is not None
        said = [
            word for word in words_of(job.recording.labels) if turn.start_s <= word.middle_s <= turn.end_s
        ]
        rng = rng_for(job.seed, f"stt {turn.start_s:.3f}")
        begun_s = turn.start_s - start_s  # the stream's first sample, in recording seconds
        timing, arrives = job.stt_timing or SttTiming(), since(-begun_s, self.arrives)
        used_s = self._used_s + begun_s
        events = plan_events(said, timing, rng, opens_s=begun_s, used_s=used_s, arrives=arrives)
        self._used_s = events[-1].time_s - begun_s if events else self._used_s
        stt.schedule(events, started_at - begun_s)


def _arrival(job: SessionJob) -> Arrival:
    """When the caller's audio reaches the agent, in stream seconds."""
    labels = job.recording.labels
    if not job.join_s or labels is None or speaks_first(job.recording):
        return in_time
    # A reactive caller's opening turns, which no agent cues, are spoken at their times in the recording.
    phase_s = job.phase_samples / SAMPLE_RATE_HZ if job.mode == "open_loop" else 0.0
    return late_join(labels.spans("user") + phase_s, job.join_s, buffered=job.prebuffered)
