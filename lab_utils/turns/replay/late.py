"""Commits of many settings at once where transcripts may come at any time. Pure.

Goal and conventions as in `decisions`; steps through the events of one recording, all settings side by side.
Definitions (audio_recognition.py:1252-1435, detector modes "vad" and audio detectors): a final transcript
triggers unless the user is speaking, with the prediction of the pause if that is not used up. A commit
forgets its own last speaking time; if nothing has moved it since, a preflight or final transcript sets it: to
the end of its words if the speech-to-text tells word times, else to the moment it comes. Interim transcripts
and the speech-to-text's start and end of speech change nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...core.timeline import Floats
from ...core.traces import BUFFER_SAMPLES, Bools, Cause, EotTrace, SttEvent
from .decisions import Delays, Predictions, flush_samples
from .records import Decisions, Pauses
from .refusals import Refusals
from .stt_events import speaking_time


def late_decisions(
    pauses: Pauses,
    eot: EotTrace | None,
    delays: Delays,
    transcripts: Sequence[SttEvent],
    prediction_delay: float,
    frame_samples: int,
    *,
    modelled: bool = False,
    refusals: Refusals | None = None,
) -> Decisions:
    """Decisions with these events of the speech-to-text (stream times); `eot` is None for plain VAD.

    At one moment an event comes before what the VAD says, for it takes fewer steps in the event loop, and so
    does a commit that it causes at once; if `modelled` on what the VAD said, it comes after that. `refusals`:
    where commits may be refused, None where none is. Raises
    MissingPredictions with all predictions that are needed and not in `eot`.
    """
    shape = (len(pauses), len(delays))
    columns = np.broadcast_to(delays.columns, (len(pauses), delays.columns.shape[-1]))
    columns = np.concatenate((columns, delays.first[None, :]))  # row -1: before any pause
    run = _Run(
        np.full(shape, np.inf),
        np.full((len(transcripts), len(delays)), np.inf),
        np.ones((len(pauses) + 1, len(delays)), np.bool_),
        np.full(shape, np.nan),
        refusals,
    )
    predictions = Predictions(eot) if eot is not None else None
    pause = -1
    speaking = False
    for at_s, _, event, i in _events(pauses, transcripts, modelled):
        run.commit_before(at_s, pause, frame_samples)
        if event == _RESUME:
            speaking = True
            run.pending_s[:] = np.inf
            continue
        if event == _BLIP:
            run.last_speaking_s[:] = at_s
            continue
        if event == _TRANSCRIPT:
            heard_s = speaking_time(transcripts[i])
            run.last_speaking_s = np.where(np.isnan(run.last_speaking_s), heard_s, run.last_speaking_s)
            if transcripts[i].kind == "preflight":
                continue
            if transcripts[i].text.strip():
                run.transcribed[:] = True
                run.words += refusals.words[i] if refusals is not None else 0
            if speaking:
                continue
            run.pending_transcript = i
        else:
            pause, speaking = i, False
            run.last_speaking_s[:] = pauses.last_speaking_s[i]
            run.predicted[:] = predictions is not None
            if predictions is not None:
                start = np.maximum(run.flushed, max(0, int(pauses.predict_sample[i]) - BUFFER_SAMPLES))
                distinct, of_setting = np.unique(start, return_inverse=True)
                ends = np.full(len(distinct), pauses.predict_sample[i])
                run.probability[i] = predictions.needed(distinct, ends)[of_setting]
                run.accepted[i] = run.probability[i] >= delays.threshold
        likely = run.accepted[pause] | ~run.predicted
        column = np.where(likely, delays.min_column, delays.max_column)
        commit_s = np.maximum(at_s, run.last_speaking_s + columns[pause, column])
        if predictions is not None and pause >= 0:
            ready_s = pauses.predict_s[pause] + prediction_delay
            commit_s = np.where(run.predicted, np.maximum(commit_s, ready_s), commit_s)
        trigger = run.transcribed
        run.pending_s[trigger] = commit_s[trigger]
        run.pending_last_speaking_s[trigger] = run.last_speaking_s[trigger]
        may_be_at_once = event == _TRANSCRIPT and not modelled
        run.at_once[trigger] = may_be_at_once & (commit_s[trigger] == at_s)
    run.commit_before(pauses.stream_end_s, pause, frame_samples)
    if predictions is not None:
        predictions.check()
    accepted = run.accepted[:-1]
    settings = np.arange(len(delays))
    late: Cause = "late_transcript"
    return Decisions(
        accepted_s=np.where(accepted, run.commit_s, np.inf),
        rejected_s=np.where(accepted, np.inf, run.commit_s),
        threshold=np.zeros(1),
        accepted=np.ones((len(pauses), 1), np.bool_),
        rejected=np.ones((len(pauses), 1), np.bool_),
        level=np.zeros(len(delays), dtype=np.int64),
        min_column=settings,
        max_column=settings,
        probability=run.probability,
        last_speaking_s=run.commit_last_speaking_s,
        late_s=run.late_s,
        late_last_speaking_s=run.late_last_speaking_s,
        late_cause=(late,) * len(transcripts),
    )


_RESUME, _END, _BLIP, _TRANSCRIPT = range(4)


def _events(
    pauses: Pauses, transcripts: Sequence[SttEvent], modelled: bool
) -> list[tuple[float, int, int, int]]:
    """(stream time, order, what, number of pause or transcript), in order.

    What the VAD says at one time keeps the order of its windows.
    """
    order = len(pauses) if modelled else -len(transcripts) - 1
    of_pause = np.searchsorted(pauses.end_of_speech_s, pauses.blip_s, side="right") - 1
    events = [(float(t), int(i), _BLIP, int(i)) for t, i in zip(pauses.blip_s, of_pause, strict=True)]
    for i, at_s in enumerate([pauses.opening_s, *pauses.resume_s.tolist()]):
        events.append((at_s, i, _RESUME, i))
    for i, at_s in enumerate(pauses.end_of_speech_s.tolist()):
        events.append((at_s, i, _END, i))
    for k, one in enumerate(transcripts):
        if one.text and one.kind in ("final", "preflight"):
            at_s = one.time_s if modelled else round(one.time_s, 9)  # asyncio's timers are as coarse
            events.append((at_s, order + k, _TRANSCRIPT, k))
    return sorted(event for event in events if event[0] < pauses.stream_end_s)


@dataclass
class _Run:
    """The state of every setting while `late_decisions` walks through the events; shape=(settings,)."""

    commit_s: Floats
    late_s: Floats
    accepted: Bools
    """shape=(pauses + 1, settings); the last row, before any pause, stays as it is."""
    probability: Floats
    refusals: Refusals | None = None
    pending_transcript: int = -1

    def __post_init__(self) -> None:
        n = self.commit_s.shape[1]
        self.commit_last_speaking_s = np.full(self.commit_s.shape, np.nan)
        self.late_last_speaking_s = np.full(self.late_s.shape, np.nan)
        self.transcribed = np.zeros(n, np.bool_)
        self.words = np.zeros(n, dtype=np.int64)
        """In the turn's transcript; counted only where a commit may be refused."""
        self.predicted = np.zeros(n, np.bool_)
        self.pending_s = np.full(n, np.inf)
        self.at_once = np.zeros(n, np.bool_)
        """A transcript need not wait: its commit comes before whatever follows, at the same moment too."""
        self.last_speaking_s = np.full(n, np.nan)
        self.pending_last_speaking_s = np.full(n, np.nan)
        self.flushed = np.full(n, -1, dtype=np.int64)

    def commit_before(self, at_s: float, pause: int, frame_samples: int) -> None:
        """Commit what waits and is due before `at_s`."""
        due = (self.pending_s < at_s) | (self.at_once & (self.pending_s <= at_s))
        if self.refusals is not None:
            refused = due & self.refusals.refused(self.pending_s, self.words)
            self.pending_s[refused] = np.inf
            due &= ~refused
        if not due.any():
            return
        later = due
        if pause >= 0:
            first = due & np.isinf(self.commit_s[pause])
            self.commit_s[pause, first] = self.pending_s[first]
            self.commit_last_speaking_s[pause, first] = self.pending_last_speaking_s[first]
            later = due & ~first
        self.late_s[self.pending_transcript, later] = self.pending_s[later]
        self.late_last_speaking_s[self.pending_transcript, later] = self.pending_last_speaking_s[later]
        self.flushed[due] = flush_samples(self.pending_s[due], frame_samples)
        self.transcribed[due] = False
        self.words[due] = 0
        self.predicted[due] = False
        forget = due & (self.last_speaking_s == self.pending_last_speaking_s)
        self.last_speaking_s[forget] = np.nan
        self.pending_s[due] = np.inf
