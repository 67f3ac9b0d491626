"""What a replay passes between its steps: pauses, and what every setting of a block decides in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.labels import Labels
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ...core.traces import BRANCH_SAMPLES, Bools, Cause

TIE_S = 5e-9
"""Moments no further apart are one, as for the sessions' clock. At one moment come, as there
(`session.clock.pace.Turn`): the agent, the frame and what the VAD says of it, the speech-to-text, and last a
commit."""


@dataclass(frozen=True)
class Pauses:
    """All arrays have shape=(pauses,) but `short_speech_s`; seconds of stream time."""

    speech_start_s: Floats
    """Where the speech before the pause began, as LiveKit estimates it at START_OF_SPEECH."""
    start_of_speech_s: Floats
    """Arrival of that START_OF_SPEECH."""
    last_speaking_s: Floats
    end_of_speech_s: Floats
    """Arrival of END_OF_SPEECH."""
    resume_s: Floats
    """Arrival of the next START_OF_SPEECH, which cancels what waits; for the last pause the stream's end."""
    predict_sample: Ints
    """Stream sample at which the prediction is requested: the end of the audio it hears; 0 if never."""
    short_speech_s: Floats
    """shape=(n,): moments in silence at which speech too short for START_OF_SPEECH moves the last
    speaking time (audio_recognition.py:1481)."""
    opening_s: float
    """Arrival of the first START_OF_SPEECH, whether or not it is followed by a pause; or the stream's end."""
    stream_end_s: float
    """Nothing is committed from then on."""

    def __len__(self) -> int:
        return len(self.end_of_speech_s)

    @property
    def predict_s(self) -> Floats:
        return self.predict_sample / SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Forks:
    """Where branches leave the tape, one each (see `branches`)."""

    turn: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Number of the end of turn that is scored on it, shape=(branches,)."""
    from_s: Floats = field(default_factory=lambda: np.zeros(0))
    """Stream time of the first thing heard on it and not on the tape, shape=(branches,)."""


@dataclass(frozen=True)
class BranchPauses:
    """The pauses heard on one branch, where the caller waits for an answer (see `turns.branches`)."""

    turn: int
    """Number of the end of turn that is scored on it."""
    from_sample: int
    """Stream sample at which its audio leaves the tape's."""
    from_s: float
    """Stream time at which the first different frame arrives: what happens before is the tape's."""
    shared: int
    """The tape's first pauses, which end before that."""
    own: Pauses
    """All later ones; the first may have begun on the tape."""
    agent: Floats
    """The agent's turns on the branch, stream times, shape=(n, 2)."""
    labels: Labels
    """Who speaks on the branch; recording times."""
    probabilities: Floats
    """What the VAD says from the first window that hears something else on, shape=(windows,)."""

    @property
    def shift(self) -> int:
        """What is added to this branch's sample numbers, so that they differ from the tape's."""
        return (self.turn + 1) * BRANCH_SAMPLES

    def world(self, tape: Pauses) -> Pauses:
        """All pauses heard on the branch, the shared ones first."""
        one = joined([tape, self.own], [self.shared, len(self.own)])
        return replace(
            one,
            short_speech_s=self.own.short_speech_s,
            opening_s=self.own.opening_s,
            stream_end_s=self.own.stream_end_s,
        )


def joined(parts: Sequence[Pauses], first: Sequence[int]) -> Pauses:
    """The first `first[k]` pauses of each part k, one after the other; all else as in the first part.

    >>> from lab_utils.core.settings import VadSettings
    >>> from lab_utils.core.traces import VadTrace
    >>> from lab_utils.turns.replay import find_pauses
    >>> trace = VadTrace("silero", 0, np.repeat([0.01, 0.95, 0.01], [10, 30, 100]))
    >>> pauses = find_pauses(trace, VadSettings(model="silero"), 800)
    >>> len(joined([pauses, pauses], [1, 1])), len(joined([pauses, pauses], [0, 1]))
    (2, 1)
    """

    def column(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, name)[:n] for part, n in zip(parts, first, strict=True)])

    return replace(
        parts[0],
        speech_start_s=column("speech_start_s"),
        start_of_speech_s=column("start_of_speech_s"),
        last_speaking_s=column("last_speaking_s"),
        end_of_speech_s=column("end_of_speech_s"),
        resume_s=column("resume_s"),
        predict_sample=column("predict_sample"),
    )


@dataclass(frozen=True)
class Rows:
    """The pauses of a tape and of its branches in one list, the tape's first."""

    pauses: Pauses
    branch: Ints
    """The branch of each, by place, -1 for the tape; shape=(rows,)."""
    shift: Ints
    """Added to the sample numbers of a prediction that hears what only the branch has; shape=(rows,)."""
    tape: Pauses
    branches: tuple[BranchPauses, ...]

    @classmethod
    def of(cls, tape: Pauses, branches: Sequence[BranchPauses] = ()) -> Rows:
        """All rows of a tape, alone or with its branches."""
        parts = [tape, *(one.own for one in branches)]
        sizes = [len(part) for part in parts]
        pauses = joined(parts, sizes)
        branch = np.repeat(np.arange(-1, len(branches)), sizes)
        leaves = np.array([*(one.from_sample for one in branches), 0], dtype=np.int64)[branch]
        shift = np.array([*(one.shift for one in branches), 0], dtype=np.int64)[branch]
        shift = np.where(pauses.predict_sample > leaves, shift, 0)
        return cls(pauses, branch, shift, tape, tuple(branches))

    def __len__(self) -> int:
        return len(self.branch)

    def before(self, row: int) -> Ints:
        """The rows of the pauses before one on the same tape or branch, in order."""
        branch = self.branch[row]
        if branch < 0:
            return np.arange(row)
        first = int(np.searchsorted(self.branch, branch))
        return np.concatenate((np.arange(self.branches[branch].shared), np.arange(first, row)))

    @property
    def forks(self) -> Forks:
        """Where the branches leave the tape."""
        turns = np.array([one.turn for one in self.branches], dtype=np.int64)
        return Forks(turns, np.array([one.from_s for one in self.branches], dtype=np.float64))


@dataclass(frozen=True)
class Shortened:
    """A pause whose prediction may hear less than 1.2 s: a commit may empty the buffer shortly before it."""

    pause: int
    emptied: Ints
    """Earlier pauses whose commit can do so, shape=(k,)."""
    start: Ints
    """Which start of the audio their commits lead to: shape=(k, columns), places in `probability`."""
    probability: Floats
    """By start, ascending, shape=(starts,); the latest start counts. NaN where no setting leads to it."""


@dataclass(frozen=True)
class PauseCommits:
    """The first commit in each pause, for settings side by side; all of shape=(pauses, settings)."""

    commit_s: Floats
    """Infinity where none comes."""
    last_speaking_s: Floats
    """The last speaking time that it counts from."""
    accepted: Bools
    """Whether the detector took the pause for an end of turn."""
    probability: Floats
    """NaN without a detector."""

    @classmethod
    def none(cls, settings: int) -> PauseCommits:
        """For so many settings whose commits belong to no pause."""
        nothing = np.zeros((0, settings))
        return cls(nothing, nothing, np.zeros((0, settings), np.bool_), nothing)

    @classmethod
    def joined(cls, parts: Sequence[PauseCommits]) -> PauseCommits:
        """The pauses of all parts, one part after the other."""
        return cls(
            np.concatenate([part.commit_s for part in parts]),
            np.concatenate([part.last_speaking_s for part in parts]),
            np.concatenate([part.accepted for part in parts]),
            np.concatenate([part.probability for part in parts]),
        )


@dataclass(frozen=True)
class TriggerCommits:
    """Commits that belong to no pause or come after its first, by what triggered them."""

    commit_s: Floats
    """Infinity where a trigger led to none; shape=(triggers, settings)."""
    last_speaking_s: Floats
    """In the same way, NaN where it led to none."""
    cause: tuple[Cause, ...]
    """Of each trigger's commits."""


@dataclass(frozen=True)
class Decisions:
    """What every setting of a block does in every pause.

    Whether an end of turn is accepted depends on the setting's threshold alone, but for the few pauses that
    are neither `accepted` nor `rejected` at a threshold: there it depends on the delays too (`Shortened`).
    """

    accepted_s: Floats
    """shape=(pauses, columns): the commit if the end is accepted and that column's delay applies."""
    rejected_s: Floats
    """shape=(pauses, columns): the commit if the end is unlikely."""
    threshold: Floats
    """The distinct thresholds, shape=(levels,)."""
    accepted: Bools
    """shape=(pauses, levels)"""
    rejected: Bools
    """shape=(pauses, levels)"""
    level: Ints
    """Each setting's threshold, shape=(settings,)."""
    min_column: Ints
    """Each setting's column of `accepted_s`."""
    max_column: Ints
    """Each setting's column of `rejected_s`."""
    probability: Floats
    """shape=(pauses, 1), or (pauses, settings); NaN without a detector, and for what `shortened` holds."""
    last_speaking_s: Floats
    """The last speaking time that each wait counts from: shape=(pauses, 1), or (pauses, columns)."""
    branch: Ints
    """The branch of each pause, -1 for the tape, shape=(pauses,)."""
    shortened: tuple[Shortened, ...] = ()
    late_s: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """shape=(triggers, settings): commits that belong to no pause or come after its first, by what triggered
    them; infinity where it led to none under a setting. Triggers that lead to none under any are left out."""
    late_last_speaking_s: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """The last speaking time behind each of these, shape=(triggers, settings)."""
    late_cause: tuple[Cause, ...] = ()
    """The cause of each trigger's commits."""
    late_branch: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """The branch of each late trigger, -1 for the tape, shape=(triggers,)."""
    forks: Forks = Forks()

    @classmethod
    def side_by_side(
        cls, by_pause: PauseCommits, branch: Ints, by_trigger: Sequence[TriggerCommits], forks: Forks
    ) -> Decisions:
        """Decisions that settings share nothing of: a column each.

        `branch`: the branch of each pause; `by_trigger`: the tape's, then those of each branch.
        """
        n_pauses, n = by_pause.commit_s.shape
        settings = np.arange(n)
        late_s = np.concatenate([part.commit_s for part in by_trigger])
        used = np.isfinite(late_s).any(axis=1)
        causes = [cause for part in by_trigger for cause in part.cause]
        commit_s, accepted = by_pause.commit_s, by_pause.accepted
        return cls(
            accepted_s=np.where(accepted, commit_s, np.inf),
            rejected_s=np.where(accepted, np.inf, commit_s),
            threshold=np.zeros(1),
            accepted=np.ones((n_pauses, 1), np.bool_),
            rejected=np.ones((n_pauses, 1), np.bool_),
            level=np.zeros(n, dtype=np.int64),
            min_column=settings,
            max_column=settings,
            probability=by_pause.probability,
            last_speaking_s=by_pause.last_speaking_s,
            late_s=late_s[used],
            late_last_speaking_s=np.concatenate([part.last_speaking_s for part in by_trigger])[used],
            late_cause=tuple(causes[row] for row in np.flatnonzero(used)),
            forks=forks,
            branch=branch,
            late_branch=np.repeat(
                np.arange(-1, len(by_trigger) - 1), [len(part.commit_s) for part in by_trigger]
            )[used],
        )

    def __len__(self) -> int:
        return len(self.level)

    @cached_property
    def _shortened(self) -> tuple[Ints, Bools]:
        """Which pauses these are, and whether they hang on nothing but a threshold: shape=(n, levels)."""
        pauses = np.array([one.pause for one in self.shortened], dtype=np.int64)
        return pauses, self.accepted[pauses] | self.rejected[pauses]

    def resolve(self, settings: Ints, wanted: Bools) -> dict[int, tuple[Bools, Ints]]:
        """Shortened pauses under some settings: pause -> (accepted, start), each shape=(settings,).

        `wanted` says which pauses, shape=(pauses,); those they depend on are resolved on the way.
        """
        level = self.level[settings]
        min_column, max_column = self.min_column[settings], self.max_column[settings]
        shortened, sure_of = self._shortened
        sure = sure_of[:, np.bincount(level, minlength=sure_of.shape[1]) > 0].all(axis=1)
        resolved: dict[int, tuple[Bools, Ints]] = {}
        for k in np.flatnonzero(~sure | wanted[shortened]).tolist():
            one = self.shortened[k]
            which = np.zeros(len(settings), dtype=np.int64)
            for i, start in zip(one.emptied.tolist(), one.start, strict=True):
                yes = resolved[i][0] if i in resolved else self.accepted[i, level]
                np.maximum(which, np.where(yes, start[min_column], start[max_column]), out=which)
            resolved[one.pause] = (one.probability[which] >= self.threshold[level], which)
        return resolved
