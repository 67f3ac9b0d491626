"""Counts of one recording for a block of settings: which holds, turns and ends of turn its commits hit.

In a pause a setting commits after `min_column`'s delay if the end is accepted, or else after
`max_column`'s. Whether it is accepted depends on the threshold. So for each threshold two tables are made,
one of the accepted pauses by delay, one of the others; a setting's counts are one row of each, joined. Holds
and turns are bits of machine words, joined by "or"; latencies are joined by the lesser. The few pauses whose
acceptance depends on the delays as well are added setting by setting.

Which label a commit belongs to: see `owners`. A commit on a branch counts for the branch's own end of turn
only, and a commit of the tape for an end of turn only before its branch begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ..replay.records import Decisions
from .intervals import BACKCHANNEL, CUT_OFF, END_OF_TURN, HOLD, UNSCORED_HOLD, Intervals, owners

Counts = NDArray[np.int64]
Words = NDArray[np.uint64]
WORD_BITS = 64
COUNTED = ("holds_cut", "turns_cut", "cut_offs_cut", "backchannels_hit")
_ELSEWHERE = -2
"""Owner of a commit that belongs to a label and isn't scored there."""


@dataclass(frozen=True)
class Tally:
    """Counts of one recording, one take, for a block of settings; each shape=(settings,) unless said."""

    holds_cut: Counts
    """Scored holds with a commit."""
    turns_cut: Counts
    """User turns with a commit in a hold of any length, or in a cut-off pause before the recorded agent."""
    turns_cut_at_most: Counts
    """The same, were every cut-off pause cut that isn't known to be."""
    cut_offs_cut: Counts
    """Cut-off pauses with a commit before the recorded agent spoke."""
    backchannels_hit: Counts
    cut_words: Words
    """Which scored holds and cut-off pauses are cut: bits, numbered alike in all takes of a recording;
    shape=(words, settings)."""
    in_no_label: Counts
    """Commits that belong to no label."""
    timeouts: Counts
    latency_s: Floats
    """shape=(turns, settings); infinity where the end of turn was missed."""


@dataclass(frozen=True)
class _Bits:
    """Which bit a hit sets: rows of cells, ordered by word; a cell may set two (its hold and its turn)."""

    cell: Ints
    word: Ints
    mask: Words
    first_word: Ints
    """Of each of `COUNTED`, and the total number of words; shape=(5,)."""
    turn_bits: Words
    """Of the words of the turns: those with a cut-off pause."""


@dataclass(frozen=True)
class _Rows:
    """One side of the decisions, the late triggers below the pauses."""

    commit_s: Floats
    """Recording time, shape=(rows, columns)."""
    owner: Ints
    """shape=(rows, columns)"""
    taken: Bools
    """Whether a threshold takes this side in a row; shape=(rows, levels)."""


def tally(decisions: Decisions, marks: Intervals, offset_s: float, longest_wait_s: Floats) -> Tally:
    """Score every setting's commits on one recording.

    `offset_s` is stream time less recording time; `longest_wait_s`, shape=(settings,): an end of turn that
    is committed later is missed.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.turns.metrics import intervals
    >>> from lab_utils.turns.replay.records import Forks, PauseCommits, TriggerCommits
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    >>> marks = intervals(Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0))))
    >>> commit_s = np.array([[2.25, np.inf], [3.5, 3.75]])  # of two settings, in two pauses
    >>> silence_s, no_detector = np.array([[2.0], [3.0]]), np.full((2, 1), np.nan)
    >>> first = PauseCommits(commit_s, silence_s, np.isfinite(commit_s), no_detector)
    >>> decided = Decisions.side_by_side(first, np.array([-1, -1]), [TriggerCommits.none(2)], Forks())
    >>> found = tally(decided, marks, 0.0, np.array([8.0, 8.0]))
    >>> found.holds_cut.tolist(), found.latency_s.tolist()
    ([1, 0], [[0.5, 0.75]])
    """
    sides = _sides(decisions, marks, offset_s)
    slot, interval = _cells(sides, len(marks.kind))
    ends = np.flatnonzero(marks.kind[interval] == END_OF_TURN)
    ends = ends[np.argsort(marks.turn[interval[ends]], kind="stable")]
    bits = _bits(slot, interval, marks)
    inside = [side.owner[slot] == interval[:, None] for side in sides]
    start_s = marks.start_s[interval[ends], None]
    delay_s = [
        np.where(i[ends], side.commit_s[slot[ends]] - start_s, np.inf)
        for i, side in zip(inside, sides, strict=True)
    ]
    turn = marks.turn[interval[ends]]
    loose = [side.owner == -1 for side in sides]

    words = np.zeros((bits.first_word[-1], len(decisions)), dtype=np.uint64)
    in_no_label = np.empty(len(decisions), dtype=np.int64)
    latency_s = np.empty((len(decisions), marks.n_turns))
    timeouts = np.empty(len(decisions), dtype=np.int64)
    n_rows = len(decisions.accepted)
    for level, settings in _by_level(decisions.level):
        columns = decisions.min_column[settings], decisions.max_column[settings]
        taken = [side.taken[:, level] for side in sides]
        hit = [
            _words(bits, side[slot], table)[:, column]
            for side, table, column in zip(taken, inside, columns, strict=True)
        ]
        first_s = [
            _first(side[slot[ends]], table, turn, marks.n_turns)[column]
            for side, table, column in zip(taken, delay_s, columns, strict=True)
        ]
        here = hit[0] | hit[1]
        of_none = [
            np.count_nonzero(table[side], axis=0)[column]
            for side, table, column in zip(taken, loose, columns, strict=True)
        ]
        free = of_none[0] + of_none[1]
        undecided = ~(taken[0] | taken[1])[:n_rows]
        if undecided.any():
            for row, (yes, _) in decisions.resolve(settings, undecided).items():
                if not undecided[row]:
                    continue
                free += np.where(yes, loose[0][row, columns[0]], loose[1][row, columns[1]])
                for cell in np.flatnonzero(slot == row):
                    own = np.where(yes, inside[0][cell, columns[0]], inside[1][cell, columns[1]])
                    for bit in np.flatnonzero(bits.cell == cell):
                        here[bits.word[bit]] |= np.where(own, bits.mask[bit], np.uint64(0))
                for end in np.flatnonzero(slot[ends] == row):
                    for side_s, table, column, of_side in zip(
                        first_s, delay_s, columns, (yes, ~yes), strict=True
                    ):
                        one_s = np.where(of_side, table[end, column], np.inf)
                        side_s[:, turn[end]] = np.minimum(side_s[:, turn[end]], one_s)
        words[:, settings] = here
        in_no_label[settings] = free
        within = longest_wait_s[settings, None] + 1e-9
        first_s = [np.where(side_s <= within, side_s, np.inf) for side_s in first_s]
        timeouts[settings] = np.count_nonzero(first_s[1] < first_s[0], axis=1)
        latency_s[settings] = np.minimum(first_s[0], first_s[1])
    counted = np.bitwise_count(words)
    counts = {
        name: counted[first:last].sum(axis=0, dtype=np.int64)
        for name, first, last in zip(COUNTED, bits.first_word[:-1], bits.first_word[1:], strict=True)
    }
    turns = words[bits.first_word[1] : bits.first_word[2]] | bits.turn_bits[:, None]
    return Tally(
        **counts,
        cut_words=np.concatenate([words[slice(*bits.first_word[k : k + 2])] for k in (0, 2)]),
        turns_cut_at_most=np.bitwise_count(turns).sum(axis=0, dtype=np.int64),
        in_no_label=in_no_label,
        timeouts=timeouts,
        latency_s=latency_s.T,
    )


def _sides(decisions: Decisions, marks: Intervals, offset_s: float) -> list[_Rows]:
    """Both sides of the decisions, with the label that each commit is scored under."""
    late_s = decisions.late_s - offset_s
    last_s = decisions.last_speaking_s - offset_s
    shape = decisions.accepted_s.shape
    branch = np.concatenate((decisions.branch, decisions.late_branch))
    every = np.ones((len(late_s), decisions.accepted.shape[1]), np.bool_)
    sides: list[_Rows] = []
    late_last_s = decisions.late_last_speaking_s - offset_s
    for times_s, taken in (
        (decisions.accepted_s, decisions.accepted),
        (decisions.rejected_s, decisions.rejected),
    ):
        if sides and times_s is decisions.accepted_s and not len(late_s):
            sides.append(_Rows(sides[0].commit_s, sides[0].owner, taken))
            break
        commit_s, own_last_s = times_s - offset_s, last_s
        if len(late_s):  # further rows, which every setting accepts
            other_s = late_s if not sides else np.full_like(late_s, np.inf)
            commit_s = np.concatenate((commit_s, other_s))
            own_last_s = np.concatenate((np.broadcast_to(last_s, shape), late_last_s))
            taken = np.concatenate((taken, every if not sides else ~every))
        owner = owners(own_last_s, commit_s, marks)
        sides.append(_Rows(commit_s, _scored(owner, commit_s, branch, decisions, marks, offset_s), taken))
    return sides


def _scored(
    owner: Ints, commit_s: Floats, branch: Ints, decisions: Decisions, marks: Intervals, offset_s: float
) -> Ints:
    """The owners, `_ELSEWHERE` for what isn't scored there and where there is no commit."""
    ends = marks.ends_of_turn
    until_s = np.append(marks.agent_s, np.inf)  # a cut-off pause is known until then
    until_s[ends[decisions.forks.turn]] = decisions.forks.from_s - offset_s
    own_end = np.append(ends[decisions.forks.turn], -1)[branch][:, None]
    on_tape = branch[:, None] < 0
    scored = np.where(on_tape, commit_s < until_s[owner], owner == own_end)
    return np.where(np.isfinite(commit_s) & scored, owner, _ELSEWHERE)


def _by_level(level: Ints) -> Iterator[tuple[int, Ints]]:
    """Each threshold that occurs, and its settings."""
    order = np.argsort(level, kind="stable")
    names, first = np.unique(level[order], return_index=True)
    yield from zip(names.tolist(), np.split(order, first[1:]), strict=True)


def _cells(sides: list[_Rows], n: int) -> tuple[Ints, Ints]:
    """Pairs (slot, interval) such that a commit of the slot's row is scored under the interval."""
    found = np.zeros((len(sides[0].owner), n), np.bool_)
    for side in sides[: 1 if sides[0].owner is sides[1].owner else 2]:
        rows, columns = np.nonzero(side.owner >= 0)
        found[rows, side.owner[rows, columns]] = True
    slot, interval = np.nonzero(found)
    return slot, interval


def _bits(slot: Ints, interval: Ints, marks: Intervals) -> _Bits:
    """Number what can be hit, word by word, for each of `COUNTED`."""
    kind, turn = marks.kind[interval], marks.turn[interval]
    in_turn = np.isin(kind, (HOLD, UNSCORED_HOLD, CUT_OFF)) & (turn < marks.n_turns)
    cells, words, masks, first_word = [], [], [], [0]
    turn_bits = np.zeros(0, dtype=np.uint64)
    cut_off_turns = np.flatnonzero(marks.cut_off_turns)
    for name, used, number, always in (
        ("holds_cut", kind == HOLD, interval, np.flatnonzero(marks.kind == HOLD)),
        ("turns_cut", in_turn, turn, cut_off_turns),
        ("cut_offs_cut", kind == CUT_OFF, interval, np.flatnonzero(marks.kind == CUT_OFF)),
        ("backchannels_hit", kind == BACKCHANNEL, interval, ()),
    ):
        cell = np.flatnonzero(used)
        names = np.union1d(number[cell], np.asarray(always, dtype=np.int64))
        bit = np.searchsorted(names, number[cell])
        n_words = -(-len(names) // WORD_BITS)
        cells.append(cell)
        words.append(first_word[-1] + bit // WORD_BITS)
        masks.append(np.left_shift(np.uint64(1), (bit % WORD_BITS).astype(np.uint64)))
        first_word.append(first_word[-1] + n_words)
        if name == "turns_cut":
            turn_bits = np.zeros(n_words, dtype=np.uint64)
            for place in np.searchsorted(names, cut_off_turns).tolist():
                turn_bits[place // WORD_BITS] |= np.uint64(1 << place % WORD_BITS)
    order = np.argsort(np.concatenate(words), kind="stable")
    cell, word, mask = (np.concatenate(parts)[order] for parts in (cells, words, masks))
    return _Bits(cell, word, mask, np.array(first_word), turn_bits)


def _words(bits: _Bits, side: Bools, inside: Bools) -> Words:
    """The bits that the pauses of one side set, by column; shape=(words, columns)."""
    found = np.zeros((bits.first_word[-1], inside.shape[1]), dtype=np.uint64)
    rows = np.flatnonzero(side[bits.cell])
    if len(rows):
        word, first = np.unique(bits.word[rows], return_index=True)
        hits = inside[bits.cell[rows]] * bits.mask[rows, None]
        found[word] = np.bitwise_or.reduceat(hits, first, axis=0)
    return found


def _first(side: Bools, delay_s: Floats, turn: Ints, n_turns: int) -> Floats:
    """The first commit of one side after each end of turn, by column; shape=(columns, turns)."""
    found = np.full((delay_s.shape[1], n_turns), np.inf)
    rows = np.flatnonzero(side)
    if len(rows):
        of_turn, first = np.unique(turn[rows], return_index=True)
        found[:, of_turn] = np.minimum.reduceat(delay_s[rows], first, axis=0).T
    return found
