"""The silences of eot-bench and their scores: as a table for people, flat for arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pandas as pd

from ...core.labels import user_turns
from ...core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ...core.traces import Bools, EotTrace, Traced, eot_keys
from ..replay.records import Pauses

Limits = tuple[float, float]
TOLERANCE = 1e-9
HOLD_LIMITS_S = (0.2, 5.0)
SPAN_COLUMNS = ("recording", "duration_s", "is_hold", "score_point_s", "p")


def counted(spans: pd.DataFrame, limits_s: Limits = HOLD_LIMITS_S) -> pd.DataFrame:
    """The spans that enter the figures: ends of turn, and holds within the limits, both included."""
    if missing := [name for name in SPAN_COLUMNS if name not in spans]:
        raise ValueError(f"a table of spans needs columns {list(SPAN_COLUMNS)}; it lacks {missing}")
    within = spans["duration_s"].between(limits_s[0] - TOLERANCE, limits_s[1] + TOLERANCE)
    return spans.loc[within | ~spans["is_hold"].astype(bool)]


def spans_of(recording: Traced, pauses: Pauses, eot: EotTrace, offset_s: float) -> pd.DataFrame:
    """The holds and ends of turn of one recording at one phase, with a detector's scores, by their start.

    The score of a silence is the first that the agent asks for in it, with all the audio that it may hear;
    `score_point_s` runs from the label's start to that request. It is NaN if the VAD's pauses lead to no
    request; `p` is NaN then, and where the trace lacks the prediction. An end of turn lasts until the user's
    next speech or the end of the added silence. `offset_s` is stream time less recording time.
    """
    sample = pauses.predict_sample[pauses.predict_sample > 0]
    known = dict(zip(eot.keys.tolist(), eot.probabilities.tolist(), strict=True))
    heard = eot_keys(np.maximum(sample - eot.hears_samples, 0), sample).tolist()
    p = np.array([known.get(key, np.nan) for key in heard], dtype=np.float64)
    return scored_spans(recording, sample / SAMPLE_RATE_HZ - offset_s, p)


def scored_spans(recording: Traced, asked_s: Floats, p: Floats) -> pd.DataFrame:
    """`spans_of` with the scores of questions at some moments of the recording, ascending; shape=(n,)."""
    labels = recording.labels
    holds = labels.of_kind("hold")
    turn_ends = np.array([turn.end_s for turn in user_turns(labels)], dtype=np.float64)
    user = np.sort(labels.spans("user")[:, 0])
    until_s = np.append(user, labels.duration_s + recording.tail_s)[np.searchsorted(user, turn_ends)]
    start_s, end_s = np.concatenate((holds[:, 0], turn_ends)), np.concatenate((holds[:, 1], until_s))
    p, asked_s = np.append(p, np.nan), np.append(asked_s, np.inf)
    first = np.searchsorted(asked_s[:-1], start_s)
    inside = asked_s[first] < end_s
    frame = pd.DataFrame({"recording": recording.name, "start_s": start_s, "duration_s": end_s - start_s})
    frame["is_hold"] = np.repeat([True, False], [len(holds), len(turn_ends)])
    frame["score_point_s"] = np.where(inside, asked_s[first] - start_s, np.nan)
    frame["p"] = np.where(inside, p[first], np.nan)
    return frame.sort_values("start_s", kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Scores:
    """Silences and their scores, flat: by span, and in each by time."""

    is_hold: Bools
    """Whether each span is a hold, else the end of a turn; shape=(spans,)."""
    duration_s: Floats
    of_span: Ints
    """Which span each score is of; shape=(scores,)."""
    time_s: Floats
    """When it is given, from the start of the span."""
    p: Floats

    @property
    def n_holds(self) -> int:
        """How many spans are holds."""
        return int(self.is_hold.sum())

    @property
    def n_turns(self) -> int:
        """How many spans are ends of turn."""
        return len(self.is_hold) - self.n_holds

    @cached_property
    def highest(self) -> Floats:
        """The highest score of each span, -1 without one; shape=(spans,)."""
        return self.highest_of(self.p)

    def highest_of(self, p: Floats) -> Floats:
        """The same of other scores in place of these; shape=(scores,)."""
        highest = np.full(len(self.is_hold), -1.0)
        if len(p):
            first = np.flatnonzero(np.diff(self.of_span, prepend=-1))
            highest[self.of_span[first]] = np.maximum.reduceat(p, first)
        return highest

    def counted(self, limits_s: Limits = HOLD_LIMITS_S) -> Scores:
        """As `counted` does with a table."""
        low_s, high_s = limits_s
        within = (self.duration_s >= low_s - TOLERANCE) & (self.duration_s <= high_s + TOLERANCE)
        keep = within | ~self.is_hold
        if keep.all():
            return self
        of_kept = keep[self.of_span]
        number = np.cumsum(keep) - 1
        return Scores(
            self.is_hold[keep],
            self.duration_s[keep],
            number[self.of_span[of_kept]],
            self.time_s[of_kept],
            self.p[of_kept],
        )


def scores_of(spans: pd.DataFrame) -> Scores:
    """A table of spans, flat.

    Raises ValueError for missing columns, scores without a time, and p outside 0 to 1.
    """
    if missing := [name for name in SPAN_COLUMNS if name not in spans]:
        raise ValueError(f"a table of spans needs columns {list(SPAN_COLUMNS)}; it lacks {missing}")
    (sizes, time_s), (others, p) = _flat(spans["score_point_s"]), _flat(spans["p"])
    if not np.array_equal(sizes, others):
        raise ValueError("score_point_s and p must have equally many entries in every span")
    scored = ~np.isnan(p)
    of_span, time_s, p = np.repeat(np.arange(len(sizes)), sizes)[scored], time_s[scored], p[scored]
    if np.isnan(time_s).any():
        raise ValueError("a score has no score_point_s: when did the detector give it?")
    if np.any((p < 0) | (p > 1)):
        raise ValueError(f"p must lie from 0 to 1, got {p.min():g} to {p.max():g}; per cent, or logits?")
    is_hold, duration_s = spans["is_hold"].to_numpy(np.bool_), spans["duration_s"].to_numpy(np.float64)
    by_time = np.lexsort((time_s, of_span))
    return Scores(is_hold, duration_s, of_span[by_time], time_s[by_time], p[by_time])


def counted_scores(spans: pd.DataFrame | Scores, limits_s: Limits = HOLD_LIMITS_S) -> Scores:
    """The spans that enter the figures, flat; `spans`: a table, or flat already."""
    return (spans if isinstance(spans, Scores) else scores_of(spans)).counted(limits_s)


def fire_times(spans: pd.DataFrame, thresholds: Sequence[float]) -> Floats:
    """When the detector would fire, infinity if never; shape=(thresholds, spans)."""
    scores = scores_of(spans)
    fire_s = np.full((len(thresholds), len(spans)), np.inf)
    for row, threshold in zip(fire_s, thresholds, strict=True):
        fires = scores.p > threshold
        np.minimum.at(row, scores.of_span[fires], scores.time_s[fires])
    return fire_s


def _flat(column: pd.Series) -> tuple[Ints, Floats]:
    """How many numbers each cell holds, and all of them."""
    if column.dtype != object:
        return np.ones(len(column), dtype=np.int64), column.to_numpy(np.float64)
    cells = [cell if isinstance(cell, (list, tuple, np.ndarray)) else (cell,) for cell in column]
    sizes = np.fromiter(map(len, cells), dtype=np.int64, count=len(cells))
    every = (np.nan if number is None else number for number in chain.from_iterable(cells))
    return sizes, np.fromiter(every, dtype=np.float64, count=int(sizes.sum()))
