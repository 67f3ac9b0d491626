"""What the commits of a block may hit: pairs of a row and a pause, and the bits that stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from .labelled_pauses import BACKCHANNEL, CUT_OFF, END_OF_TURN, HOLD, LabelledPauses

Words = NDArray[np.uint64]
WORD_BITS = 64
COUNTED = ("holds_cut", "turns_cut", "cut_offs_cut", "backchannels_hit")


@dataclass(frozen=True)
class Cells:
    """Pairs (row, pause) such that a commit of the row may be scored under the pause."""

    row: Ints
    pause: Ints
    bit_cell: Ints
    """The cell behind each bit that can be set, in order of the words; a cell may set two (its hold and its
    turn)."""
    bit: Words
    """As a mask of its word."""
    word: Ints
    """The words that can be hit, in order, and where their bits begin in `bit`: `word_start`."""
    word_start: Ints
    first_word: Ints
    """Of each of `COUNTED`, and the total number of words; shape=(5,)."""
    end_cell: Ints
    """The cells of ends of turn, in order of the turns."""
    turn: Ints
    """The turns whose end can be hit, in order, and where their cells begin in `end_cell`: `turn_start`."""
    turn_start: Ints


@dataclass(frozen=True)
class Side:
    """The commits of one side (accepted or rejected ends): a row per pause, then one per late trigger."""

    commit_s: Floats
    """Recording time, shape=(rows, columns)."""
    owner: Ints
    """shape=(rows, columns)"""
    taken: Bools
    """Whether a threshold takes this side in a row; shape=(rows, levels)."""


def cells_of(sides: Sequence[Side], labelled: LabelledPauses) -> Cells:
    """What can be hit, and the bits that stand for it.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> from lab_utils.turns.metrics.setting_counts import sides_of
    >>> decided, labelled = a_call()
    >>> sides = sides_of(decided, labelled, 0.0)
    >>> cells = cells_of(sides, labelled)
    >>> cells.row.tolist(), cells.pause.tolist()
    ([0, 1], [0, 1])
    """
    found = np.zeros((len(sides[0].owner), len(labelled.kind)), np.bool_)
    for side in sides[: 1 if sides[0].owner is sides[1].owner else 2]:
        rows, columns = np.nonzero(side.owner >= 0)
        found[rows, side.owner[rows, columns]] = True
    row, pause = np.nonzero(found)
    own, of_turn, first_word = _numbered(labelled)
    number = np.concatenate((own[pause], of_turn[pause]))
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number[order], 0) :]  # from the first that has a bit on
    word, word_start = _runs(number[order] // WORD_BITS)
    ends = np.flatnonzero(labelled.kind[pause] == END_OF_TURN)
    ends = ends[np.argsort(labelled.turn[pause[ends]], kind="stable")]
    return Cells(
        row,
        pause,
        order % max(1, len(pause)),
        np.left_shift(np.uint64(1), (number[order] % WORD_BITS).astype(np.uint64)),
        word,
        word_start,
        first_word,
        ends,
        *_runs(labelled.turn[pause[ends]]),
    )


def _runs(ordered: Ints) -> tuple[Ints, Ints]:
    """The distinct values, and where each begins."""
    start = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    return ordered[start], start


def _numbered(labelled: LabelledPauses) -> tuple[Ints, Ints, Ints]:
    """Each pause's own bit and its turn's, -1 for none, and the first word of each of `COUNTED`."""
    kind = labelled.kind
    own, of_turn = np.full((2, len(kind)), -1, dtype=np.int64)
    sizes: list[int] = []
    for counted in (HOLD, None, CUT_OFF, BACKCHANNEL):
        first = WORD_BITS * sum(sizes)
        if counted is None:
            in_turn = (kind <= CUT_OFF) & (labelled.turn < labelled.n_turns)
            of_turn[in_turn] = first + labelled.turn[in_turn]
            n = labelled.n_turns
        else:
            n = int(np.count_nonzero(kind == counted))
            own[kind == counted] = first + np.arange(n)
        sizes.append(-(-n // WORD_BITS))
    return own, of_turn, np.cumsum([0, *sizes])
