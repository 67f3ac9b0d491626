"""Counts of one recording for a block of settings: which holds, turns and ends of turn its commits hit.

In a pause a setting commits after `min_column`'s delay if the end is accepted, or else after
`max_column`'s. Whether it is accepted depends on the threshold. So for each threshold two tables are made,
one of the accepted pauses by delay, one of the others; a setting's counts are one row of each, joined. Holds
and turns are bits of machine words, joined by "or"; latencies are joined by the lesser. The few pauses whose
acceptance depends on the delays as well are added setting by setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ..replay.records import Decisions, Pauses
from .intervals import BACKCHANNEL, CUT_OFF, END_OF_TURN, HOLD, LONG_HOLD, SPEECH, Intervals

Counts = NDArray[np.int64]
Words = NDArray[np.uint64]
WORD_BITS = 64
COUNTED = ("holds_cut", "turns_cut", "cut_offs_hit", "backchannels_hit")


@dataclass(frozen=True)
class Tally:
    """Counts of one recording, one phase, for a block of settings; each shape=(settings,) unless said."""

    holds_cut: Counts
    turns_cut: Counts
    cut_offs_hit: Counts
    backchannels_hit: Counts
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


def tally(decisions: Decisions, pauses: Pauses, marks: Intervals, offset_s: float) -> Tally:
    """Score every setting's commits on one recording; `offset_s` is stream time less recording time."""
    accepted_s, rejected_s = decisions.accepted_s - offset_s, decisions.rejected_s - offset_s
    begin_s, end_s = pauses.end_of_speech_s - offset_s, pauses.resume_s - offset_s
    accepted, rejected = decisions.accepted, decisions.rejected
    if len(decisions.late_s):  # further rows, which every setting accepts
        late_s = decisions.late_s - offset_s
        latest_s = np.where(np.isfinite(late_s), late_s, -np.inf).max(axis=1)
        begin_s = np.append(begin_s, late_s.min(axis=1))
        end_s = np.append(end_s, np.nextafter(latest_s, np.inf))
        accepted_s = np.concatenate((accepted_s, late_s))
        rejected_s = np.concatenate((rejected_s, np.full_like(late_s, np.inf)))
        every = np.ones((len(late_s), accepted.shape[1]), np.bool_)
        accepted, rejected = np.concatenate((accepted, every)), np.concatenate((rejected, every))
    slot, interval = _cells(begin_s, end_s, marks)
    ends = np.flatnonzero(marks.kind[interval] == END_OF_TURN)
    ends = ends[np.argsort(marks.turn[interval[ends]], kind="stable")]
    bits = _bits(slot, interval, marks)
    start_s, until_s = marks.start_s[interval, None], marks.end_s[interval, None]
    commit_s = (accepted_s[slot], rejected_s[slot])
    inside = [(s >= start_s) & (s < until_s) for s in commit_s]
    delay_s = [
        np.where(i[ends], s[ends] - start_s[ends], np.inf) for i, s in zip(inside, commit_s, strict=True)
    ]
    turn = marks.turn[interval[ends]]

    words = np.zeros((bits.first_word[-1], len(decisions)), dtype=np.uint64)
    latency_s = np.empty((len(decisions), marks.n_turns))
    timeouts = np.empty(len(decisions), dtype=np.int64)
    for level, settings in _by_level(decisions.level):
        columns = decisions.min_column[settings], decisions.max_column[settings]
        sides = accepted[slot, level], rejected[slot, level]
        hit = [
            _words(bits, side, table)[:, column]
            for side, table, column in zip(sides, inside, columns, strict=True)
        ]
        first_s = [
            _first(side[ends], table, turn, marks.n_turns)[column]
            for side, table, column in zip(sides, delay_s, columns, strict=True)
        ]
        here = hit[0] | hit[1]
        undecided = ~(accepted | rejected)[:, level]
        if undecided.any():
            for pause, (yes, _) in decisions.resolve(settings, undecided[: len(pauses)]).items():
                if not undecided[pause]:
                    continue
                for cell in np.flatnonzero(slot == pause):
                    own = np.where(yes, inside[0][cell, columns[0]], inside[1][cell, columns[1]])
                    for row in np.flatnonzero(bits.cell == cell):
                        here[bits.word[row]] |= np.where(own, bits.mask[row], np.uint64(0))
                for row in np.flatnonzero(slot[ends] == pause):
                    for side, table, column, of_side in zip(
                        first_s, delay_s, columns, (yes, ~yes), strict=True
                    ):
                        one_s = np.where(of_side, table[row, column], np.inf)
                        side[:, turn[row]] = np.minimum(side[:, turn[row]], one_s)
        words[:, settings] = here
        timeouts[settings] = np.count_nonzero(first_s[1] < first_s[0], axis=1)
        latency_s[settings] = np.minimum(first_s[0], first_s[1], out=first_s[0])
    counted = np.bitwise_count(words)
    counts = {
        name: counted[first:last].sum(axis=0, dtype=np.int64)
        for name, first, last in zip(COUNTED, bits.first_word[:-1], bits.first_word[1:], strict=True)
    }
    return Tally(**counts, timeouts=timeouts, latency_s=latency_s.T)


def _by_level(level: Ints) -> Iterator[tuple[int, Ints]]:
    """Each threshold that occurs, and its settings."""
    order = np.argsort(level, kind="stable")
    names, first = np.unique(level[order], return_index=True)
    yield from zip(names.tolist(), np.split(order, first[1:]), strict=True)


def _cells(begin_s: Floats, end_s: Floats, marks: Intervals) -> tuple[Ints, Ints]:
    """Pairs (slot, interval) that a commit of the slot, in `[begin_s, end_s)`, can fall into."""
    first = np.searchsorted(marks.end_s, begin_s, side="right")
    n = np.maximum(np.searchsorted(marks.start_s, end_s, side="left") - first, 0)
    slot = np.repeat(np.arange(len(begin_s)), n)
    return slot, np.arange(len(slot)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)


def _bits(slot: Ints, interval: Ints, marks: Intervals) -> _Bits:
    """Number what can be hit, word by word, for each of `COUNTED`."""
    kind, turn = marks.kind[interval], marks.turn[interval]
    in_turn = np.isin(kind, (HOLD, LONG_HOLD, SPEECH)) & (turn < marks.n_turns)
    cells, words, masks, first_word = [], [], [], [0]
    for used, name in (
        (kind == HOLD, interval),
        (in_turn, turn),
        (kind == CUT_OFF, interval),
        (kind == BACKCHANNEL, interval),
    ):
        cell = np.flatnonzero(used)
        names, bit = np.unique(name[cell], return_inverse=True)
        cells.append(cell)
        words.append(first_word[-1] + bit // WORD_BITS)
        masks.append(np.left_shift(np.uint64(1), (bit % WORD_BITS).astype(np.uint64)))
        first_word.append(first_word[-1] - (-len(names) // WORD_BITS))
    order = np.argsort(np.concatenate(words), kind="stable")
    cell, word, mask = (np.concatenate(parts)[order] for parts in (cells, words, masks))
    return _Bits(cell, word, mask, np.array(first_word))


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
