"""The pauses of all recordings and takes under one voice-activity detector, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.settings import VadSettings
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ...core.traces import Bools
from ..metrics.labelled_pauses import LabelledPauses
from ..replay import Rows
from ..replay.records import TIE_S, Pauses
from ..replay.stt_events import final_times
from ..sweep import Corpus

_TAKE = 1 << 37
"""Keeps the samples of one tape or branch apart from those of the next; more than any of them has."""


@dataclass(frozen=True)
class _Taken:
    """One take of one recording."""

    rows: Rows
    recording: int
    offset_s: float
    """Stream time less recording time."""
    finals_s: Floats
    """`Traced.finals` at stream times."""
    first_pause: int
    """Number of its first labelled pause."""
    labelled: LabelledPauses


@dataclass(frozen=True)
class CorpusPauses:
    """All rows, the tapes' first; and which label each row's commit belongs to, so far as that is settled."""

    takes: int
    recording: Ints
    """Of each row, shape=(rows,)."""
    take: Ints
    """Of each row: recording by recording, take by take."""
    last_speaking_s: Floats
    """Stream times, as the four that follow."""
    end_of_speech_s: Floats
    predict_s: Floats
    resume_s: Floats
    told_final_s: Floats
    """When the final came, as the recorded session tells, or NaN."""
    predict_sample: Ints
    shift: Ints
    offset_s: Floats
    """Stream time less recording time."""
    tapes: int
    """So many rows are of tapes."""
    segment: Ints
    """Number of the tape or branch of each row, ascending."""
    shared: Ints
    """Of each row of a branch: the tape's last row before the branch, -1 for none; shape=(rows - tapes,)."""
    before: Ints
    """The labelled pause that the last speaking time may lie in, and the one after it; -1 for none."""
    after: Ints
    within: Bools
    """Whether it lies in `before`."""
    nearer: Bools
    """Whether it is nearer to the start of `after`."""
    after_start_s: Floats
    before_until_s: Floats
    """Until when a commit is scored under `before`, or under `after`; recording times."""
    after_until_s: Floats
    kind: Ints
    """Of each labelled pause, in each take; shape=(takes * pauses,)."""
    turn: Ints
    """Of each labelled pause: its turn, numbered through take by take, or -1."""
    pause_start_s: Floats
    of_recording: Ints
    """Of each labelled pause of one take, shape=(pauses,)."""
    turn_of_recording: Ints
    """The recording of each turn of one take, shape=(turns,)."""

    @classmethod
    def of(cls, corpus: Corpus, vad: VadSettings, frame_duration: float) -> CorpusPauses:
        """The rows of a corpus. Raises ValueError if its recordings have different numbers of takes."""
        return cls.joined(corpus, corpus.pauses(vad, frame_duration), vad.model)

    @classmethod
    def joined(cls, corpus: Corpus, found: Sequence[Sequence[Rows]], model: str) -> CorpusPauses:
        """The same of what `Corpus.pauses` finds."""
        return _joined(corpus, found, model)

    def __len__(self) -> int:
        return len(self.take)

    def are_early(self, transcription_delay: float) -> bool:
        """Whether every transcript is there before END_OF_SPEECH."""
        usual_s = self.last_speaking_s + transcription_delay
        final_s = np.where(np.isnan(self.told_final_s), usual_s, self.told_final_s)
        return bool(np.all(final_s < self.end_of_speech_s - TIE_S))

    def emptied(self, flushed: Ints) -> Ints:
        """The last samples heard when an earlier commit emptied the buffer, -1 for none; shape=(rows,).

        `flushed`: of each row, those of its own commit, or -1.
        """
        reached = np.maximum.accumulate(flushed + self.segment * _TAKE) - self.segment * _TAKE
        prior = np.append(-1, reached[:-1])
        prior[np.append(True, self.segment[1:] != self.segment[:-1])[: len(prior)]] = -1
        on_tape = np.append(reached[: self.tapes], -1)[self.shared]
        prior[self.tapes :] = np.maximum(prior[self.tapes :], on_tape)
        return prior


def _joined(corpus: Corpus, found: Sequence[Sequence[Rows]], model: str) -> CorpusPauses:
    numbers = {len(takes) for takes in found}
    if len(numbers) != 1:
        raise ValueError(f"expected the same number of takes of every recording, got {sorted(numbers)}")
    takes = numbers.pop()
    every = _taken(corpus, found, model)
    rows = [len(one.rows) for one in every]
    branch = np.concatenate([one.rows.branch for one in every])
    number = np.repeat(np.arange(len(every)), rows)
    order = np.argsort(branch >= 0, kind="stable")
    tapes = int(np.count_nonzero(branch < 0))
    told = [final_times(one.rows.pauses, np.nan, one.finals_s) for one in every]

    def column(name: str) -> Floats:
        return np.concatenate([getattr(one.rows.pauses, name) for one in every])[order]

    owned = [np.concatenate(part)[order] for part in zip(*(_owners(one) for one in every), strict=True)]
    return CorpusPauses(
        takes=takes,
        recording=np.repeat([one.recording for one in every], rows)[order],
        take=number[order],
        last_speaking_s=column("last_speaking_s"),
        end_of_speech_s=column("end_of_speech_s"),
        predict_s=column("predict_s"),
        resume_s=column("resume_s"),
        told_final_s=np.concatenate(told)[order],
        predict_sample=column("predict_sample").astype(np.int64),
        shift=np.concatenate([one.rows.shift for one in every])[order],
        offset_s=np.repeat([one.offset_s for one in every], rows)[order],
        tapes=tapes,
        segment=_segments(number[order], branch[order]),
        shared=_shared(every, number[order][tapes:], branch[order][tapes:]),
        before=owned[0].astype(np.int64),
        after=owned[1].astype(np.int64),
        within=owned[2].astype(np.bool_),
        nearer=owned[3].astype(np.bool_),
        after_start_s=owned[4],
        before_until_s=owned[5],
        after_until_s=owned[6],
        kind=np.tile(np.concatenate([one.kind for one in corpus.labelled]), takes),
        turn=_turns(corpus.labelled, takes),
        pause_start_s=np.tile(np.concatenate([one.start_s for one in corpus.labelled]), takes),
        of_recording=np.repeat(np.arange(len(found)), [len(one.kind) for one in corpus.labelled]),
        turn_of_recording=np.repeat(np.arange(len(found)), [one.n_turns for one in corpus.labelled]),
    )


def _taken(corpus: Corpus, found: Sequence[Sequence[Rows]], model: str) -> list[_Taken]:
    """Recording by recording, take by take."""
    first = np.cumsum([0, *(len(one.kind) for one in corpus.labelled)]).tolist()
    every = []
    for r, recording in enumerate(corpus.recordings):
        for k, rows in enumerate(found[r]):
            offset_s = recording.vad[model][k].phase_samples / SAMPLE_RATE_HZ
            finals_s = recording.finals + offset_s
            every.append(_Taken(rows, r, offset_s, finals_s, k * first[-1] + first[r], corpus.labelled[r]))
    return every


def _turns(labelled: Sequence[LabelledPauses], takes: int) -> Ints:
    """The turn of each labelled pause in each take, numbered through, or -1."""
    first = np.cumsum([0, *(one.n_turns for one in labelled)])
    of_one = np.concatenate(
        [
            np.where(one.turn < one.n_turns, one.turn + at, -1)
            for one, at in zip(labelled, first[:-1], strict=True)
        ]
    )
    return np.where(of_one >= 0, of_one + np.arange(takes)[:, None] * first[-1], -1).ravel()


def _segments(take: Ints, branch: Ints) -> Ints:
    """The tapes and branches, numbered as they come."""
    if not len(take):
        return take
    new = (take[1:] != take[:-1]) | (branch[1:] != branch[:-1])
    return np.cumsum(np.append(0, new))


def _shared(every: Sequence[_Taken], take: Ints, branch: Ints) -> Ints:
    """The last row of the tape before each row's branch."""
    first = np.cumsum([0, *(len(one.rows.tape) for one in every)])
    last = [np.array([b.shared for b in one.rows.branches], dtype=np.int64) for one in every]
    at = np.cumsum([0, *(len(one) for one in last)])
    shared = np.concatenate([np.zeros(0, dtype=np.int64), *last])[at[take] + branch]
    return np.where(shared > 0, first[take] + shared - 1, -1)


def _owners(one: _Taken) -> tuple[NDArray[Any], ...]:
    """What `metrics.owners` and the scoring of `setting_counts` know before the commits."""
    labelled, rows = one.labelled, one.rows
    start_s, end_s = np.append(labelled.start_s, np.inf), np.append(labelled.end_s, -np.inf)
    pauses: Pauses = rows.pauses
    last_s = pauses.last_speaking_s - one.offset_s
    after = np.searchsorted(labelled.start_s, last_s, side="right")
    before = after - 1
    within = last_s < end_s[before]
    nearer = ~(last_s - start_s[before] <= start_s[after] - last_s)
    until_s = np.append(labelled.agent_s, np.inf)
    ends, forks = labelled.ends_of_turn, rows.forks
    until_s[ends[forks.turn]] = forks.from_s - one.offset_s
    own_end = np.append(ends[forks.turn], -1)[rows.branch]
    on_tape = rows.branch < 0

    def until(owner: Ints) -> Floats:
        return np.where(on_tape, until_s[owner], np.where(owner == own_end, np.inf, -np.inf))

    n = len(labelled.kind)
    return (
        np.where(before >= 0, before + one.first_pause, -1),
        np.where(after < n, after + one.first_pause, -1),
        within,
        nearer,
        start_s[after],
        until(before),
        until(np.where(after < n, after, -1)),
    )
