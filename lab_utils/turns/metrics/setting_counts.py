"""Counts of one recording for a block of settings: which holds, turns and ends of turn its commits hit.

In a pause a setting commits after `min_column`'s delay if the end is accepted, or else after
`max_column`'s. Whether it is accepted depends on the threshold. So two tables are made by threshold and
delay, one of the accepted pauses, one of the others; a setting's counts are one column of each, joined. Holds
and turns are bits of machine words, joined by "or"; latencies are joined by the lesser. The few pauses whose
acceptance depends on the delays as well are added setting by setting.

Which label a commit belongs to: see `owners`. A commit on a branch counts for the branch's own end of turn
only, and a commit of the tape for an end of turn only before its branch begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ..replay.records import Decisions
from .cells import COUNTED, WORD_BITS, Cells, Side, Words, cells_of
from .labelled_pauses import END_OF_TURN, LabelledPauses, owners

Counts = NDArray[np.int64]
MOST_IN_TABLE = 1_000_000
"""Elements of a table at once: few enough to stay near the processor's cache."""
_ELSEWHERE = -2
"""Owner of a commit that belongs to a label and isn't scored there."""


@dataclass(frozen=True)
class SettingCounts:
    """Counts of one recording, one take, for a block of settings; each shape=(settings,) unless said."""

    holds_cut: Counts
    """Scored holds with a commit."""
    turns_cut: Counts
    """User turns with a commit in a hold of any length, or in a cut-off pause before the recorded agent."""
    turns_cut_at_most: Counts
    """The same, if each cut-off pause of which nothing is known counts as cut."""
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


def setting_counts(
    decisions: Decisions, labelled: LabelledPauses, offset_s: float, longest_wait_s: Floats
) -> SettingCounts:
    """Score every setting's commits on one recording.

    `offset_s` is stream time less recording time; `longest_wait_s`, shape=(settings,): an end of turn that
    is committed later is missed.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.turns.metrics import labelled_pauses
    >>> from lab_utils.turns.replay.records import Forks, PauseCommits, TriggerCommits
    >>> user = Ipu("user", 1.0, 2.0), Ipu("user", 2.5, 3.0)
    >>> labelled = labelled_pauses(Labels(9.0, user, (Label("hold", 2.0, 2.5), Label("shift", 3.0, 4.0))))
    >>> commit_s = np.array([[2.25, np.inf], [3.5, 3.75]])  # of two settings, in two pauses
    >>> silence_s, no_detector = np.array([[2.0], [3.0]]), np.full((2, 1), np.nan)
    >>> first = PauseCommits(commit_s, silence_s, np.isfinite(commit_s), no_detector)
    >>> late = TriggerCommits(np.zeros((0, 2)), np.zeros((0, 2)), ())
    >>> decided = Decisions.side_by_side(first, np.array([-1, -1]), [late], Forks())
    >>> found = setting_counts(decided, labelled, 0.0, np.array([8.0, 0.6]))
    >>> found.holds_cut.tolist(), found.latency_s.tolist()
    ([1, 0], [[0.5, inf]])
    """
    return counts_of_sides(decisions, sides_of(decisions, labelled, offset_s), labelled, longest_wait_s)


def counts_of_sides(
    decisions: Decisions, sides: Sequence[Side], labelled: LabelledPauses, longest_wait_s: Floats
) -> SettingCounts:
    """`setting_counts`, once it is known what each commit belongs to.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> sides = sides_of(decided, labelled, 0.0)
    >>> counts_of_sides(decided, sides, labelled, np.array([8.0, 8.0])).holds_cut.tolist()
    [1, 0]
    """
    cells = cells_of(sides, labelled)
    columns = decisions.min_column, decisions.max_column
    found = [
        _of_side(side, decisions.level, column, cells, labelled)
        for side, column in zip(sides, columns, strict=True)
    ]
    words, in_no_label = found[0][0] | found[1][0], found[0][1] + found[1][1]
    first_s = [found[0][2], found[1][2]]
    _add_undecided(decisions, labelled, sides, cells, words, in_no_label, first_s)
    within = longest_wait_s[:, None] + 1e-9
    first_s = [np.where(side_s <= within, side_s, np.inf) for side_s in first_s]
    return SettingCounts(
        **counts_of_words(words, cells, labelled),
        cut_words=cut_words_of(words, cells),
        in_no_label=in_no_label,
        timeouts=np.count_nonzero(first_s[1] < first_s[0], axis=1),
        latency_s=np.minimum(*first_s).T,
    )


def counts_of_words(words: Words, cells: Cells, labelled: LabelledPauses) -> dict[str, Counts]:
    """How many of each of `COUNTED` are hit, and `turns_cut_at_most`; `words`: shape=(words, settings).

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> sides = sides_of(decided, labelled, 0.0)
    >>> cells = cells_of(sides, labelled)
    >>> words = np.zeros((cells.first_word[-1], 1), dtype=np.uint64)
    >>> words[0] = 1  # the first hold
    >>> counts_of_words(words, cells, labelled)["holds_cut"].tolist()
    [1]
    """
    counted = np.bitwise_count(words)
    pieces = [slice(*cells.first_word[k : k + 2]) for k in range(len(COUNTED))]
    counts = {
        name: counted[piece].sum(axis=0, dtype=np.int64) for name, piece in zip(COUNTED, pieces, strict=True)
    }
    cut_off = np.flatnonzero(labelled.cut_off_turns)
    if not len(cut_off):
        return counts | {"turns_cut_at_most": counts["turns_cut"]}
    turns = words[pieces[1]] | _turn_bits(cut_off, labelled.n_turns)[:, None]
    return counts | {"turns_cut_at_most": np.bitwise_count(turns).sum(axis=0, dtype=np.int64)}


def cut_words_of(words: Words, cells: Cells) -> Words:
    """The words of scored holds and cut-off pauses.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> sides = sides_of(decided, labelled, 0.0)
    >>> cells = cells_of(sides, labelled)
    >>> words = np.zeros((cells.first_word[-1], 1), dtype=np.uint64)
    >>> words[0] = 1  # the first hold
    >>> cut_words_of(words, cells).tolist()
    [[1]]
    """
    holds, cut_offs = (slice(*cells.first_word[k : k + 2]) for k in (0, 2))
    return np.concatenate([words[holds], words[cut_offs]])


def _add_undecided(
    decisions: Decisions,
    labelled: LabelledPauses,
    sides: Sequence[Side],
    cells: Cells,
    words: Words,
    in_no_label: Counts,
    first_s: list[Floats],
) -> None:
    """Add pauses whose acceptance depends on the delays too to the last three arguments."""
    undecided = ~(decisions.accepted | decisions.rejected)
    turns = np.arange(labelled.n_turns)
    for level in np.flatnonzero(undecided.any(axis=0)).tolist():
        settings = np.flatnonzero(decisions.level == level)
        some = Some(settings, settings, turns)
        by_turn = [side_s.T for side_s in first_s]
        some.add_undecided(decisions, labelled, sides, cells, level, words, in_no_label, by_turn)


@dataclass(frozen=True)
class Some:
    """Some settings and turns, and where they stand in arrays."""

    settings: Ints
    places: Ints | slice
    """Of each of the settings."""
    turn_places: Ints
    """Of every turn; -1 for one that isn't there."""

    def add_undecided(
        self,
        decisions: Decisions,
        labelled: LabelledPauses,
        sides: Sequence[Side],
        cells: Cells,
        level: int,
        words: Words,
        in_no_label: Counts,
        first_s: Sequence[Floats],
    ) -> None:
        """Add what some settings of one threshold do in its undecided pauses to the last three arguments.

        `words`: shape=(words, settings); `first_s`: by side, shape=(turns, settings).
        """
        columns = decisions.min_column[self.settings], decisions.max_column[self.settings]
        undecided = ~(decisions.accepted[:, level] | decisions.rejected[:, level])
        resolved = decisions.resolve(self.settings, undecided)
        of_row = np.searchsorted(cells.row, np.arange(len(undecided) + 1))
        for row in np.flatnonzero(undecided).tolist():
            accepted, _ = resolved[row]
            owners_of = [side.owner[row] for side in sides]

            def chosen(by_column: Sequence[NDArray[Any]], accepted: Bools = accepted) -> NDArray[Any]:
                """Each setting's, from what either side has by column."""
                first, second = (of[column] for of, column in zip(by_column, columns, strict=True))
                return np.where(accepted, first, second)

            in_no_label[self.places] += chosen([of == -1 for of in owners_of])
            for cell in range(of_row[row], of_row[row + 1]):
                pause = cells.pause[cell]
                hit = [of == pause for of in owners_of]
                for bit in np.flatnonzero(cells.bit_cell == cell).tolist():
                    word = cells.word[np.searchsorted(cells.word_start, bit, side="right") - 1]
                    words[word, self.places] |= chosen(hit) * cells.bit[bit]
                if labelled.kind[pause] == END_OF_TURN:
                    turn = self.turn_places[labelled.turn[pause]]
                    for side, of, column, which, taken in zip(
                        sides, hit, columns, first_s, (accepted, ~accepted), strict=True
                    ):
                        after_s = np.where(of, side.commit_s[row] - labelled.start_s[pause], np.inf)
                        own_s = np.where(taken, after_s[column], np.inf)
                        which[turn, self.places] = np.minimum(which[turn, self.places], own_s)


def sides_of(decisions: Decisions, labelled: LabelledPauses, offset_s: float) -> list[Side]:
    """Both sides of the decisions, with the label that each commit is scored under.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> sides = sides_of(decided, labelled, 0.0)
    >>> sides[0].owner.tolist()  # -2: no commit
    [[0, -2], [1, 1]]
    """
    late_s = decisions.late_s - offset_s
    last_s = decisions.last_speaking_s - offset_s
    shape = decisions.accepted_s.shape
    branch = np.concatenate((decisions.branch, decisions.late_branch))
    every = np.ones((len(late_s), decisions.accepted.shape[1]), np.bool_)
    sides: list[Side] = []
    late_last_s = decisions.late_last_speaking_s - offset_s
    for times_s, taken in (
        (decisions.accepted_s, decisions.accepted),
        (decisions.rejected_s, decisions.rejected),
    ):
        if sides and times_s is decisions.accepted_s and not len(late_s):
            sides.append(Side(sides[0].commit_s, sides[0].owner, taken))
            break
        commit_s, own_last_s = times_s - offset_s, last_s
        if len(late_s):  # further rows, which every setting accepts
            other_s = late_s if not sides else np.full_like(late_s, np.inf)
            commit_s = np.concatenate((commit_s, other_s))
            own_last_s = np.concatenate((np.broadcast_to(last_s, shape), late_last_s))
            taken = np.concatenate((taken, every if not sides else ~every))
        owner = owners(own_last_s, commit_s, labelled)
        sides.append(Side(commit_s, _scored(owner, commit_s, branch, decisions, labelled, offset_s), taken))
    return sides


def _scored(
    owner: Ints,
    commit_s: Floats,
    branch: Ints,
    decisions: Decisions,
    labelled: LabelledPauses,
    offset_s: float,
) -> Ints:
    """The owners; `_ELSEWHERE` where there is no commit, and where a commit isn't scored under its label."""
    ends = labelled.ends_of_turn
    until_s = np.append(labelled.agent_s, np.inf)  # a cut-off pause is known until then
    until_s[ends[decisions.forks.turn]] = decisions.forks.from_s - offset_s
    own_end = np.append(ends[decisions.forks.turn], -1)[branch][:, None]
    on_tape = branch[:, None] < 0
    scored = np.where(on_tape, commit_s < until_s[owner], owner == own_end)
    return np.where(np.isfinite(commit_s) & scored, owner, _ELSEWHERE)


def _turn_bits(turns: Ints, n_turns: int) -> Words:
    """Words of the turns with these bits set."""
    found = np.zeros(-(-n_turns // WORD_BITS), dtype=np.uint64)
    np.bitwise_or.at(
        found, turns // WORD_BITS, np.left_shift(np.uint64(1), (turns % WORD_BITS).astype(np.uint64))
    )
    return found


def _of_side(
    side: Side, level: Ints, column: Ints, cells: Cells, labelled: LabelledPauses
) -> tuple[Words, Counts, Floats]:
    """What one side's commits hit under each setting: words, shape=(words, settings), commits of no label,
    and the first commit after each end of turn, shape=(settings, turns).

    Settings that share threshold and delay share a column of the tables.
    """
    n_columns = side.owner.shape[1]
    pairs, place = np.unique(level * n_columns + column, return_inverse=True)
    words = np.zeros((cells.first_word[-1], len(pairs)), dtype=np.uint64)
    free = np.zeros(len(pairs), dtype=np.int64)
    first_s = np.full((len(pairs), labelled.n_turns), np.inf)
    start_s = labelled.start_s[cells.pause[cells.end_cell], None]
    end_row = cells.row[cells.end_cell]
    step = max(1, MOST_IN_TABLE // max(1, len(side.owner), len(cells.bit)))
    for k in range(0, len(pairs), step):
        here = slice(k, k + step)
        of_level, of_column = np.divmod(pairs[here], n_columns)
        owner = np.where(side.taken[:, of_level], side.owner[:, of_column], _ELSEWHERE)
        free[here] = np.count_nonzero(owner == -1, axis=0)
        hit = owner[cells.row] == cells.pause[:, None]
        if len(cells.word):
            bits = np.where(hit[cells.bit_cell], cells.bit[:, None], np.uint64(0))
            words[cells.word, here] = np.bitwise_or.reduceat(bits, cells.word_start, axis=0)
        if len(cells.turn):
            delay_s = np.where(hit[cells.end_cell], side.commit_s[end_row][:, of_column] - start_s, np.inf)
            first_s[here, cells.turn] = np.minimum.reduceat(delay_s, cells.turn_start, axis=0).T
    return words[:, place], free[place], first_s[place]
