"""Grids too large for a table of all their settings: those settings that some budget might choose.

Goal: what `choose` and `frontier` find in a sweep of every setting, from a table of a few hundred of them.
Conventions: settings are numbered in the order in which `grid.expand` would list them; rates in [0, 1],
latencies in seconds.
Method: settings are scored block by block, on all recordings and without each fold of them, and of each block
those are kept that no other beats: that have the least latency, of each kind, among those with no more false
boundaries, or the fewest false boundaries among those with no greater latency, by `choose`'s own order. So
the choice under a budget of the two, and the held-out one, is the same as among all (`can_choose`). Only
settings count that leave at most `MOST_MISSED` of the ends of turn unanswered, if there are any. The first
setting is kept, too: it is chosen where none was scored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ...core.batch import results, run_batch
from ...core.settings import USUAL_CONDITIONS, Conditions
from ...core.timeline import Floats, Ints
from ..branches import longest_wait_s
from ..choose import MOST_MISSED, Budget
from ..folds import subsets_of
from ..metrics import LATENCIES, Pooled
from ..metrics.by_threshold import Take, can_share, figures_by_threshold
from ..replay import Block, blocks_of
from ..replay.block import IN_A_BLOCK
from ..sweep import BLOCK_LATENCIES, Corpus
from . import (
    MOST_IN_GRID,
    BadGrid,
    check_knobs,
    check_size,
    complete,
    expand,
    is_large,
    is_possible,
    knob_value,
)

AT_ONCE = 250_000
"""Settings that are decided together: what is kept of them takes some 100 MB."""
DELAYS_AT_ONCE = 32_000_000
"""Latencies by delay, of all recordings, that may be in memory: 256 MB; with more, settings are scored one by
one."""

Numbered = tuple[Ints, Block]


@dataclass(frozen=True)
class Part:
    """The settings of a grid that differ in threshold and waits only."""

    row: pd.DataFrame
    """One of them, complete."""
    first: int
    """Number of the first setting."""
    values: Mapping[str, tuple[Floats, Ints]]
    """Of each of `IN_A_BLOCK`: its values, ascending, and what each adds to a setting's number."""

    @property
    def settings(self) -> int:
        """How many are possible."""
        thresholds, low, high = (self.values[name][0] for name in IN_A_BLOCK)
        return len(thresholds) * int(np.sum(~(low[:, None] > high)))

    @property
    def delays(self) -> int:
        """How many different ones the settings have."""
        return len(np.union1d(self.values["min_delay"][0], self.values["max_delay"][0]))

    def blocks(self, conditions: Conditions) -> Iterator[Numbered]:
        """The numbers of possible settings, and their blocks; those of one threshold stand together."""
        ((_, block),) = blocks_of(self.row, conditions, 1)
        (thresholds, of_threshold), (low, of_low), (high, of_high) = (
            self.values[name] for name in IN_A_BLOCK
        )
        min_delay, max_delay = (of.ravel() for of in np.meshgrid(low, high, indexing="ij"))
        numbers = (of_low[:, None] + of_high).ravel()
        possible = ~(min_delay > max_delay)
        min_delay, max_delay, numbers = min_delay[possible], max_delay[possible], numbers[possible]
        max_delay = np.where(np.isnan(max_delay), min_delay, max_delay)
        step = max(1, AT_ONCE // max(1, len(numbers)))
        for at in range(0, len(thresholds), step) if len(numbers) else ():
            some = np.nan_to_num(thresholds[at : at + step])
            yield (
                (self.first + of_threshold[at : at + step, None] + numbers).ravel(),
                replace(
                    block,
                    threshold=np.repeat(some, len(numbers)),
                    min_delay=np.tile(min_delay, len(some)),
                    max_delay=np.tile(max_delay, len(some)),
                ),
            )


@dataclass(frozen=True)
class LargeGrid:
    """A grid that is never listed."""

    lists: Mapping[str, Sequence[Any]]
    parts: tuple[Part, ...]
    settings: int
    """How many are possible."""
    impossible: int

    @classmethod
    def of(cls, grid: Mapping[str, Sequence[Any]]) -> LargeGrid:
        """Raises BadGrid for what `expand` refuses, but not for its size, and for policies and thresholds by
        language, of which only a smaller grid may have several."""
        check_size(grid, MOST_IN_GRID)
        check_knobs(grid)
        lists = {name: [knob_value(name, value) for value in values] for name, values in grid.items()}
        sizes = [len(values) for values in lists.values()]
        strides = dict(zip(lists, [math.prod(sizes[k + 1 :]) for k in range(len(sizes))], strict=True))
        outer = [name for name in lists if name not in IN_A_BLOCK]
        for name in IN_A_BLOCK:
            if any(isinstance(value, Mapping) for value in lists.get(name, ())):
                raise BadGrid(f"grid: {name} by language can't stand in so large a grid; shorten its lists")
            if any(value is None or value != value for value in lists.get(name, ())):
                raise BadGrid(f"grid: {name} has a value that is none; give LiveKit's default as a number")
        inner = {name: lists[name][0] for name in IN_A_BLOCK if name in lists}
        parts: list[Part] = []
        n, impossible, seen = 0, 0, set()
        for places in product(*(range(len(lists[name])) for name in outer)):
            chosen = {name: lists[name][place] for name, place in zip(outer, places, strict=True)}
            row = complete(pd.DataFrame([inner | chosen]))
            same = tuple(row.drop(columns=list(IN_A_BLOCK)).astype(str).iloc[0])
            if same in seen:  # they differ in idle knobs
                continue
            seen.add(same)
            if row["wait_shape"].notna().any() or (row[["extra_delay_numbers", "extra_delay_asked"]] > 0).any(
                axis=None
            ):
                raise BadGrid("grid: waits by policy can't stand in so large a grid; shorten its lists")
            values = {name: _values(row, name, lists.get(name), strides.get(name, 0)) for name in IN_A_BLOCK}
            first = sum(strides[name] * place for name, place in zip(outer, places, strict=True))
            part = Part(row, first, values)
            every = math.prod(len(of) for of, _ in values.values())
            lenient = row.assign(max_delay=np.where(row["max_delay"].isna(), np.nan, math.inf))
            possible = part.settings if is_possible(lenient).all() else 0
            parts += [part] if possible else []
            n, impossible = n + possible, impossible + every - possible
        if not n:
            raise BadGrid("no setting of the grid is possible; widen one of its lists")
        return cls(lists, tuple(parts), n, impossible)

    def blocks(self, conditions: Conditions = USUAL_CONDITIONS) -> Iterator[Block]:
        """All possible settings."""
        return (block for part in self.parts for _, block in part.blocks(conditions))

    def table(self, numbers: Ints) -> pd.DataFrame:
        """Some settings, by their numbers, as `expand` lists them."""
        sizes = [len(values) for values in self.lists.values()]
        places = np.unravel_index(np.unique(numbers), sizes)
        columns = {
            name: pd.Series([values[place] for place in of.tolist()])
            for (name, values), of in zip(self.lists.items(), places, strict=True)
        }
        return complete(pd.DataFrame(columns))


def table_of(grid: Mapping[str, Sequence[Any]]) -> tuple[pd.DataFrame | LargeGrid, int]:
    """`expand`, or the grid itself if it is too large for a table, whose impossible settings it counts."""
    return (LargeGrid.of(grid), 0) if is_large(grid) else expand(grid)


def can_choose(budget: Budget) -> bool:
    """Whether what is kept of a large grid has what a budget chooses from all of it."""
    return budget.most_missed == MOST_MISSED and (
        (budget.limit == "false_boundary_rate" and budget.least in LATENCIES)
        or (budget.limit in LATENCIES and budget.least == "false_boundary_rate")
    )


def _values(row: pd.DataFrame, name: str, values: Sequence[Any] | None, stride: int) -> tuple[Floats, Ints]:
    """A knob's distinct values beside a row's others, ascending, and what each adds to the number."""
    own = row[name].to_numpy(np.float64)
    if values is None or np.isnan(own[0]):
        return own, np.zeros(1, dtype=np.int64)
    found, place = np.unique(np.array(values, dtype=np.float64), return_index=True)
    return found, place * stride


@dataclass
class Stairs:
    """Settings in order of a limit, each before all others with no greater limit in order of some keys."""

    limit: Floats = field(default_factory=lambda: np.zeros(0))
    keys: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    """The last is the setting's number; shape=(keys, settings)."""

    def add(self, which: Ints, limit: Floats, keys: Sequence[Floats]) -> None:
        """More settings, of which those stay that belong there; `which`: whom to look at, by place."""
        if not len(which):
            return
        if len(self.limit):
            step = np.searchsorted(self.limit, limit[which], side="right") - 1
            best = np.append(self.keys[0], np.inf)  # the last is the one before all others
            which = which[keys[0][which] <= best[step]]  # hardly any: those are compared with care
            if not len(which):
                return
        limit, stacked = limit[which], np.stack([key[which] for key in keys])
        if len(self.limit):
            new = self._comes_first(limit, stacked)
            if not len(new):
                return
            limit = np.concatenate((self.limit, limit[new]))
            stacked = np.concatenate((self.keys, stacked[:, new]), axis=1)
        rank = np.empty(len(limit), dtype=np.int64)
        rank[np.lexsort(stacked[::-1])] = np.arange(len(limit))
        order = np.lexsort((rank, limit))
        best_before = np.minimum.accumulate(np.append(len(limit), rank[order]))[:-1]
        order = order[rank[order] < best_before]
        self.limit, self.keys = limit[order], stacked[:, order]

    def _comes_first(self, limit: Floats, keys: Floats) -> Ints:
        """Settings that none of those here comes before."""
        step = np.searchsorted(self.limit, limit, side="right") - 1
        first = step < 0
        left = np.flatnonzero(~first)
        for own, theirs in zip(keys, self.keys, strict=True):
            ours, best = own[left], theirs[step[left]]
            first[left[ours < best]] = True
            left = left[ours == best]
        return np.flatnonzero(first)


@dataclass
class Best:
    """The settings, on one subset of the recordings, that some budget might choose."""

    first: float = math.inf
    """Number of the first setting."""
    least_missed: float = math.inf
    stairs: dict[str, Stairs] = field(default_factory=dict)

    def add(self, numbers: Ints, figures: Mapping[str, Floats]) -> None:
        """More settings, with the figures of `metrics.summarize`."""
        if not len(numbers):
            return
        self.first = min(self.first, float(numbers.min()))
        if np.isnan(figures["missed_rate"]).all():
            return
        self._allow(float(np.nanmin(figures["missed_rate"])))
        answers = figures["missed_rate"] <= max(MOST_MISSED, self.least_missed) + 1e-12
        number = numbers.astype(np.float64)
        rate, mean_s, p95_s = (figures[n] for n in ("false_boundary_rate", "latency_mean", "latency_p95"))
        mean_s = np.where(np.isnan(mean_s), np.inf, mean_s)  # no latency at all comes last
        answers &= ~np.isnan(rate)
        for name in LATENCIES:
            own = figures[name]
            known = np.flatnonzero(answers & ~np.isnan(own))
            finite = known[own[known] < np.inf]
            self._add(f"least {name}", known, rate, [own, rate, mean_s, p95_s, number])
            self._add(f"frontier of {name}", finite, rate, [own, number])
            if name != "latency_mean":  # whose "least" has these
                self._add(f"fewest false boundaries by {name}", known, own, [rate, mean_s, p95_s, number])

    def _allow(self, least_missed: float) -> None:
        """Where no setting answers often enough, only those that answer most often count."""
        if least_missed < self.least_missed:
            if self.least_missed > MOST_MISSED:
                self.stairs.clear()
            self.least_missed = least_missed

    def _add(self, name: str, which: Ints, limit: Floats, keys: Sequence[Floats]) -> None:
        self.stairs.setdefault(name, Stairs()).add(which, limit, keys)

    def join(self, other: Best) -> None:
        """The best of both."""
        self.first = min(self.first, other.first)
        if other.least_missed > max(MOST_MISSED, self.least_missed):
            return
        self._allow(other.least_missed)
        for name, stairs in other.stairs.items():
            self._add(name, np.arange(len(stairs.limit)), stairs.limit, list(stairs.keys))

    @property
    def numbers(self) -> Ints:
        """Of the settings."""
        every = [stairs.keys[-1] for stairs in self.stairs.values() if len(stairs.limit)]
        first = [self.first] if self.first < math.inf else []
        return np.unique(np.concatenate([first, *every])).astype(np.int64)


def best_settings(
    corpus: Corpus,
    grid: LargeGrid,
    conditions: Conditions = USUAL_CONDITIONS,
    jobs: int = 1,
    quiet: bool = False,
) -> pd.DataFrame:
    """The settings of a grid that some budget might choose, as a table for `sweep`. Raises MissingTraces."""
    subsets = [frozenset(one) for one in subsets_of(len(corpus.recordings))[1]]
    work = partial(_best_of_part, conditions=conditions, subsets=subsets)
    best = [Best() for _ in subsets]
    with (
        corpus.for_workers() as shared,
        tqdm(total=grid.settings, desc="sweeping", unit="setting", disable=quiet) as bar,
    ):
        found = results(run_batch(work, grid.parts, shared=shared, jobs=jobs))
        for part, of_part in zip(grid.parts, found, strict=True):
            for one, more in zip(best, of_part, strict=True):
                one.join(more)
            bar.update(part.settings)
    return grid.table(np.concatenate([one.numbers for one in best]))


def _best_of_part(
    corpus: Corpus, part: Part, *, conditions: Conditions, subsets: Sequence[Collection[int]]
) -> list[Best]:
    best = [Best() for _ in subsets]
    pauses: Any = None
    for numbers, block in part.blocks(conditions):
        if pauses is None:
            pauses = corpus.pauses(block.vad, conditions.frame_duration)
        for places, figures in _figures(corpus, block, part.delays, pauses, subsets):
            for one, of_subset in zip(best, figures, strict=True):
                one.add(numbers[places], of_subset)
    return best


def _figures(
    corpus: Corpus, block: Block, delays: int, pauses: Any, subsets: Sequence[Collection[int]]
) -> Iterator[tuple[Ints, list[dict[str, Floats]]]]:
    """The places of some settings of a block, and their figures on each subset."""
    wait_s = longest_wait_s(block.max_delay)
    corpus.check_waits(float(wait_s.max(initial=0.0)))
    turns = sum(one.n_turns * takes for one, takes in zip(corpus.labelled, corpus.takes, strict=True))
    if turns * delays <= DELAYS_AT_ONCE:
        takes = [
            Take(r, decided, corpus.labelled[r], s) for r, _, decided, s in corpus.decisions(block, pauses)
        ]
        if can_share(takes):
            yield from figures_by_threshold(takes, wait_s, subsets)
            return
        del takes
    step = max(1, BLOCK_LATENCIES // max(1, turns))
    for at in range(0, len(block), step):
        some = slice(at, at + step)
        own = {name: getattr(block, name)[some] for name in ("threshold", "min_delay", "max_delay")}
        one = replace(block, **own)
        pooled = Pooled(subsets, len(one))
        for r, counts in corpus.counted(one, pauses):
            pooled.add(r, counts, corpus.labelled[r])
        yield np.arange(at, at + len(one)), pooled.summaries()
