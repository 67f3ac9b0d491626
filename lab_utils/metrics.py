"""Turn-taking metrics: commits against labels.

Goal: false-boundary rates, latency, timeouts and missed turns of many settings at once, pooled over
recordings and audio phases, with bootstrap intervals by recording.
Conventions: seconds of recording time; arrays are (labelled intervals, settings); infinity for "no commit".
Definitions (after livekit/eot-bench and the README's glossary):
- false boundary: a commit inside a hold, before the user resumes. Rate per hold: holds with a commit / holds
  of 0.2-5.0 s. Rate per turn: user turns with a commit before their true end, in a hold of any length or in
  speech / user turns.
- latency of an end of turn: first commit after the true end of speech, before any further speech of the user.
- timeout: an end of turn committed by `max_delay`. Missed: no commit before the user's next speech or the end
  of the recording (plus the silence added to it).
- pauses labelled `cut_off` are counted apart and enter no rate; so are backchannels that a commit follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from .records import Bools, Commits, Decisions, Labels, Pauses
from .timeline import Floats, Ints

Counts = NDArray[np.int64]

SHORTEST_HOLD_S, LONGEST_HOLD_S = 0.2, 5.0
PERCENTILES = (50, 90, 95)
LATENCIES = ("latency_mean", *(f"latency_p{q}" for q in PERCENTILES))
RATES = ("false_boundary_rate", "false_boundary_rate_per_turn", "timeout_rate", "missed_rate")

HOLD, LONG_HOLD, SPEECH, CUT_OFF, BACKCHANNEL, END_OF_TURN = range(6)
INTERVAL_NAMES = ("hold", "unscored_hold", "speech", "cut_off", "backchannel", "end_of_turn")


@dataclass(frozen=True)
class Intervals:
    """What a commit means, by when it comes: disjoint spans in time order, all shape=(intervals,)."""

    start_s: Floats
    end_s: Floats
    kind: Ints
    """Index into `INTERVAL_NAMES`."""
    turn: Ints
    """Number of the user turn, in order; `n_turns` for speech after the last labelled end of turn."""
    n_turns: int

    def count(self, kind: int) -> int:
        return int(np.count_nonzero(self.kind == kind))


def intervals(
    labels: Labels,
    tail_s: float = 0.0,
    shortest_hold_s: float = SHORTEST_HOLD_S,
    longest_hold_s: float = LONGEST_HOLD_S,
) -> Intervals:
    """Labels as intervals; `tail_s` is the silence that was added after the recording."""
    rows: list[tuple[float, float, int]] = []
    backchannels = labels.of_kind("backchannel")
    user = labels.spans("user")
    is_backchannel = np.zeros(len(user), dtype=np.bool_)
    for start_s, end_s in backchannels:
        is_backchannel |= (user[:, 0] < end_s) & (user[:, 1] > start_s)
    end_of_all_s = labels.duration_s + tail_s
    user_starts = np.sort(np.concatenate((user[~is_backchannel, 0], backchannels[:, 0])))
    for start_s, end_s in labels.of_kind("hold"):
        scored = shortest_hold_s <= round(end_s - start_s, 9) <= longest_hold_s
        rows.append((start_s, end_s, HOLD if scored else LONG_HOLD))
    rows += [(start_s, end_s, CUT_OFF) for start_s, end_s in labels.of_kind("cut_off")]
    rows += [(start_s, end_s, SPEECH) for start_s, end_s in user[~is_backchannel]]
    turn_ends = labels.of_kind("shift")[:, 0]
    for kind, begins in ((END_OF_TURN, turn_ends), (BACKCHANNEL, backchannels[:, 0])):
        for start_s in begins:
            side: Literal["left", "right"] = "right" if kind == BACKCHANNEL else "left"
            later = user_starts[np.searchsorted(user_starts, start_s, side=side) :]
            rows.append((start_s, float(later[0]) if len(later) else end_of_all_s, kind))
    starts, ends, kinds = np.array(sorted(rows), dtype=np.float64).reshape(-1, 3).T
    ends[:-1] = np.minimum(ends[:-1], starts[1:])  # rounded labels may overlap a little
    turn = np.searchsorted(turn_ends, starts, side="left").astype(np.int64)
    return Intervals(starts, ends, kinds.astype(np.int64), turn, len(turn_ends))


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


def tally(decisions: Decisions, pauses: Pauses, marks: Intervals, offset_s: float) -> Tally:
    """Score every setting's commits on one recording; `offset_s` is stream time less recording time."""
    commit_s, accepted = decisions.commit_s - offset_s, decisions.accepted
    begin_s, end_s = pauses.end_of_speech_s - offset_s, pauses.resume_s - offset_s
    if len(decisions.late_s):
        late_s = decisions.late_s - offset_s
        finite = np.where(np.isfinite(late_s), late_s, -np.inf).max(axis=1)
        commit_s = np.concatenate((commit_s, late_s))
        accepted = np.concatenate((accepted, np.ones_like(decisions.late_s, dtype=np.bool_)))
        begin_s = np.concatenate((begin_s, begin_s))
        end_s = np.concatenate((end_s, np.nextafter(finite, np.inf)))
    slot, interval = _cells(begin_s, end_s, marks)
    start_s = marks.start_s[interval, None]
    inside = (commit_s[slot] >= start_s) & (commit_s[slot] < marks.end_s[interval, None])

    ends = marks.kind[interval] == END_OF_TURN
    hits = np.where(
        accepted[slot[~ends]],
        np.take(inside[~ends], decisions.min_column, axis=1),
        np.take(inside[~ends], decisions.max_column, axis=1),
    )
    kind, place = marks.kind[interval[~ends]], interval[~ends]
    before_end = (kind == HOLD) | (kind == LONG_HOLD) | (kind == SPEECH)
    complete = before_end & (marks.turn[place] < marks.n_turns)

    delay_s = np.where(inside[ends], commit_s[slot[ends]] - start_s[ends], np.inf)
    latency_s, timed_out = _first(
        np.where(
            accepted[slot[ends]],
            np.take(delay_s, decisions.min_column, axis=1),
            np.take(delay_s, decisions.max_column, axis=1),
        ),
        ~accepted[slot[ends]],
        marks.turn[interval[ends]],
        marks.n_turns,
    )
    return Tally(
        holds_cut=_groups_hit(hits, place, kind == HOLD),
        turns_cut=_groups_hit(hits, marks.turn[place], complete),
        cut_offs_hit=_groups_hit(hits, place, kind == CUT_OFF),
        backchannels_hit=_groups_hit(hits, place, kind == BACKCHANNEL),
        timeouts=np.count_nonzero(timed_out, axis=0),
        latency_s=latency_s,
    )


def _cells(begin_s: Floats, end_s: Floats, marks: Intervals) -> tuple[Ints, Ints]:
    """Pairs (slot, interval) that a commit of the slot, in `[begin_s, end_s)`, can fall into."""
    first = np.searchsorted(marks.end_s, begin_s, side="right")
    n = np.maximum(np.searchsorted(marks.start_s, end_s, side="left") - first, 0)
    slot = np.repeat(np.arange(len(begin_s)), n)
    return slot, np.arange(len(slot)) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first, n)


def _groups_hit(hits: Bools, group: Ints, used: Bools) -> Counts:
    """How many groups have a hit among their used rows; shape=(settings,)."""
    rows = np.flatnonzero(used)
    if not len(rows):
        return np.zeros(hits.shape[1], dtype=np.int64)
    names, of_row, sizes = np.unique(group[rows], return_inverse=True, return_counts=True)
    chosen = hits[rows].view(np.int8)
    if len(names) < len(rows):
        sums = np.int8 if sizes.max() < 128 else np.int32  # the smaller is faster, but must not overflow
        shape = (len(names), len(rows))
        member = csr_array((np.ones(len(rows), sums), (of_row, np.arange(len(rows)))), shape=shape)
        chosen = member @ chosen.astype(sums, copy=False)
    return np.asarray(np.count_nonzero(chosen, axis=0))


def _first(delay_s: Floats, by_timeout: Bools, turn: Ints, n_turns: int) -> tuple[Floats, Bools]:
    """The first commit after each end of turn, and whether `max_delay` caused it; each (turns, settings).

    `delay_s` and `by_timeout` have a row for each pause that can commit a turn; `turn` says which.
    """
    first_s = np.full((n_turns, delay_s.shape[1]), np.inf)
    timed_out = np.zeros(first_s.shape, dtype=np.bool_)
    order = np.argsort(turn, kind="stable")
    rank = np.arange(len(turn)) - np.searchsorted(turn[order], turn[order])
    for r in range(int(rank.max(initial=-1)) + 1):
        rows = order[rank == r]
        earlier = delay_s[rows] < first_s[turn[rows]]
        first_s[turn[rows]] = np.where(earlier, delay_s[rows], first_s[turn[rows]])
        timed_out[turn[rows]] = np.where(earlier, by_timeout[rows], timed_out[turn[rows]])
    return first_s, timed_out


def summarize(tallies: Sequence[Tally], marks: Sequence[Intervals]) -> dict[str, Floats]:
    """Rates and latencies of a block of settings over recordings and phases, each of shape=(settings,).

    One tally and one set of intervals per recording and phase: phases are averaged by pooling. A rate without
    a denominator, and a latency without a committed turn, is NaN.
    """
    n_holds = sum(m.count(HOLD) for m in marks)
    n_turns = sum(m.n_turns for m in marks)
    latency_s = np.concatenate([t.latency_s for t in tallies])
    ordered = np.sort(np.ascontiguousarray(latency_s.T), axis=1)
    committed = np.count_nonzero(np.isfinite(ordered), axis=1)
    finite = np.where(np.isfinite(ordered), ordered, 0.0)
    rates = {
        "false_boundary_rate": _ratio(_total(tallies, "holds_cut"), n_holds),
        "false_boundary_rate_per_turn": _ratio(_total(tallies, "turns_cut"), n_turns),
        "timeout_rate": _ratio(_total(tallies, "timeouts"), n_turns),
        "missed_rate": _ratio(n_turns - committed, n_turns),
        "backchannel_rate": _ratio(
            _total(tallies, "backchannels_hit"), sum(m.count(BACKCHANNEL) for m in marks)
        ),
        "cut_offs_hit": _total(tallies, "cut_offs_hit").astype(np.float64),
    }
    mean_s = np.where(committed > 0, finite.sum(axis=1) / np.maximum(committed, 1), np.nan)
    latencies = {"latency_mean": mean_s}
    for q in PERCENTILES:
        latencies[f"latency_p{q}"] = _percentile(ordered, committed, q)
    return rates | latencies


def _total(tallies: Sequence[Tally], name: str) -> Counts:
    return np.asarray(np.sum([getattr(t, name) for t in tallies], axis=0))


def _ratio(count: Counts, n: int) -> Floats:
    return count / n if n else np.full(len(count), np.nan)


def _percentile(ordered: Floats, n: Counts, q: float) -> Floats:
    """Percentile of the first `n` values of each sorted row, interpolated as numpy does; shape=(rows,)."""
    if not ordered.shape[1]:
        return np.full(len(ordered), np.nan)
    place = np.maximum(n - 1, 0) * (q / 100)
    below = place.astype(np.int64)
    rows = np.arange(len(ordered))
    low, high = ordered[rows, below], ordered[rows, np.minimum(below + 1, np.maximum(n - 1, 0))]
    with np.errstate(invalid="ignore"):
        return np.where(n > 0, low + (place - below) * (high - low), np.nan)


def bootstrap(
    tallies: Sequence[Sequence[Tally]], marks: Sequence[Intervals], resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """95 % intervals of one setting, by resampling whole recordings: pauses of a call are not independent.

    `tallies[r]`: recording r's tallies, one per phase, of a single setting. Returns a frame indexed by metric
    with columns `low`, `high`; NaN throughout with fewer than two recordings, and for a metric that no
    resample has a value of. Seeded, hence reproducible.
    """
    names = [*RATES, *LATENCIES]
    if len(tallies) < 2:
        return pd.DataFrame(np.nan, index=names, columns=["low", "high"])
    cuts = np.array([[_total(t, n)[0] for n in ("holds_cut", "turns_cut", "timeouts")] for t in tallies])
    n_of = np.array(
        [[m.count(HOLD) * len(t), m.n_turns * len(t)] for m, t in zip(marks, tallies, strict=True)]
    )
    latency = [np.concatenate([t.latency_s[:, 0] for t in of]) for of in tallies]
    missed = np.array([np.count_nonzero(np.isinf(values)) for values in latency])
    seen = [values[np.isfinite(values)] for values in latency]
    draws = np.random.default_rng(seed).integers(len(tallies), size=(resamples, len(tallies)))
    values = np.full((resamples, len(names)), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        holds, turns = n_of[draws, 0].sum(axis=1), n_of[draws, 1].sum(axis=1)
        for column, (count, n) in enumerate(
            ((cuts[:, 0], holds), (cuts[:, 1], turns), (cuts[:, 2], turns), (missed, turns))
        ):
            values[:, column] = count[draws].sum(axis=1) / n
    for row, draw in enumerate(draws):
        pooled = np.concatenate([seen[r] for r in draw])
        if len(pooled):
            values[row, len(RATES) :] = [pooled.mean(), *np.percentile(pooled, PERCENTILES)]
    known = [column[np.isfinite(column)] for column in values.T]
    limits = [np.percentile(column, [2.5, 97.5]) if len(column) else [np.nan, np.nan] for column in known]
    return pd.DataFrame(limits, index=names, columns=["low", "high"])


def pareto_frontier(rate: Floats, latency_s: Floats) -> Ints:
    """Rows that no other row beats: ascending rate, strictly descending latency.

    Rows with a NaN are left out; of equal rows the first is taken.
    """
    usable = np.flatnonzero(np.isfinite(rate) & np.isfinite(latency_s))
    order = usable[np.lexsort((usable, latency_s[usable], rate[usable]))]
    best_before = np.minimum.accumulate(np.append(np.inf, latency_s[order]))[:-1]
    return order[latency_s[order] < best_before]


def attribute(commits: Commits, marks: Intervals) -> pd.DataFrame:
    """What each commit of one setting means: one row per commit (columns: see `attributes`)."""
    return pd.DataFrame(attributes(commits, marks))


def attributes(commits: Commits, marks: Intervals) -> dict[str, NDArray[Any]]:
    """What each commit of one setting means, as columns of shape=(commits,).

    commit_s, cause, probability, label (an interval name, or "other"), label_start_s, latency_s (of
    the first commit of an end of turn, else NaN) and false_boundary (in a scored hold, or in speech before
    the end of a turn).
    """
    place = np.searchsorted(marks.start_s, commits.time_s, side="right") - 1
    inside = (place >= 0) & (commits.time_s < np.append(marks.end_s, -np.inf)[place])
    kind = np.where(inside, np.append(marks.kind, 0)[place], -1)
    start_s = np.where(inside, np.append(marks.start_s, np.nan)[place], np.nan)
    in_turn = np.append(marks.turn, marks.n_turns)[place] < marks.n_turns
    ends = kind == END_OF_TURN
    first = ends & ~pd.Series(np.where(ends, place, -1 - np.arange(len(place)))).duplicated().to_numpy()
    return {
        "commit_s": commits.time_s,
        "cause": np.array(commits.cause, dtype=object),
        "probability": commits.probability,
        "label": np.array([*INTERVAL_NAMES, "other"], dtype=object)[kind],
        "label_start_s": start_s,
        "latency_s": np.where(first, commits.time_s - start_s, np.nan),
        "false_boundary": (kind == HOLD) | ((kind == SPEECH) & in_turn),
    }
