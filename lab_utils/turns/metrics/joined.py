"""What a block decides on several recordings, joined as if they were one.

Goal: recordings whose figures are pooled anyway are counted together: a hundred short ones cost little more
than a long one.
Conventions: as of `setting_counts`. Nothing is moved in time: each commit has its owner before the recordings
are joined, and rows, pauses and turns are only numbered on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from ...core.timeline import Floats, Ints
from ..replay.records import Decisions
from .cells import Side
from .labelled_pauses import LabelledPauses
from .setting_counts import SettingCounts, counts_of_sides, sides_of

MOST_JOINED = 16
"""Recordings that are counted together; more gain little, and what they decide waits in memory."""


class Decided(NamedTuple):
    """A take of a recording, decided."""

    decisions: Decisions
    labelled: LabelledPauses
    sides: Sequence[Side]

    @classmethod
    def of(cls, decisions: Decisions, labelled: LabelledPauses, offset_s: float) -> Decided:
        """`offset_s`: stream time less recording time."""
        return cls(decisions, labelled, sides_of(decisions, labelled, offset_s))

    def counts(self, longest_wait_s: Floats) -> SettingCounts:
        """`setting_counts` of it."""
        return counts_of_sides(self.decisions, self.sides, self.labelled, longest_wait_s)

    def can_join(self, other: Decided) -> bool:
        """Whether settings share thresholds and delays in both alike."""
        mine, theirs = self.decisions, other.decisions
        return (
            not len(mine.late_s)
            and not len(theirs.late_s)
            and all(
                np.array_equal(getattr(mine, name), getattr(theirs, name))
                for name in ("threshold", "level", "min_column", "max_column")
            )
        )


class Joined(NamedTuple):
    """Recordings that are in the same subsets."""

    first: int
    """Number of one of them."""
    recordings: int
    takes: list[Decided]


def joined_by_subsets(
    decided: Iterable[tuple[int, int, Decisions, float]],
    labelled: Sequence[LabelledPauses],
    subsets: Sequence[Collection[int]],
    most_turns: int,
) -> Iterator[Joined]:
    """All recordings, those joined that are in the same subsets, up to so many ends of turn over takes.

    `decided`: as `Corpus.decisions`, of one block.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> decisions = [(number, 0, decided, 0.0) for number in range(2)]
    >>> (one,) = joined_by_subsets(decisions, [labelled, labelled], [[0, 1]], most_turns=100)
    >>> one.recordings, one.takes[0].labelled.n_turns
    (2, 2)
    """
    inside = [frozenset(subset) for subset in subsets]
    waiting: dict[tuple[bool, ...], tuple[int, list[list[Decided]]]] = {}
    for r, of_takes in groupby(decided, key=itemgetter(0)):
        own = [Decided.of(one, labelled[r], offset_s) for _, _, one, offset_s in of_takes]
        cell = tuple(r in subset for subset in inside)
        first, several = waiting.pop(cell, (r, []))
        if several and not _fits(several, own, most_turns):
            yield _together(first, several)
            first, several = r, []
        waiting[cell] = first, [*several, own]
    for first, several in waiting.values():
        yield _together(first, several)


def _fits(several: Sequence[Sequence[Decided]], own: Sequence[Decided], most_turns: int) -> bool:
    """Whether a recording's takes may join others'."""
    turns = sum(take.labelled.n_turns for takes in (*several, own) for take in takes)
    if len(several) == MOST_JOINED or turns > most_turns or len(own) != len(several[0]):
        return False
    return all(one.can_join(other) for one, other in zip(several[0], own, strict=True))


def _together(first: int, several: Sequence[Sequence[Decided]]) -> Joined:
    return Joined(first, len(several), [joined(take) for take in zip(*several, strict=True)])


def joined(parts: Sequence[Decided]) -> Decided:
    """Several recordings as one; of the decisions, what counting asks for (`can_join`).

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> part = Decided.of(decided, labelled, offset_s=0.0)
    >>> joined([part, part]).counts(np.array([8.0, 8.0])).holds_cut.tolist()
    [2, 0]
    """
    if len(parts) == 1:
        return parts[0]
    rows = np.cumsum([0, *(len(part.decisions.accepted) for part in parts)])
    pauses = np.cumsum([0, *(len(part.labelled.kind) for part in parts)])
    first = parts[0].decisions
    shortened = tuple(
        replace(one, pause=one.pause + row, emptied=one.emptied + row)
        for part, row in zip(parts, rows.tolist(), strict=False)
        for one in part.decisions.shortened
    )
    decisions = replace(
        first,
        accepted=np.concatenate([part.decisions.accepted for part in parts]),
        rejected=np.concatenate([part.decisions.rejected for part in parts]),
        shortened=shortened,
    )
    sides = [
        Side(
            np.concatenate([side.commit_s for side in of]),
            np.concatenate([_on(side.owner, at) for side, at in zip(of, pauses.tolist(), strict=False)]),
            np.concatenate([side.taken for side in of]),
        )
        for of in zip(*(part.sides for part in parts), strict=True)
    ]
    if all(part.sides[0].owner is part.sides[1].owner for part in parts):
        sides[1] = Side(sides[0].commit_s, sides[0].owner, sides[1].taken)
    return Decided(decisions, joined_labels([part.labelled for part in parts]), sides)


def joined_labels(parts: Sequence[LabelledPauses]) -> LabelledPauses:
    """The labelled pauses of several recordings in one list; turns are numbered on, times aren't.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> _, labelled = a_call()
    >>> both = joined_labels([labelled, labelled])
    >>> both.n_turns, both.turn.tolist()
    (2, [0, 0, 1, 1])
    """
    turns = np.cumsum([0, *(one.n_turns for one in parts)])
    numbered = [
        np.where(one.turn < one.n_turns, one.turn + at, turns[-1])
        for one, at in zip(parts, turns.tolist(), strict=False)
    ]
    columns = {
        name: np.concatenate([getattr(one, name) for one in parts])
        for name in ("start_s", "end_s", "kind", "agent_s", "speech_s")
    }
    return LabelledPauses(**columns, turn=np.concatenate(numbered), n_turns=int(turns[-1]))


def _on(owner: Ints, at: int) -> Ints:
    """Owners counted on from a number; what is none of a pause stays."""
    return np.where(owner >= 0, owner + at, owner)
