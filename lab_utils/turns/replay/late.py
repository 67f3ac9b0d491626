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

from ...core.timeline import Floats, Ints
from ...core.traces import BUFFER_SAMPLES, Bools, Cause, EotTrace, SttEvent
from .decisions import Delays, Predictions, flush_samples
from .records import Decisions, Pauses, Rows
from .refusals import Refusals
from .stt_events import speaking_time


@dataclass(frozen=True)
class World:
    """What is heard on a tape, or on a branch from its first sample on."""

    pauses: Pauses
    transcripts: Sequence[SttEvent]
    refusals: Refusals | None
    """Where commits may be refused, None where none is."""


def late_decisions(
    rows: Rows,
    worlds: Sequence[World],
    eot: EotTrace | None,
    delays: Delays,
    prediction_delay: float,
    frame_samples: int,
    *,
    modelled: bool = False,
) -> Decisions:
    """Decisions where transcripts may come at any time (stream times); `eot` is None for plain VAD.

    `worlds`: what is heard on the tape, then on each branch of the `rows`. At one moment a transcript comes
    before what the VAD says, for it takes fewer steps in the event loop, and so does a commit that it causes
    at once; if `modelled` on what the VAD said, it comes after that. A branch is walked from where it leaves
    the tape, in the state that the tape had led to. Raises MissingPredictions with all predictions that are
    needed and not in `eot`.
    """
    predictions = Predictions(eot) if eot is not None else None
    columns = np.broadcast_to(delays.columns, (len(rows), delays.columns.shape[-1]))

    def walk_of(world: World, of_rows: Ints) -> _Walk:
        numbers = np.append(columns[of_rows], delays.first[None, :], axis=0)  # -1: before any pause
        shift = rows.shift[of_rows]
        return _Walk(world, numbers, shift, delays, predictions, prediction_delay, frame_samples, modelled)

    tape = worlds[0]
    n_tape = len(tape.pauses)
    walk = walk_of(tape, np.arange(n_tape))
    run = _Run.start(n_tape, len(tape.transcripts), len(delays))
    waiting = sorted(range(len(rows.branches)), key=lambda k: rows.branches[k].from_s)
    forked: list[tuple[int, _Walk, _Run]] = []

    def fork_until(at_s: float) -> None:
        while waiting and rows.branches[waiting[0]].from_s <= at_s:
            k = waiting.pop(0)
            branch = rows.branches[k]
            own = np.flatnonzero(rows.branch == k)
            world = worlds[k + 1]
            one = walk_of(world, np.concatenate((np.arange(branch.shared), own)))
            forked.append((k, one, run.fork(branch.shared, len(world.pauses), len(world.transcripts))))

    for event in _events(tape.pauses, tape.transcripts, modelled):
        fork_until(event[0])
        walk.step(run, event)
    fork_until(np.inf)
    walk.finish(run)
    parts = [(-1, run.of_pauses(0, n_tape), run.late_s, run.late_last_speaking_s)]
    for k, one, branched in sorted(forked, key=lambda part: part[0]):
        world = one.world
        for event in _events(world.pauses, world.transcripts, modelled):
            if event[0] >= rows.branches[k].from_s:
                one.step(branched, event)
        one.finish(branched)
        of_pauses = branched.of_pauses(rows.branches[k].shared, len(world.pauses))
        parts.append((k, of_pauses, branched.late_s, branched.late_last_speaking_s))
    if predictions is not None:
        predictions.check()
    commit_s, last_s, accepted, probability = (
        np.concatenate([part[1][column] for part in parts]) for column in range(4)
    )
    late_s = np.concatenate([part[2] for part in parts])
    settings = np.arange(len(delays))
    late: Cause = "late_transcript"
    return Decisions(
        accepted_s=np.where(accepted, commit_s, np.inf),
        rejected_s=np.where(accepted, np.inf, commit_s),
        threshold=np.zeros(1),
        accepted=np.ones((len(rows), 1), np.bool_),
        rejected=np.ones((len(rows), 1), np.bool_),
        level=np.zeros(len(delays), dtype=np.int64),
        min_column=settings,
        max_column=settings,
        probability=probability,
        last_speaking_s=last_s,
        late_s=late_s,
        late_last_speaking_s=np.concatenate([part[3] for part in parts]),
        late_cause=(late,) * len(late_s),
        forks=rows.forks,
        pause_branch=rows.branch,
        trigger_branch=np.repeat([part[0] for part in parts], [len(part[2]) for part in parts]),
    )


@dataclass(frozen=True)
class _Walk:
    """What the events of a tape, or of a branch, do to the state of every setting."""

    world: World
    columns: Floats
    """By pause, and in the last row before any; shape=(pauses + 1, columns)."""
    shift: Ints
    delays: Delays
    predictions: Predictions | None
    prediction_delay: float
    frame_samples: int
    modelled: bool

    def step(self, run: _Run, event: tuple[float, int, int, int]) -> None:
        """One event of `_events`."""
        at_s, _, what, i = event
        pauses, transcripts, refusals = self.world.pauses, self.world.transcripts, self.world.refusals
        delays, predictions = self.delays, self.predictions
        run.commit_before(at_s, self.frame_samples, refusals)
        if what == _RESUME:
            run.speaking = True
            run.pending_s[:] = np.inf
            return
        if what == _SHORT_SPEECH:
            run.last_speaking_s[:] = at_s
            return
        if what == _TRANSCRIPT:
            heard_s = speaking_time(transcripts[i])
            run.last_speaking_s = np.where(np.isnan(run.last_speaking_s), heard_s, run.last_speaking_s)
            if transcripts[i].kind == "preflight":
                return
            if transcripts[i].text.strip():
                run.transcribed[:] = True
                run.words += refusals.words[i] if refusals is not None else 0
            if run.speaking:
                return
            run.pending_transcript = i
        else:
            run.pause, run.speaking = i, False
            run.last_speaking_s[:] = pauses.last_speaking_s[i]
            run.predicted[:] = predictions is not None
            if predictions is not None:
                start = np.maximum(run.flushed, max(0, int(pauses.predict_sample[i]) - BUFFER_SAMPLES))
                distinct, of_setting = np.unique(start + self.shift[i], return_inverse=True)
                ends = np.full(len(distinct), pauses.predict_sample[i] + self.shift[i])
                p = predictions.needed(distinct, ends)[of_setting]
                run.probability[run.row], run.accepted[run.row] = p, p >= delays.threshold
        pause = run.pause
        likely = run.accepted[run.row] | ~run.predicted
        column = np.where(likely, delays.min_column, delays.max_column)
        commit_s = np.maximum(at_s, run.last_speaking_s + self.columns[pause, column])
        if predictions is not None and pause >= 0:
            ready_s = pauses.predict_s[pause] + self.prediction_delay
            commit_s = np.where(run.predicted, np.maximum(commit_s, ready_s), commit_s)
        trigger = run.transcribed
        run.pending_s[trigger] = commit_s[trigger]
        run.pending_last_speaking_s[trigger] = run.last_speaking_s[trigger]
        may_be_at_once = what == _TRANSCRIPT and not self.modelled
        run.at_once[trigger] = may_be_at_once & (commit_s[trigger] == at_s)

    def finish(self, run: _Run) -> None:
        """The end of the stream."""
        run.commit_before(self.world.pauses.stream_end_s, self.frame_samples, self.world.refusals)


_RESUME, _END, _SHORT_SPEECH, _TRANSCRIPT = range(4)


def _events(
    pauses: Pauses, transcripts: Sequence[SttEvent], modelled: bool
) -> list[tuple[float, int, int, int]]:
    """(stream time, order, what, number of pause or transcript), in order.

    What the VAD says at one time keeps the order of its windows.
    """
    order = len(pauses) if modelled else -len(transcripts) - 1
    of_pause = np.searchsorted(pauses.end_of_speech_s, pauses.short_speech_s, side="right") - 1
    events = [
        (float(t), int(i), _SHORT_SPEECH, int(i))
        for t, i in zip(pauses.short_speech_s, of_pause, strict=True)
    ]
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
    """The state of every setting while the events are walked through; shape=(settings,) unless said."""

    first: int
    """The pause of the first row of the tables by pause; those have a last row more, before any pause."""
    commit_s: Floats
    commit_last_speaking_s: Floats
    accepted: Bools
    probability: Floats
    late_s: Floats
    """By transcript."""
    late_last_speaking_s: Floats
    transcribed: Bools
    predicted: Bools
    pending_s: Floats
    at_once: Bools
    """A transcript need not wait: its commit comes before whatever follows, at the same moment too."""
    last_speaking_s: Floats
    pending_last_speaking_s: Floats
    flushed: Ints
    words: Ints
    """In the turn's transcript; counted only where a commit may be refused."""
    pending_transcript: int = -1
    pause: int = -1
    """The last one whose END_OF_SPEECH has come."""
    speaking: bool = False

    @classmethod
    def start(cls, pauses: int, transcripts: int, n: int) -> _Run:
        """The state before anything is heard."""
        unknown = np.full((2, n), np.nan)
        false = np.zeros((3, n), np.bool_)
        return cls(
            0, *cls._tables(pauses, n), *cls._late(transcripts, n), false[0], false[1], np.full(n, np.inf),
            false[2], unknown[0], unknown[1], np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.int64),
        )  # fmt: skip

    @staticmethod
    def _tables(pauses: int, n: int) -> tuple[Floats, Floats, Bools, Floats]:
        shape = (pauses + 1, n)
        nothing = np.full(shape, np.nan)
        return np.full(shape, np.inf), nothing, np.ones(shape, np.bool_), nothing.copy()

    @staticmethod
    def _late(transcripts: int, n: int) -> tuple[Floats, Floats]:
        return np.full((transcripts, n), np.inf), np.full((transcripts, n), np.nan)

    def fork(self, shared: int, pauses: int, transcripts: int) -> _Run:
        """The same state, to go on with other events; `pauses`, `transcripts`: how many these have in all."""
        first = max(0, min(self.pause, shared))
        n = len(self.pending_s)
        run = _Run(
            first, *self._tables(pauses - first, n), *self._late(transcripts, n), self.transcribed.copy(),
            self.predicted.copy(), self.pending_s.copy(), self.at_once.copy(), self.last_speaking_s.copy(),
            self.pending_last_speaking_s.copy(), self.flushed.copy(), self.words.copy(),
            self.pending_transcript, self.pause, self.speaking,
        )  # fmt: skip
        if self.pause >= 0:
            for name in ("commit_s", "commit_last_speaking_s", "accepted", "probability"):
                getattr(run, name)[run.row] = getattr(self, name)[self.row]
        return run

    @property
    def row(self) -> int:
        """The row of the pause in the tables by pause."""
        return self.pause - self.first if self.pause >= 0 else -1

    def of_pauses(self, start: int, stop: int) -> tuple[Floats, Floats, Bools, Floats]:
        """Commits, their last speaking times, whether the end was accepted and its probability, by pause."""
        rows = slice(start - self.first, stop - self.first)
        return (
            self.commit_s[rows],
            self.commit_last_speaking_s[rows],
            self.accepted[rows],
            self.probability[rows],
        )

    def commit_before(self, at_s: float, frame_samples: int, refusals: Refusals | None) -> None:
        """Commit what waits and is due before `at_s`."""
        due = (self.pending_s < at_s) | (self.at_once & (self.pending_s <= at_s))
        if refusals is not None:
            refused = due & refusals.refused(self.pending_s, self.words)
            self.pending_s[refused] = np.inf
            due &= ~refused
        if not due.any():
            return
        later = due
        if self.pause >= 0:
            first = due & np.isinf(self.commit_s[self.row])
            self.commit_s[self.row, first] = self.pending_s[first]
            self.commit_last_speaking_s[self.row, first] = self.pending_last_speaking_s[first]
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
