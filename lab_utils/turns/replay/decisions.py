"""Commits of many settings at once: (pauses, end-of-turn probabilities, settings) → decisions. Pure.

Goal: the moments at which `AgentSession` (livekit-agents 1.8.9) commits the user's turn, exactly.
Conventions: stream times in seconds, infinity for "no commit"; arrays are (pauses, settings).
Definition (audio_recognition.py:1559-1925):

    commit = max(trigger, prediction, last speaking time + delay), unless speech resumes before

where the delay is `min_delay`, or `max_delay` if the detector's p < threshold. The trigger is END_OF_SPEECH,
or a final transcript that comes after it; neither counts while the turn has no transcript. A commit empties
the detector's audio buffer, so a prediction soon after it hears less than 1.2 s.

`early_decisions` serves transcripts that are there before END_OF_SPEECH: a setting then chooses, pause by
pause, between two delays, so commit times are computed once for each distinct delay and shared by all
settings. For other transcripts, and for waits that fall with p (`core.policies`), see `late`; for the
speech-to-text's own endpointing `stt_mode`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...core.policies import WaitShape
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ...core.traces import Bools, EotTrace, eot_keys
from .records import TIE_S, Decisions, Rows, Shortened

_Number = TypeVar("_Number", np.float64, np.int64)
RESOLVED_AT_ONCE = 65_536
"""Settings that are followed from pause to pause at once: it bounds memory."""
TINY = 1e-300
"""In place of a threshold of 0, below which no p is."""


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
    first: Floats
    """The columns before any pause, shape=(columns,)."""
    shapes: tuple[tuple[WaitShape, Ints], ...] = ()
    """Each `wait_shape` with the places of its settings; all others have two delays."""

    def waits(self, p: Floats, likely: Bools, columns: Floats) -> Floats:
        """Each setting's wait after a prediction; NaN p: there is none. `p`: shape=(settings,) or (1,).

        `columns`: the delays in force, shape=(columns,).
        """
        wait_s: Floats = columns[np.where(likely, self.min_column, self.max_column)]
        for shape, places in self.shapes:
            short_s, long_s = columns[self.min_column[places]], columns[self.max_column[places]]
            x = np.broadcast_to(p, likely.shape)[places] / np.maximum(self.threshold[places], TINY)
            fallen_s = short_s + (long_s - short_s) * shape.shares(x)
            wait_s[places] = np.where(likely[places], short_s, fallen_s)
        return wait_s

    def __len__(self) -> int:
        return len(self.threshold)


class MissingTraces(Exception):
    """Raised when a replay needs what the trace does not hold: predictions, or restarts of the VAD."""


class MissingPredictions(MissingTraces):
    """Raised when a replay needs predictions that the trace does not hold: `starts` and `ends` in samples."""

    def __init__(self, keys: set[tuple[int, int]]) -> None:
        super().__init__(keys)  # so that it can be sent from a worker process
        ordered = np.array(sorted(keys), dtype=np.int64).reshape(-1, 2)
        self.starts, self.ends = ordered[:, 0], ordered[:, 1]

    def __str__(self) -> str:
        return f"{len(self.ends)} end-of-turn predictions are not in the trace; trace the recording for them"


class Predictions:
    """Look-up of an `EotTrace` that remembers what was missing."""

    def __init__(self, trace: EotTrace) -> None:
        self._keys, self._p = trace.keys, trace.probabilities
        self.hears_samples, self.since_commit = trace.hears_samples, trace.since_commit
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


def distinct(values: NDArray[_Number]) -> tuple[NDArray[_Number], Ints]:
    """`np.unique` with the place of each value, quicker where many values are few distinct ones.

    >>> found, place = distinct(np.array([0.8, 0.3, 0.8]))
    >>> found.tolist(), place.tolist()
    ([0.3, 0.8], [1, 0, 1])
    """
    found = np.unique(values)
    return found, np.searchsorted(found, values)


def flush_samples(commit_s: Floats, frame_samples: int) -> Ints:
    """Samples that had reached the detector when a commit emptied its buffer; -1 without a commit.

    >>> flush_samples(np.array([1.02, np.inf]), 800).tolist()
    [16000, -1]
    """
    at = np.where(np.isfinite(commit_s), commit_s, -1.0) * (SAMPLE_RATE_HZ / frame_samples)
    return np.where(at < 0, -1, np.floor(at + 1e-6).astype(np.int64) * frame_samples)


def early_decisions(
    rows: Rows, eot: EotTrace | None, delays: Delays, prediction_delay: float, frame_samples: int
) -> Decisions:
    """Decisions where every transcript is there before END_OF_SPEECH; `eot` is None for plain VAD.

    Raises MissingPredictions with all predictions that are needed and not in `eot`.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> rows = Rows.of(find_pauses(trace, VadSettings(model="silero"), 800))
    >>> one, delays_s = np.zeros(1, dtype=np.int64), np.array([0.8])
    >>> delays = Delays(np.array([-np.inf]), delays_s, one, one, delays_s)
    >>> early_decisions(rows, None, delays, 0.0, 800).accepted_s.round(3).tolist()
    [[2.094]]
    """
    pauses = rows.pauses
    columns = delays.columns if delays.columns.ndim == 2 else delays.columns[None, :]
    trigger_s = pauses.end_of_speech_s
    if eot is not None:
        trigger_s = np.maximum(trigger_s, pauses.predict_s + prediction_delay)
    commit_s = np.maximum(trigger_s[:, None], pauses.last_speaking_s[:, None] + columns)
    commit_s = np.where(commit_s < pauses.resume_s[:, None] - TIE_S, commit_s, np.inf)
    threshold, level = distinct(delays.threshold)
    predictions = None if eot is None else Predictions(eot)
    if predictions is None:
        judged = _Judged.without_detector(len(pauses), len(threshold))
    else:
        judged = _judge(rows, predictions, commit_s, delays, threshold, level, frame_samples)
    decisions = Decisions(
        accepted_s=commit_s,
        rejected_s=commit_s,
        threshold=threshold,
        accepted=judged.accepted,
        rejected=judged.rejected,
        level=level,
        min_column=delays.min_column,
        max_column=delays.max_column,
        probability=judged.full[:, None],
        last_speaking_s=pauses.last_speaking_s[:, None],
        shortened=tuple(judged.shortened),
        forks=rows.forks,
        branch=rows.branch,
    )
    if predictions is not None:
        _need_what_settings_hear(decisions, predictions, judged.lacking, rows)
        predictions.check()
    return decisions


@dataclass
class _Judged:
    """What the detector says of each pause under each threshold."""

    full: Floats
    """p where it hears 1.2 s whatever was committed before, else NaN; shape=(pauses,)."""
    accepted: Bools
    """Whether the end is likely whatever was committed before; shape=(pauses, thresholds)."""
    rejected: Bools
    """Whether it is unlikely whatever was committed before."""
    shortened: list[Shortened] = field(default_factory=list)
    lacking: dict[int, Ints] = field(default_factory=dict)
    """Pause → where its predictions may start, if one of them isn't in the trace."""

    @classmethod
    def without_detector(cls, pauses: int, thresholds: int) -> _Judged:
        """Every end is likely."""
        shape = (pauses, thresholds)
        return cls(np.full(pauses, np.nan), np.ones(shape, np.bool_), np.zeros(shape, np.bool_))


def _judge(
    rows: Rows,
    predictions: Predictions,
    commit_s: Floats,
    delays: Delays,
    threshold: Floats,
    level: Ints,
    frame_samples: int,
) -> _Judged:
    """The detector's judgements; a missing prediction counts as unlikely until it is there."""
    pauses = rows.pauses
    starts = np.maximum(pauses.predict_sample - predictions.hears_samples, 0)
    flushed = flush_samples(commit_s, frame_samples)
    latest = flushed.max(axis=1, initial=-1)
    numbers = _shortened(rows, latest, starts) if predictions.since_commit else []
    whole = np.ones(len(pauses), np.bool_)
    whole[numbers] = False
    full = np.full(len(pauses), np.nan)
    full[whole] = predictions.needed(
        (starts + rows.shift)[whole], (pauses.predict_sample + rows.shift)[whole]
    )
    accepted = full[:, None] >= threshold
    judged = _Judged(full, accepted, ~accepted)
    has_min, has_max = np.zeros((2, len(threshold), commit_s.shape[1]), np.bool_)
    has_min[level, delays.min_column] = has_max[level, delays.max_column] = True
    for j in numbers:
        before = rows.before(j)
        emptied = before[latest[before] > starts[j]]
        heard = np.maximum(flushed[emptied], starts[j])
        possible, start = np.unique(np.append(heard, starts[j]), return_inverse=True)
        start = start[:-1].reshape(heard.shape)
        leads = np.zeros((len(threshold), len(possible)), np.bool_)
        for i, of_column in zip(emptied, start, strict=True):
            taken = (~judged.rejected[i][:, None] & has_min) | (~judged.accepted[i][:, None] & has_max)
            at, column = np.nonzero(taken)
            leads[at, of_column[column]] = True
        p = np.full(len(possible), np.nan)
        used = np.flatnonzero(leads.any(axis=0))
        end = pauses.predict_sample[j] + rows.shift[j]
        p[used] = predictions.known(possible[used] + rows.shift[j], np.full(len(used), end))
        if np.isnan(p[used]).any():
            judged.lacking[int(j)] = possible
        judged.accepted[j] = np.where(leads, p, np.inf).min(axis=1) >= threshold
        judged.rejected[j] = np.where(leads, p, -np.inf).max(axis=1) < threshold
        judged.shortened.append(Shortened(int(j), emptied, start, p))
    return judged


def _need_what_settings_hear(
    decisions: Decisions, predictions: Predictions, lacking: dict[int, Ints], rows: Rows
) -> None:
    """Ask for those of the lacking predictions that a setting really comes to."""
    if not lacking:
        return
    none = np.zeros(len(rows), np.bool_)  # a pause that lacks one isn't sure, so it is resolved in any case
    ends = rows.pauses.predict_sample + rows.shift
    for at in range(0, len(decisions), RESOLVED_AT_ONCE):
        some = np.arange(at, min(at + RESOLVED_AT_ONCE, len(decisions)))
        for pause, (_, start) in decisions.resolve(some, none).items():
            if pause in lacking:
                heard = lacking[pause][np.unique(start)] + rows.shift[pause]
                predictions.needed(heard, np.full(len(heard), ends[pause]))


def _shortened(rows: Rows, latest: Ints, starts: Ints) -> list[int]:
    """Pauses whose prediction may hear less than 1.2 s, because a commit may come shortly before.

    `latest`: of each row, the last samples heard when a commit of any setting emptied the buffer.
    """
    numbers: list[int] = []
    tape = np.maximum.accumulate(np.append(-1, latest))  # its rows come first
    for row, branch in enumerate(rows.branch.tolist()):
        if branch < 0:
            since = int(tape[row])
        elif row == 0 or branch != rows.branch[row - 1]:
            since = int(tape[rows.branches[branch].shared])
        if since > starts[row]:
            numbers.append(row)
        since = max(since, int(latest[row]))
    return numbers
