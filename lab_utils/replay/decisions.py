"""Commits of many settings at once: (pauses, end-of-turn probabilities, settings) → decisions. Pure.

Goal: the moments at which `AgentSession` (livekit-agents 1.8.9) commits the user's turn, exactly.
Conventions: stream times in seconds, infinity for "no commit"; arrays are (pauses, settings).
Definition (audio_recognition.py:1559-1925):

    commit = max(trigger, prediction, last speaking time + delay), unless speech resumes before

where the delay is `min_delay`, or `max_delay` if the detector's p < threshold. The trigger is END_OF_SPEECH,
or a final transcript that comes after it; neither counts while the turn has no transcript. A commit empties
the detector's audio buffer, so a prediction soon after it hears less than 1.2 s.

`early_decisions` serves transcripts that are there by END_OF_SPEECH: a setting then chooses, pause by pause,
between two delays, so commit times are computed once for each distinct delay and shared by all settings.
`late_decisions` steps through the events of one recording, all settings side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..records import BUFFER_SAMPLES, Bools, Decisions, EotTrace, Pauses, Shortened, eot_keys
from ..timeline import SAMPLE_RATE_HZ, Floats, Ints


@dataclass(frozen=True)
class Delays:
    """The settings of one block that share a VAD, a detector and a transcription delay; shape=(settings,)."""

    threshold: Floats
    """p below it means "unlikely"; minus infinity without a detector."""
    columns: Floats
    """Distinct delays of the block, shape=(columns,) or, where they are learned, (pauses, columns)."""
    min_column: Ints
    """Column of each setting's delay after an accepted end, shape=(settings,)."""
    max_column: Ints
    """Column of each setting's delay after an unlikely end."""

    def __len__(self) -> int:
        return len(self.threshold)


class MissingPredictions(Exception):
    """Raised when a replay needs predictions that the trace does not hold: `starts` and `ends` in samples."""

    def __init__(self, keys: set[tuple[int, int]]) -> None:
        super().__init__(keys)  # so that it can be sent from a worker process
        ordered = np.array(sorted(keys), dtype=np.int64).reshape(-1, 2)
        self.starts, self.ends = ordered[:, 0], ordered[:, 1]

    def __str__(self) -> str:
        return f"{len(self.ends)} end-of-turn predictions are not in the trace; trace the recording for them"


class _Predictions:
    """Look-up of an `EotTrace` that remembers what was missing."""

    def __init__(self, trace: EotTrace) -> None:
        self._keys, self._p = trace.keys, trace.probabilities
        self._missing: set[tuple[int, int]] = set()

    def known(self, starts: Ints, ends: Ints) -> Floats:
        """Probabilities, NaN where there is none."""
        keys = eot_keys(starts, ends)
        if len(self._keys) == 0:
            return np.full(len(keys), np.nan)
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._p[place], np.nan)

    def needed(self, starts: Ints, ends: Ints) -> Floats:
        """Probabilities that a decision hangs on; what is missing is remembered."""
        p = self.known(starts, ends)
        missing = np.isnan(p)
        self._missing.update(zip(starts[missing].tolist(), ends[missing].tolist(), strict=True))
        return p

    def check(self) -> None:
        """Raise MissingPredictions if a look-up failed."""
        if self._missing:
            raise MissingPredictions(self._missing)


def flush_samples(commit_s: Floats, frame_samples: int) -> Ints:
    """Samples that had reached the detector when a commit emptied its buffer; -1 without a commit."""
    at = np.where(np.isfinite(commit_s), commit_s, -1.0) * (SAMPLE_RATE_HZ / frame_samples)
    return np.where(at < 0, -1, np.floor(at + 1e-6).astype(np.int64) * frame_samples)


def early_decisions(
    pauses: Pauses, eot: EotTrace | None, delays: Delays, prediction_delay: float, frame_samples: int
) -> Decisions:
    """Decisions where every transcript is there by END_OF_SPEECH; `eot` is None for plain VAD.

    Raises MissingPredictions with all predictions that are needed and not in `eot`.
    """
    columns = delays.columns if delays.columns.ndim == 2 else delays.columns[None, :]
    trigger_s = pauses.end_of_speech_s
    if eot is not None:
        trigger_s = np.maximum(trigger_s, pauses.predict_s + prediction_delay)
    commit_s = np.maximum(trigger_s[:, None], pauses.last_speaking_s[:, None] + columns)
    commit_s = np.where(commit_s < pauses.resume_s[:, None], commit_s, np.inf)
    threshold, level = np.unique(delays.threshold, return_inverse=True)
    accepted = np.ones((len(pauses), len(threshold)), np.bool_)
    rejected = np.zeros_like(accepted)
    full = np.full(len(pauses), np.nan)
    shortened: list[Shortened] = []
    lacking: dict[int, Ints] = {}
    predictions = _Predictions(eot) if eot is not None else None
    if predictions is not None:
        starts = np.maximum(pauses.predict_sample - BUFFER_SAMPLES, 0)
        flushed = flush_samples(commit_s, frame_samples)
        numbers = _shortened(pauses, flushed, starts)
        whole = np.ones(len(pauses), np.bool_)
        whole[numbers] = False
        full[whole] = predictions.needed(starts[whole], pauses.predict_sample[whole])
        accepted = full[:, None] >= threshold
        rejected = ~accepted  # a missing prediction counts as unlikely until it is there
        has_min, has_max = np.zeros((2, len(threshold), columns.shape[1]), np.bool_)
        has_min[level, delays.min_column] = has_max[level, delays.max_column] = True
        latest = flushed.max(axis=1, initial=-1)
        for j in numbers:
            emptied = np.flatnonzero(latest[:j] > starts[j])
            heard = np.maximum(flushed[emptied], starts[j])
            possible, start = np.unique(np.append(heard, starts[j]), return_inverse=True)
            start = start[:-1].reshape(heard.shape)
            leads = np.zeros((len(threshold), len(possible)), np.bool_)
            for i, of_column in zip(emptied, start, strict=True):
                taken = (~rejected[i][:, None] & has_min) | (~accepted[i][:, None] & has_max)
                at, column = np.nonzero(taken)
                leads[at, of_column[column]] = True
            p = np.full(len(possible), np.nan)
            used = np.flatnonzero(leads.any(axis=0))
            p[used] = predictions.known(possible[used], np.full(len(used), pauses.predict_sample[j]))
            if np.isnan(p[used]).any():
                lacking[int(j)] = possible
            accepted[j] = np.where(leads, p, np.inf).min(axis=1) >= threshold
            rejected[j] = np.where(leads, p, -np.inf).max(axis=1) < threshold
            shortened.append(Shortened(int(j), emptied, start, p))
    decisions = Decisions(
        accepted_s=commit_s,
        rejected_s=commit_s,
        threshold=threshold,
        accepted=accepted,
        rejected=rejected,
        level=level,
        min_column=delays.min_column,
        max_column=delays.max_column,
        probability=full[:, None],
        shortened=tuple(shortened),
    )
    if predictions is not None:
        _need_what_settings_hear(decisions, predictions, lacking, pauses)
        predictions.check()
    return decisions


def _need_what_settings_hear(
    decisions: Decisions, predictions: _Predictions, lacking: dict[int, Ints], pauses: Pauses
) -> None:
    """Ask for those of the lacking predictions that a setting really comes to."""
    wanted = np.zeros(len(pauses), np.bool_)
    wanted[list(lacking)] = True
    for pause, (_, start) in decisions.resolve(np.arange(len(decisions)), wanted).items():
        if pause in lacking:
            heard = lacking[pause][np.unique(start)]
            predictions.needed(heard, np.full(len(heard), pauses.predict_sample[pause]))


def _shortened(pauses: Pauses, flushed: Ints, starts: Ints) -> list[int]:
    """Pauses whose prediction may hear less than 1.2 s, because a commit may come shortly before."""
    latest_flush = np.maximum.accumulate(flushed.max(axis=1)) if len(pauses) else np.zeros(0)
    return (np.flatnonzero(latest_flush[:-1] > starts[1:]) + 1).tolist()


def late_decisions(
    pauses: Pauses,
    eot: EotTrace | None,
    delays: Delays,
    transcription_delay: float,
    prediction_delay: float,
    frame_samples: int,
) -> Decisions:
    """Decisions where transcripts may come after END_OF_SPEECH, by stepping through the events.

    Every stretch of speech gives one final transcript, `transcription_delay` seconds after its last speaking
    time, but never before its own START_OF_SPEECH. Raises MissingPredictions as `early_decisions` does.
    """
    shape = (len(pauses), len(delays))
    columns = np.broadcast_to(delays.columns, (len(pauses), delays.columns.shape[-1]))
    run = _LateRun(
        np.full(shape, np.inf), np.full(shape, np.inf), np.ones(shape, np.bool_), np.full(shape, np.nan)
    )
    predictions = _Predictions(eot) if eot is not None else None
    pause = -1
    speaking = False
    settings = np.arange(len(delays))
    for at_s, event, i in _events(pauses, transcription_delay):
        run.commit_before(at_s, pause, frame_samples)
        if event == _RESUME:
            speaking = True
            run.pending_s[:] = np.inf
            continue
        if event == _BLIP:
            run.last_speaking_s[:] = at_s
            continue
        if event == _TRANSCRIPT:
            run.transcribed[:] = True
            if speaking or pause < 0:
                continue
            run.last_speaking_s = np.where(np.isnan(run.last_speaking_s), at_s, run.last_speaking_s)
            trigger = np.ones(len(delays), np.bool_)
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
            trigger = run.transcribed
        likely = run.accepted[pause] | ~run.predicted
        column = np.where(likely, delays.min_column, delays.max_column)
        commit_s = np.maximum(at_s, run.last_speaking_s + columns[pause, column])
        ready_s = pauses.predict_s[pause] + prediction_delay
        commit_s = np.where(run.predicted, np.maximum(commit_s, ready_s), commit_s)
        run.pending_s[trigger] = commit_s[trigger]
        run.pending_last_speaking_s[trigger] = run.last_speaking_s[trigger]
        run.pending_transcript = i
    run.commit_before(float(pauses.resume_s[-1]) if len(pauses) else 0.0, pause, frame_samples)
    if predictions is not None:
        predictions.check()
    return Decisions(
        accepted_s=np.where(run.accepted, run.commit_s, np.inf),
        rejected_s=np.where(run.accepted, np.inf, run.commit_s),
        threshold=np.zeros(1),
        accepted=np.ones((len(pauses), 1), np.bool_),
        rejected=np.ones((len(pauses), 1), np.bool_),
        level=np.zeros(len(delays), dtype=np.int64),
        min_column=settings,
        max_column=settings,
        probability=run.probability,
        late_s=run.late_s,
    )


_RESUME, _END, _BLIP, _TRANSCRIPT = range(4)


def _events(pauses: Pauses, transcription_delay: float) -> list[tuple[float, int, int]]:
    """(stream time, what, pause index) in order; what shares a time keeps the order of its windows."""
    of_pause = np.searchsorted(pauses.end_of_speech_s, pauses.blip_s, side="right") - 1
    events = [(float(t), int(i), _BLIP) for t, i in zip(pauses.blip_s, of_pause, strict=True)]
    for i in range(len(pauses)):
        started_s, heard_s = float(pauses.start_of_speech_s[i]), float(pauses.last_speaking_s[i])
        events.append((started_s, i, _RESUME))
        events.append((float(pauses.end_of_speech_s[i]), i, _END))
        events.append((max(heard_s + transcription_delay, started_s), len(pauses) + i, _TRANSCRIPT))
    end_s = float(pauses.resume_s[-1]) if len(pauses) else 0.0
    return [(t, what, order % len(pauses)) for t, order, what in sorted(events) if t < end_s]


@dataclass
class _LateRun:
    """The state of every setting while `late_decisions` walks through the events; shape=(settings,)."""

    commit_s: Floats
    late_s: Floats
    accepted: Bools
    probability: Floats
    pending_transcript: int = -1

    def __post_init__(self) -> None:
        n = self.commit_s.shape[1]
        self.transcribed = np.zeros(n, np.bool_)
        self.predicted = np.zeros(n, np.bool_)
        self.pending_s = np.full(n, np.inf)
        self.last_speaking_s = np.full(n, np.nan)
        self.pending_last_speaking_s = np.full(n, np.nan)
        self.flushed = np.full(n, -1, dtype=np.int64)

    def commit_before(self, at_s: float, pause: int, frame_samples: int) -> None:
        """Commit what waits and is due before `at_s`."""
        due = self.pending_s < at_s
        if not due.any():
            return
        first = due & np.isinf(self.commit_s[pause])
        self.commit_s[pause, first] = self.pending_s[first]
        later = due & ~first
        self.late_s[self.pending_transcript, later] = self.pending_s[later]
        self.flushed[due] = flush_samples(self.pending_s[due], frame_samples)
        self.transcribed[due] = False
        self.predicted[due] = False
        forget = due & (self.last_speaking_s == self.pending_last_speaking_s)
        self.last_speaking_s[forget] = np.nan
        self.pending_s[due] = np.inf
