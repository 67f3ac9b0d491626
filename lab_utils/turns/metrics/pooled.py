"""Counts of many recordings for a block of settings, for several subsets of the recordings at once.

Goal: all that a sweep's figures need of a recording once its traces are gone, so that recordings can come one
by one. Counts are added up; latencies are kept to the last bit, in a file if they are many.
Conventions: as of `metrics`; arrays are (settings,) unless said.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.samples.kept import Kept, release
from ...core.timeline import Floats
from .labelled_pauses import BACKCHANNEL, CUT_OFF, HOLD, LabelledPauses
from .scores import LATENCIES, PERCENTILES, exact_parts, joined_parts, percentile
from .setting_counts import Counts, SettingCounts

AT_ONCE = 1024
"""Settings whose latencies are sorted at once: few enough to stay in the processor's cache."""
SORTED_AT_ONCE = 2_000_000
"""Latencies that are sorted at once."""
LATENCIES_AT_ONCE = 16_000_000
"""So many latencies are in memory, 128 MB; more lie in a file."""
RELEASED_EVERY = 256
"""Recordings, after which what was read of the file is let go; some 64 KB are read around each place."""
COUNTED = (
    "holds_cut",
    "cut_offs_cut",
    "turns_cut",
    "turns_cut_at_most",
    "backchannels_hit",
    "timeouts",
    "in_no_label",
)
_KINDS = (HOLD, CUT_OFF, BACKCHANNEL)


class Pooled:
    """Counts of recordings, added as they come."""

    def __init__(self, subsets: Sequence[Collection[int]], settings: int) -> None:
        """`subsets`: of the recordings, by number; `settings`: how many the block has."""
        self._subsets = subsets
        self._settings = settings
        self._cell: dict[tuple[bool, ...], int] = {}
        """Recordings that are in the same subsets share a cell, by which subsets these are."""
        self._counts: list[Counts] = []
        """Of each cell, shape=(counts, settings)."""
        self._differ: list[Counts] = []
        """Holds and cut-off pauses on which two takes differ, over all pairs of takes."""
        self._labelled: list[Counts] = []
        """Of each cell: labels by `_KINDS`, turns and takes, recordings, and pairs of takes x holds."""
        self._latency_s = Kept(8 * LATENCIES_AT_ONCE)
        """Each recording's, shape=(settings, takes x turns), one after the other."""
        self._lengths: list[int] = []
        self._cell_of: list[int] = []

    def add(
        self, number: int, takes: Sequence[SettingCounts], labelled: LabelledPauses, recordings: int = 1
    ) -> None:
        """One recording's counts, one of each take; or those of so many joined, which are in its subsets."""
        cell = self._cell_for(number)
        own = np.array([[getattr(take, name) for name in COUNTED] for take in takes])
        self._counts[cell] += own.sum(axis=0)
        for one, other in combinations(takes, 2):
            differ = np.bitwise_count(one.cut_words ^ other.cut_words)
            self._differ[cell] += differ.sum(axis=0, dtype=np.int64)
        self._labelled[cell] += labels_counted(labelled, len(takes), recordings)
        latency_s = np.concatenate([take.latency_s for take in takes]).T
        self._latency_s.add(np.ascontiguousarray(latency_s).ravel())
        self._lengths.append(latency_s.shape[1])
        self._cell_of.append(cell)

    def _cell_for(self, number: int) -> int:
        inside = tuple(number in subset for subset in self._subsets)
        if inside not in self._cell:
            self._cell[inside] = len(self._cell)
            self._counts.append(np.zeros((len(COUNTED), self._settings), dtype=np.int64))
            self._differ.append(np.zeros(self._settings, dtype=np.int64))
            self._labelled.append(np.zeros(len(_KINDS) + 4, dtype=np.int64))
        return self._cell[inside]

    def summaries(self) -> list[dict[str, Floats]]:
        """Rates and latencies on each subset; a rate without a denominator, a latency without a turn is NaN.

        Pooled over takes; commits in no label are a take's mean.
        """
        latencies = self._latencies()
        return [self._summary(k, latencies[k]) for k in range(len(self._subsets))]

    def _cells(self, subset: int) -> list[int]:
        return [cell for inside, cell in self._cell.items() if inside[subset]]

    def _summary(self, subset: int, latencies: Sequence[NDArray[Any]]) -> dict[str, Floats]:
        cells = self._cells(subset)
        none = np.zeros((len(COUNTED), self._settings), dtype=np.int64)
        counts = sum((self._counts[cell] for cell in cells), none)
        labelled = sum((self._labelled[cell] for cell in cells), np.zeros(len(_KINDS) + 4, dtype=np.int64))
        differ = sum((self._differ[cell] for cell in cells), none[0])
        return summary_of(counts, differ, labelled, latencies)

    def _latencies(self) -> list[list[NDArray[Any]]]:
        """Of each subset: committed turns, longest and mean latency, and percentiles."""
        cell_of = np.repeat(self._cell_of, self._lengths)
        inside = [np.isin(cell_of, self._cells(k)) for k in range(len(self._subsets))]
        weights = np.array(inside, dtype=np.float64).reshape(len(inside), -1).T
        parts: list[list[list[NDArray[Any]]]] = [[] for _ in self._subsets]
        for latency_s in self._chunks():
            # Sorted once: a subset's are the others left out.
            order = np.argsort(latency_s, axis=1)
            ordered = np.take_along_axis(latency_s, order, axis=1)
            seen = latency_s < np.inf
            coarse, fine = exact_parts(np.where(seen, latency_s, 0.0))  # summed for all subsets at once
            sums_s, committed = joined_parts(coarse @ weights, fine @ weights), seen @ weights
            for k, (found, of_subset) in enumerate(zip(parts, inside, strict=True)):
                own = ordered if of_subset.all() else ordered[of_subset[order]].reshape(len(order), -1)
                found.append(latency_figures(own, committed[:, k].astype(np.int64), sums_s[:, k]))
        return [[np.concatenate(part) for part in zip(*found, strict=True)] for found in parts]

    def _chunks(self) -> Iterator[Floats]:
        """Some settings at a time: the latencies of all recordings, shape=(settings, takes x turns)."""
        every: Floats = self._latency_s.array()
        ends = np.cumsum([0, *self._lengths])
        most = max(1, min(AT_ONCE, SORTED_AT_ONCE // max(1, sum(self._lengths))))
        for first in range(0, self._settings, most):
            some = slice(first, min(self._settings, first + most))
            found = np.empty((some.stop - first, ends[-1]))
            for k, (at, end) in enumerate(pairwise(ends.tolist())):
                own = every[at * self._settings : end * self._settings].reshape(self._settings, end - at)
                found[:, at:end] = own[some]
                if k % RELEASED_EVERY == 0:
                    release(every)
            yield found


def labels_counted(labelled: LabelledPauses, takes: int, recordings: int = 1) -> Counts:
    """Over the takes: labels by kind, turns, takes; then recordings, and pairs of takes x holds.

    >>> from lab_utils.turns.metrics._example import a_call
    >>> _, labelled = a_call()  # one hold, one turn
    >>> labels_counted(labelled, takes=2).tolist()
    [2, 0, 0, 2, 2, 1, 1]
    """
    of_label = np.array([*map(labelled.count, _KINDS), labelled.n_turns, recordings])
    pairs = takes * (takes - 1) // 2 * (of_label[0] + of_label[1])
    return np.array([*(takes * of_label), recordings, pairs])


def summary_of(
    counts: Counts, differ: Counts, labelled: Counts, latencies: Sequence[NDArray[Any]]
) -> dict[str, Floats]:
    """Rates and latencies of settings, from sums over recordings.

    `counts`: by `COUNTED`, shape=(counts, settings); `differ`: holds on which two takes differ, over all
    pairs; `labelled`: sums of `labels_counted`; `latencies`: as of `latency_figures`.

    >>> counts = np.array([[1], *[[0]] * 6])  # a hold is cut, of four; of three turns all are answered
    >>> latencies = [np.array([3]), *[np.array([0.5])] * 5]
    >>> labels = np.array([4, 0, 0, 3, 1, 1, 0])
    >>> found = summary_of(counts, np.array([0]), labels, latencies)
    >>> found["false_boundary_rate"].tolist(), found["missed_rate"].tolist()
    ([0.25], [0.0])
    """
    of = dict(zip(COUNTED, counts, strict=True))
    scored, cut_offs, backchannels, n_turns, n_takes, n_recordings, n_pairs = labelled.tolist()
    n_holds = scored + cut_offs
    committed, longest, *figures = latencies
    rates = {
        "false_boundary_rate": _ratio(of["holds_cut"] + of["cut_offs_cut"], n_holds),
        "false_boundary_rate_per_turn": _ratio(of["turns_cut"], n_turns),
        "timeout_rate": _ratio(of["timeouts"], n_turns),
        "missed_rate": _ratio(n_turns - committed, n_turns),
        "false_boundary_rate_at_most": _ratio(of["holds_cut"] + cut_offs, n_holds),
        "false_boundary_rate_per_turn_at_most": _ratio(of["turns_cut_at_most"], n_turns),
        "backchannel_rate": _ratio(of["backchannels_hit"], backchannels),
        "commits_in_no_label": of["in_no_label"] / (max(1, n_takes) / max(1, n_recordings)),
        "longest_wait": longest,
    }
    flips = {"coin_flips": _ratio(differ, n_pairs)}
    return rates | dict(zip(LATENCIES, figures, strict=True)) | flips


def summarize(
    counts: Sequence[Sequence[SettingCounts]], labelled: Sequence[LabelledPauses]
) -> dict[str, Floats]:
    """`Pooled.summaries` of all recordings; `counts[r]`: recording r's, one per take.

    Coin flips: the probability that two takes of a call disagree on whether a hold is cut, over the scored
    holds and cut-off pauses of all recordings; NaN with a single take.

    >>> from lab_utils.core.labels import Ipu, Label, Labels
    >>> from lab_utils.turns.metrics import labelled_pauses
    >>> labels = Labels(9.0, (Ipu("user", 1.0, 2.0),), (Label("shift", 2.0, 3.0), Label("hold", 4.0, 4.5)))
    >>> none = np.zeros(1, dtype=np.int64)
    >>> takes = [
    ...     SettingCounts(*[none] * 5, np.array([[bits]], dtype=np.uint64), none, none, np.array([[wait_s]]))
    ...     for bits, wait_s in ((0b0, 0.6), (0b1, 0.8), (0b1, np.inf))
    ... ]
    >>> found = summarize([takes], [labelled_pauses(labels)])
    >>> [float(found[name][0].round(3)) for name in ("latency_mean", "latency_p50", "latency_p95")]
    [0.7, 0.8, inf]
    >>> float(found["missed_rate"][0].round(3)), float(found["longest_wait"][0])
    (0.333, inf)
    >>> found["coin_flips"].round(3).tolist()  # of 3 pairs 2 disagree, on one hold
    [0.667]
    """
    pooled = Pooled([range(len(counts))], len(counts[0][0].timeouts))
    for number, (takes, of) in enumerate(zip(counts, labelled, strict=True)):
        pooled.add(number, takes, of)
    return pooled.summaries()[0]


def latency_figures(latency_s: Floats, committed: Counts, sum_s: Floats) -> list[NDArray[Any]]:
    """Committed turns, longest and mean latency and percentiles of some settings, each shape=(settings,).

    `latency_s`: shape=(settings, turns), each row ascending; infinity where no commit came. `committed`,
    `sum_s`: how many are finite, and their sum (`exact_parts`).

    >>> ordered, committed, sum_s = np.array([[0.5, 1.5, np.inf]]), np.array([2]), np.array([2.0])
    >>> _, longest_s, mean_s, *_ = latency_figures(ordered, committed, sum_s)
    >>> float(longest_s[0]), float(mean_s[0])
    (inf, 1.0)
    """
    # A copy: a view would hold them all.
    longest_s = latency_s[:, -1].copy() if latency_s.shape[1] else np.full(len(latency_s), np.nan)
    percentiles = (percentile(latency_s, q) for q in PERCENTILES)
    return [committed, longest_s, mean_of(sum_s, committed), *percentiles]


def mean_of(sum_s: Floats, committed: Counts) -> Floats:
    """Means; NaN of nothing.

    >>> mean_of(np.array([3.0, 0.0]), np.array([2, 0])).tolist()
    [1.5, nan]
    """
    return np.where(committed > 0, sum_s / np.maximum(committed, 1), np.nan)


def _ratio(count: NDArray[np.int64] | Floats, n: int) -> Floats:
    return count / n if n else np.full(len(count), np.nan)
