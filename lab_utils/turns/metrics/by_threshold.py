"""Figures of a block of settings, threshold by threshold, without a look at each latency of each setting.

Goal: what `Pooled` says of a block, to the last bit, where many settings share thresholds and delays.
Conventions: as of `metrics`; arrays are (settings,) unless said.
Definition: under one threshold an end of turn is answered after one delay (`min_delay`) or after the other,
hardly ever after both. So the latencies of a setting are two lists, one of its `min_delay` and one of its
`max_delay`, each sorted once for all settings that share it; a percentile is found in two sorted lists by
bisection. Ends of turn that hang on both delays, or on pauses that do, are looked at by setting.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...core.timeline import Floats, Ints
from ...core.traces import Bools
from ..replay.decisions import distinct
from ..replay.records import Decisions
from .cells import Cells, Side, Words, cells_of
from .labelled_pauses import LabelledPauses
from .pooled import COUNTED, labels_counted, mean_of, summary_of
from .scores import PERCENTILES, exact_parts, interpolated, joined_parts, rank_below
from .setting_counts import Counts, Some, counts_of_words, cut_words_of, sides_of
from .two_lists import TwoLists

LEAST_SHARED = 4
"""How many times as many settings as pairs of threshold and delay make this the faster way."""
LEAST_BY_THRESHOLD = 256
"""And how many settings of one threshold."""


class Take(NamedTuple):
    """What a block decides on one take of a recording."""

    recording: int
    decisions: Decisions
    labelled: LabelledPauses
    offset_s: float
    """Stream time less recording time."""


def can_share(takes: Sequence[Take]) -> bool:
    """Whether figures can be found this way, and faster than setting by setting.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> can_share([Take(0, decided, labelled, offset_s=0.0)])  # two settings
    False
    """
    first = takes[0].decisions
    levels, columns = len(first.threshold), first.accepted_s.shape[1]
    if len(first) < max(LEAST_SHARED * levels * columns, LEAST_BY_THRESHOLD * levels):
        return False
    return all(
        not len(one.late_s)
        and np.array_equal(one.level, first.level)
        and np.array_equal(one.min_column, first.min_column)
        and np.array_equal(one.max_column, first.max_column)
        for one in (take.decisions for take in takes)
    )


@dataclass(frozen=True)
class _Hits:
    """What the commits of one side of a take hit, by delay; a threshold takes some rows of it."""

    bits: Words
    """shape=(columns, bits)"""
    bit_row: Ints
    free: Counts
    """Commits of no label, shape=(columns, levels)."""
    delay_s: Floats
    """Latencies, shape=(cells of ends of turn, columns)."""
    end_row: Ints
    taken: Bools
    """shape=(rows, levels)"""

    @classmethod
    def of(cls, side: Side, columns: Ints, cells: Cells, labelled: LabelledPauses) -> _Hits:
        """`columns`: those that settings have of the side."""
        commit_s, owner = (of.take(columns, axis=1) for of in (side.commit_s, side.owner))
        hit = owner[cells.row] == cells.pause[:, None]
        end_row = cells.row[cells.end_cell]
        after_s = commit_s[end_row] - labelled.start_s[cells.pause[cells.end_cell], None]
        bits = np.where(hit[cells.bit_cell], cells.bit[:, None], np.uint64(0))
        free = np.flatnonzero((owner == -1).any(axis=1))
        return cls(
            np.ascontiguousarray(bits.T),
            cells.row[cells.bit_cell],
            (owner[free] == -1).T.astype(np.int64) @ side.taken[free].astype(np.int64),
            np.where(hit[cells.end_cell], after_s, np.inf),
            end_row,
            side.taken,
        )

    def words(self, level: int, cells: Cells) -> Words:
        """Under a threshold, shape=(columns, words)."""
        found = np.zeros((len(self.bits), cells.first_word[-1]), dtype=np.uint64)
        if len(cells.word):
            taken = np.where(self.taken[self.bit_row, level], ~np.uint64(0), np.uint64(0))
            bits = self.bits & taken
            found[:, cells.word] = np.bitwise_or.reduceat(bits, cells.word_start, axis=1)
        return found

    def latency_s(self, level: int, ends: Sequence[tuple[Ints, Ints]], n_turns: int) -> Floats:
        """Under a threshold, shape=(turns, columns); `ends`: `_cells_of_turns`."""
        found = np.full((n_turns, self.delay_s.shape[1]), np.inf)
        for turns, cells in ends:
            taken = self.taken[self.end_row[cells], level]
            own = turns[taken]
            found[own] = np.minimum(found[own], self.delay_s[cells[taken]])
        return found


def _cells_of_turns(cells: Cells) -> list[tuple[Ints, Ints]]:
    """Turns, each once, and a cell of each one's end; then those that have a second one, and so on."""
    number = np.diff(np.append(cells.turn_start, len(cells.end_cell)))
    return [
        (cells.turn[number > k], cells.turn_start[number > k] + k) for k in range(int(number.max(initial=0)))
    ]


@dataclass(frozen=True)
class _Prepared:
    """A take, ready to be asked threshold by threshold."""

    take: Take
    sides: Sequence[Side]
    cells: Cells
    hits: tuple[_Hits, _Hits]
    ends: Sequence[tuple[Ints, Ints]]
    """`_cells_of_turns`"""
    undecided: Bools
    """shape=(rows, levels)"""

    @classmethod
    def of(cls, take: Take, columns: Sequence[Ints]) -> _Prepared:
        decisions, labelled = take.decisions, take.labelled
        sides = sides_of(decisions, labelled, take.offset_s)
        cells = cells_of(sides, labelled)
        first, second = (_Hits.of(*one, cells, labelled) for one in zip(sides, columns, strict=True))
        undecided = ~(decisions.accepted | decisions.rejected)
        return cls(take, sides, cells, (first, second), _cells_of_turns(cells), undecided)

    def by_setting(self, level: int, latency_s: Sequence[Floats]) -> Bools:
        """Ends of turn that may be answered after either delay, or in a pause that hangs on both."""
        first, second = (np.isfinite(of).any(axis=1) for of in latency_s)
        both: Bools = np.asarray(first & second)
        own = self.undecided[self.cells.row[self.cells.end_cell], level]
        both[self.take.labelled.turn[self.cells.pause[self.cells.end_cell[own]]]] = True
        return both


def figures_by_threshold(
    takes: Sequence[Take], wait_s: Floats, subsets: Sequence[Collection[int]]
) -> Iterator[tuple[Ints, list[dict[str, Floats]]]]:
    """The places of some settings of a block, and `Pooled.summaries` of them; until all were told.

    `takes`: of all recordings, one recording's together; `wait_s`, shape=(settings,): an end of turn that is
    committed later is missed; `subsets`: of the recordings, by number.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> decided, labelled = a_call()
    >>> take = Take(0, decided, labelled, offset_s=0.0)
    >>> ((places, (figures,)),) = figures_by_threshold([take], np.array([8.0, 8.0]), [[0]])
    >>> figures["false_boundary_rate"].tolist(), figures["latency_mean"].tolist()
    ([1.0, 0.0], [0.5, 0.75])
    """
    labelled = _labels_of(takes, subsets)
    turn_recording = np.concatenate([np.full(take.labelled.n_turns, take.recording) for take in takes])
    inside = [np.isin(turn_recording, list(subset)) for subset in subsets]
    first = takes[0].decisions
    (low, of_low), (high, of_high) = (distinct(of) for of in (first.min_column, first.max_column))
    prepared = [_Prepared.of(take, (low, high)) for take in takes]
    level = first.level
    order = np.lexsort((wait_s, level))
    new = (np.diff(level[order]) != 0) | (np.diff(wait_s[order]) != 0)
    for places in np.split(order, np.flatnonzero(new) + 1):
        if len(places):
            one = places[0]
            row = of_low[places], of_high[places]
            some = _Together(places, int(level[one]), float(wait_s[one]), row)
            yield places, _figures(prepared, some, subsets, inside, labelled)


class _Together(NamedTuple):
    """Settings that have one threshold and one longest wait."""

    places: Ints
    level: int
    wait_s: float
    row: tuple[Ints, Ints]
    """Of each setting, the place of its delay among the columns of either side."""


def _labels_of(takes: Sequence[Take], subsets: Sequence[Collection[int]]) -> list[Counts]:
    """What rates are out of, by subset: sums of `labels_counted`."""
    counted: dict[int, tuple[LabelledPauses, int]] = {}
    for take in takes:
        counted[take.recording] = take.labelled, counted.get(take.recording, (take.labelled, 0))[1] + 1
    none = labels_counted(takes[0].labelled, 0) * 0
    return [
        sum((labels_counted(*of) for number, of in counted.items() if number in subset), none)
        for subset in subsets
    ]


def _figures(
    prepared: Sequence[_Prepared],
    some: _Together,
    subsets: Sequence[Collection[int]],
    inside: Sequence[Bools],
    labelled: Sequence[Counts],
) -> list[dict[str, Floats]]:
    places, level, wait_s, row = some
    counts = [np.zeros((len(COUNTED), len(places)), dtype=np.int64) for _ in subsets]
    differ = [np.zeros(len(places), dtype=np.int64) for _ in subsets]
    cut: list[tuple[int, Words]] = []
    tables: tuple[list[Floats], list[Floats]] = ([], [])
    by_setting: list[Bools] = []
    own_s: tuple[list[Floats], list[Floats]] = ([], [])
    for one in prepared:
        n_turns = one.take.labelled.n_turns
        latency_s = [hits.latency_s(level, one.ends, n_turns) for hits in one.hits]
        special = one.by_setting(level, latency_s)
        own = [table[special].take(of, axis=1) for table, of in zip(latency_s, row, strict=True)]
        words, in_no_label = _words_of(one, level, places, row, special, own)
        found = counts_of_words(words, one.cells, one.take.labelled)
        for table in (*latency_s, *own):
            np.copyto(table, np.inf, where=table > wait_s + 1e-9)
        timeouts = np.count_nonzero(latency_s[1][~special] < np.inf, axis=0)[row[1]]
        found |= {
            "in_no_label": in_no_label,
            "timeouts": timeouts + np.count_nonzero(own[1] < own[0], axis=0),
        }
        number = one.take.recording
        stacked = np.array([found[name] for name in COUNTED])
        cut = [(n, w) for n, w in cut if n == number]
        own_cut = cut_words_of(words, one.cells)
        for k, subset in enumerate(subsets):
            if number in subset:
                counts[k] += stacked
                for _, other in cut:
                    differ[k] += np.bitwise_count(own_cut ^ other).sum(axis=0, dtype=np.int64)
        cut.append((number, own_cut))
        by_setting.append(special)
        for k in range(2):
            tables[k].append(latency_s[k])
            own_s[k].append(own[k])
    every_special = np.concatenate(by_setting)
    both = [np.concatenate(of) for of in tables]
    own_least_s = np.minimum(*(np.concatenate(of) for of in own_s))
    second = np.isfinite(both[1]).any(axis=1) & ~every_special
    lists = ~second & ~every_special, second
    summaries = []
    for k, there in enumerate(inside):
        ordered = [np.sort(of[which & there].T, axis=1) for of, which in zip(both, lists, strict=True)]
        latencies = _latency_figures(ordered, row, own_least_s[there[every_special]])
        summaries.append(summary_of(counts[k], differ[k], labelled[k], latencies))
    return summaries


def _words_of(
    one: _Prepared,
    level: int,
    places: Ints,
    row: Sequence[Ints],
    special: Bools,
    own: list[Floats],
) -> tuple[Words, Counts]:
    """What settings hit, shape=(words, settings), and commits of no label; `own` is completed."""
    words, other = (
        hits.words(level, one.cells).take(of, axis=0) for hits, of in zip(one.hits, row, strict=True)
    )
    words |= other
    every = np.ascontiguousarray(words.T)
    in_no_label = one.hits[0].free[row[0], level] + one.hits[1].free[row[1], level]
    if one.undecided[:, level].any():
        turn_places = np.where(special, np.cumsum(special) - 1, -1)
        some = Some(places, slice(None), turn_places)
        take = one.take
        some.add_undecided(
            take.decisions, take.labelled, one.sides, one.cells, level, every, in_no_label, own
        )
    return every, in_no_label


def _latency_figures(lists: Sequence[Floats], row: Sequence[Ints], own: Floats) -> list[NDArray[Any]]:
    """As `pooled.latency_figures`, of latencies in two lists, each ascending, and some of each setting's own.

    `own`: shape=(n, settings).
    """
    settings = own.shape[1]
    n = lists[0].shape[1] + lists[1].shape[1] + len(own)
    if not n:
        nan = np.full(settings, np.nan)
        return [np.zeros(settings, dtype=np.int64), nan, nan, *(nan for _ in PERCENTILES)]
    committed = np.count_nonzero(own < np.inf, axis=0)
    sums = [part.sum(axis=0) for part in exact_parts(np.where(own < np.inf, own, 0.0))]
    longest_s = own.max(axis=0, initial=-np.inf)
    for one, of in zip(lists, row, strict=True):
        if not one.shape[1]:
            continue
        seen = one < np.inf
        committed += np.count_nonzero(seen, axis=1)[of]
        for sum_s, part in zip(sums, exact_parts(np.where(seen, one, 0.0)), strict=True):
            sum_s += part.sum(axis=1)[of]
        np.maximum(longest_s, one[:, -1][of], out=longest_s)
    mean_s = mean_of(joined_parts(*sums), committed)
    two = TwoLists(lists, row, own)
    return [
        committed,
        longest_s,
        mean_s,
        *(interpolated(n, q, *two.at(rank_below(n, q))) for q in PERCENTILES),
    ]
