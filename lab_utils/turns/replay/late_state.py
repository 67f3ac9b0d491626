"""The state of every setting of a block while the events of one recording are walked through (see `late`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.timeline import Floats, Ints
from ...core.traces import Bools, Cause
from .decisions import flush_samples
from .records import TIE_S, PauseCommits, TriggerCommits
from .refusals import Refusals
from .said import Conversation, Talk


@dataclass
class State:
    """The state of every setting while the events are walked through; shape=(settings,) unless said."""

    first: int
    """The pause of the first row of the tables by pause; their last row is for the time before any pause."""
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
    """What led to it need not wait: the commit comes before what the speech-to-text says at that moment."""
    last_speaking_s: Floats
    pending_last_speaking_s: Floats
    flushed: Ints
    words: Ints
    """In the turn's transcript; counted only where a commit may be refused."""
    soonest_s: float = np.inf
    """Nothing that waits is due before."""
    last_flush: int = -1
    """The latest of `flushed`."""
    pending_transcript: int = -1
    pause: int = -1
    """The last one whose END_OF_SPEECH has come."""
    speaking: bool = False
    talk: Talk | None = None
    """What has been said, for a text detector or extra delays."""

    @classmethod
    def start(cls, pauses: int, transcripts: int, n: int, talk: Talk | None = None) -> State:
        """The state before anything is heard."""
        return cls(
            0, *cls._tables(pauses, n), *cls._late(transcripts, n),
            np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.full(n, np.inf),
            np.zeros(n, np.bool_), np.full(n, np.nan), np.full(n, np.nan),
            np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.int64), talk=talk,
        )  # fmt: skip

    @staticmethod
    def _tables(pauses: int, n: int) -> tuple[Floats, Floats, Bools, Floats]:
        shape = (pauses + 1, n)
        nothing = np.full(shape, np.nan)
        return np.full(shape, np.inf), nothing, np.ones(shape, np.bool_), nothing.copy()

    @staticmethod
    def _late(transcripts: int, n: int) -> tuple[Floats, Floats]:
        return np.full((transcripts, n), np.inf), np.full((transcripts, n), np.nan)

    def fork(self, shared: int, pauses: int, transcripts: int) -> State:
        """The same state, to go on with other events; `pauses`, `transcripts`: how many these have in all."""
        first = max(0, min(self.pause, shared))
        n = len(self.pending_s)
        run = State(
            first, *self._tables(pauses - first, n), *self._late(transcripts, n), self.transcribed.copy(),
            self.predicted.copy(), self.pending_s.copy(), self.at_once.copy(), self.last_speaking_s.copy(),
            self.pending_last_speaking_s.copy(), self.flushed.copy(), self.words.copy(), self.soonest_s,
            self.last_flush, self.pending_transcript, self.pause, self.speaking,
            None if self.talk is None else self.talk.fork(transcripts),
        )  # fmt: skip
        if self.pause >= 0:
            for name in ("commit_s", "commit_last_speaking_s", "accepted", "probability"):
                getattr(run, name)[run.row] = getattr(self, name)[self.row]
        return run

    @property
    def row(self) -> int:
        """The row of the pause in the tables by pause."""
        return self.pause - self.first if self.pause >= 0 else -1

    def by_pause(self, start: int, stop: int) -> PauseCommits:
        """The first commit in each of these pauses."""
        rows = slice(start - self.first, stop - self.first)
        return PauseCommits(
            self.commit_s[rows],
            self.commit_last_speaking_s[rows],
            self.accepted[rows],
            self.probability[rows],
        )

    @property
    def by_trigger(self) -> TriggerCommits:
        """All other commits, by transcript."""
        if self.talk is not None:
            return self.talk.by_trigger(self.late_s, self.late_last_speaking_s)
        late: Cause = "late_transcript"
        return TriggerCommits(self.late_s, self.late_last_speaking_s, (late,) * len(self.late_s))

    def commit_before(
        self,
        at_s: float,
        frame_samples: int,
        refusals: Refusals | None,
        conversation: Conversation | None = None,
        *,
        spoken: bool = False,
    ) -> None:
        """Commit what waits and is due before `at_s`; `spoken`: before what the speech-to-text says then."""
        if self.soonest_s > at_s:
            return
        due = self.pending_s < at_s - TIE_S
        if spoken:
            due |= self.at_once & (self.pending_s <= at_s)
        if refusals is not None:
            refused = due & refusals.refused(self.pending_s, self.words)
            self.pending_s[refused] = np.inf
            due &= ~refused
        if due.any():
            if self.talk is not None and conversation is not None:
                conversation.committed(self.talk, due, self.pending_s)
            self._commit(due, frame_samples)
        self.soonest_s = float(self.pending_s.min(initial=np.inf))

    def _commit(self, due: Bools, frame_samples: int) -> None:
        """Commit what these settings wait for."""
        pending_s, heard_s = self.pending_s, self.pending_last_speaking_s
        later = due
        if self.pause >= 0:
            first = due & np.isinf(self.commit_s[self.row])
            np.copyto(self.commit_s[self.row], pending_s, where=first)
            np.copyto(self.commit_last_speaking_s[self.row], heard_s, where=first)
            later = due & ~first
        if later.any():
            np.copyto(self.late_s[self.pending_transcript], pending_s, where=later)
            np.copyto(self.late_last_speaking_s[self.pending_transcript], heard_s, where=later)
            if self.talk is not None and self.talk.late_likely is not None:
                np.copyto(self.talk.late_likely[self.pending_transcript], self.talk.likely, where=later)
        np.copyto(self.flushed, flush_samples(pending_s, frame_samples), where=due)
        self.last_flush = int(self.flushed.max())
        np.copyto(self.transcribed, False, where=due)
        np.copyto(self.words, 0, where=due)
        np.copyto(self.predicted, False, where=due)
        np.copyto(self.last_speaking_s, np.nan, where=due & (self.last_speaking_s == heard_s))
        np.copyto(pending_s, np.inf, where=due)

    def judge(self, p: Floats, likely: Bools) -> None:
        """What a text detector answers at a trigger; a pause keeps what its first commit was decided by."""
        assert self.talk is not None
        self.talk.likely = likely
        undecided = np.isinf(self.commit_s[self.row])
        np.copyto(self.probability[self.row], p, where=undecided)
        np.copyto(self.accepted[self.row], likely, where=undecided)

    def cancel(self) -> None:
        """Nothing waits any more."""
        self.pending_s[:] = self.soonest_s = np.inf

    def wait(self, commit_s: Floats, at_once: Bools) -> None:
        """Where the turn has a transcript, wait until then, instead of what is waited for."""
        trigger = self.transcribed
        np.copyto(self.pending_s, commit_s, where=trigger)
        np.copyto(self.pending_last_speaking_s, self.last_speaking_s, where=trigger)
        np.copyto(self.at_once, at_once, where=trigger)
        self.soonest_s = float(self.pending_s.min(initial=np.inf))
