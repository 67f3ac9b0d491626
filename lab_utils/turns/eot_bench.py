"""The policy of livekit/eot-bench: false cutoffs against latency from scored silences.

Goal: the numbers that eot-bench's `compute-metrics` gives, from a score (or a stream of scores) per silence.
Conventions: seconds from the start of the silence. A table of spans has one row per silence with the columns
recording, duration_s, is_hold (else the end of a turn), score_point_s and p; the last two hold a number each,
or a sequence each for a detector that goes on scoring. NaN is "not scored" and never fires.
Definitions (livekit/eot-bench, README "Evaluation Model" and eot_harness/metrics.py; tolerance 1e-9):
- fire time f = the first score point with p > threshold, else infinity; acting time a = max(action_delay, f).
- a hold of duration d is cut off if d > a or d > timeout. Holds of 0.2-5.0 s count, and all ends of turn.
- latency of an end of turn = a if a <= timeout, else the timeout. Policies with timeout < action_delay are
  skipped. With one score point for all spans eot-bench also skips the action delays below it: leave them out.
- silence alone ("VAD baseline") acts after a delay, always, and never times out.
- operating point: least mean latency with at most so many cutoffs; ties break by cutoff rate, timeout rate,
  timeout, action delay, threshold. Frontier: `metrics.pareto_frontier(false_cutoff_rate, mean_latency)`.
- ROC AUC and average precision of each span's highest p are diagnostics, never the ranking.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..core.labels import user_turns
from ..core.timeline import SAMPLE_RATE_HZ, Floats, Ints
from ..core.traces import Bools, EotTrace, Traced, eot_keys
from .replay.records import Pauses

Limits = tuple[float, float]
TOLERANCE = 1e-9
HOLD_LIMITS_S = (0.2, 5.0)
THRESHOLDS = tuple(k / 100 for k in range(101))
ACTION_DELAYS = tuple(k / 10 for k in range(2, 11))
TIMEOUTS = tuple(k / 2 for k in range(2, 8))
VAD_DELAYS = (*ACTION_DELAYS, *TIMEOUTS[1:])
FINE_VAD_DELAYS = tuple(k / 100 for k in range(20, 501))  # of eot-bench's published baseline (1600, 1000 ms)
CUTOFF_BUDGETS = (0.02, 0.05, 0.10)
SPAN_COLUMNS = ("recording", "duration_s", "is_hold", "score_point_s", "p")
TIES = ("mean_latency", "false_cutoff_rate", "timeout_rate", "timeout", "action_delay", "threshold")


def counted(spans: pd.DataFrame, limits_s: Limits = HOLD_LIMITS_S) -> pd.DataFrame:
    """The spans that enter the figures: ends of turn, and holds within the limits, both included."""
    if missing := [name for name in SPAN_COLUMNS if name not in spans]:
        raise ValueError(f"a table of spans needs columns {list(SPAN_COLUMNS)}; it lacks {missing}")
    within = spans["duration_s"].between(limits_s[0] - TOLERANCE, limits_s[1] + TOLERANCE)
    return spans.loc[within | ~spans["is_hold"].astype(bool)]


def fire_times(spans: pd.DataFrame, thresholds: Sequence[float]) -> Floats:
    """When the detector would fire, infinity if never; shape=(thresholds, spans)."""
    of_span, time_s, p = _scores(spans)
    fire_s = np.full((len(thresholds), len(spans)), np.inf)
    for row, threshold in zip(fire_s, thresholds, strict=True):
        np.minimum.at(row, of_span[p > threshold], time_s[p > threshold])
    return fire_s


def outcomes(spans: pd.DataFrame, threshold: float, action_delay: float, timeout: float) -> pd.DataFrame:
    """What one policy does in each span: columns fire_s, cut_off, latency_s (NaN in holds) and timed_out."""
    (is_hold, duration_s), (fire_s,) = _holds(spans), fire_times(spans, [threshold])
    cut_off, latency_s, timed_out = _act(duration_s, np.maximum(action_delay, fire_s), timeout)
    frame = pd.DataFrame({"fire_s": fire_s, "cut_off": cut_off & is_hold}, index=spans.index)
    return frame.assign(latency_s=np.where(is_hold, np.nan, latency_s), timed_out=timed_out & ~is_hold)


def score_grid(
    spans: pd.DataFrame,
    thresholds: Sequence[float] = THRESHOLDS,
    action_delays: Sequence[float] = ACTION_DELAYS,
    timeouts: Sequence[float] = TIMEOUTS,
    limits_s: Limits = HOLD_LIMITS_S,
) -> pd.DataFrame:
    """The figures of every policy of the grid, in the order of the arguments.

    Columns: threshold, action_delay, timeout, false_cutoff_rate, mean_latency (capped at the timeout),
    timeout_rate, n_holds, n_turns. What has no denominator is NaN.
    """
    spans = counted(spans, limits_s)
    pairs = [(a, t) for a in action_delays for t in timeouts if t + TOLERANCE >= a]
    delay_s, timeout_s = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    fires = zip(thresholds, fire_times(spans, thresholds), strict=True)
    return pd.concat([_rows(spans, one, f, delay_s, timeout_s) for one, f in fires], ignore_index=True)


def vad_baseline(
    spans: pd.DataFrame, delays: Sequence[float] = VAD_DELAYS, limits_s: Limits = HOLD_LIMITS_S
) -> pd.DataFrame:
    """Silence alone, acting after each delay: the columns of `score_grid`, with threshold NaN."""
    spans, delay_s = counted(spans, limits_s), np.array(delays, dtype=np.float64)
    return _rows(spans, np.nan, np.zeros(len(spans)), delay_s, delay_s)


def operating_points(table: pd.DataFrame, most: Sequence[float] = CUTOFF_BUDGETS) -> pd.DataFrame:
    """The row of least latency within each budget of cutoffs, by budget; NaN where none is within it."""
    table = table.dropna(subset=list(TIES[:2])).sort_values(list(TIES), kind="stable")
    rate = table["false_cutoff_rate"]
    best = [table.loc[rate <= one + TOLERANCE].head(1).assign(most=one) for one in most]
    return pd.concat(best).set_index("most").reindex(pd.Index(most, name="most"))


def diagnostics(spans: pd.DataFrame, limits_s: Limits = HOLD_LIMITS_S) -> dict[str, float]:
    """roc_auc and average_precision of the counted spans that have a score, and what they rest on."""
    spans = counted(spans, limits_s)
    (is_hold, _), (of_span, _, p) = _holds(spans), _scores(spans)
    highest = np.full(len(spans), -1.0)
    np.maximum.at(highest, of_span, p)
    seen = highest >= 0
    quality = dict(
        zip(("roc_auc", "average_precision"), _quality(highest[seen], ~is_hold[seen]), strict=True)
    )
    unscored = ("n_unscored_holds", is_hold & ~seen), ("n_unscored_turns", ~is_hold & ~seen)
    return quality | {name: int(which.sum()) for name, which in unscored}


def spans_of(recording: Traced, pauses: Pauses, eot: EotTrace, offset_s: float) -> pd.DataFrame:
    """The holds and ends of turn of one recording at one phase, with a detector's scores, by their start.

    The score of a silence is the first that the agent asks for in it, with all the audio that it may hear;
    `score_point_s` runs from the label's start to that request. It is NaN if the VAD's pauses lead to no
    request; `p` is NaN then, and where the trace lacks the prediction. An end of turn lasts until the user's
    next speech or the end of the added silence. `offset_s` is stream time less recording time.
    """
    labels = recording.labels
    holds = labels.of_kind("hold")
    turn_ends = np.array([turn.end_s for turn in user_turns(labels)], dtype=np.float64)
    user = np.sort(labels.spans("user")[:, 0])
    until_s = np.append(user, labels.duration_s + recording.tail_s)[np.searchsorted(user, turn_ends)]
    start_s, end_s = np.concatenate((holds[:, 0], turn_ends)), np.concatenate((holds[:, 1], until_s))
    sample = pauses.predict_sample[pauses.predict_sample > 0]
    known = dict(zip(eot.keys.tolist(), eot.probabilities.tolist(), strict=True))
    heard = eot_keys(np.maximum(sample - eot.hears_samples, 0), sample).tolist()
    p = np.array([*(known.get(key, np.nan) for key in heard), np.nan])
    asked_s = np.append(sample / SAMPLE_RATE_HZ - offset_s, np.inf)
    first = np.searchsorted(asked_s[:-1], start_s)
    inside = asked_s[first] < end_s
    frame = pd.DataFrame({"recording": recording.name, "start_s": start_s, "duration_s": end_s - start_s})
    frame["is_hold"] = np.repeat([True, False], [len(holds), len(turn_ends)])
    frame["score_point_s"] = np.where(inside, asked_s[first] - start_s, np.nan)
    frame["p"] = np.where(inside, p[first], np.nan)
    return frame.sort_values("start_s", kind="stable", ignore_index=True)


def _holds(spans: pd.DataFrame) -> tuple[Bools, Floats]:
    return spans["is_hold"].to_numpy(np.bool_), spans["duration_s"].to_numpy(np.float64)


def _scores(spans: pd.DataFrame) -> tuple[Ints, Floats, Floats]:
    """Number of the span, time and p of every score, each of shape=(scores,)."""
    columns = (spans["score_point_s"], spans["p"])
    times, values = ([np.atleast_1d(np.asarray(cell, np.float64)) for cell in one] for one in columns)
    sizes = [len(t) for t in times]
    if sizes != [len(p) for p in values]:
        raise ValueError("score_point_s and p must have equally many entries in every span")
    time_s, p = (np.concatenate((np.zeros(0), *parts)) for parts in (times, values))
    scored = ~np.isnan(p)
    of_span, time_s, p = np.repeat(np.arange(len(sizes)), sizes)[scored], time_s[scored], p[scored]
    if np.isnan(time_s).any():
        raise ValueError("a score has no score_point_s: when did the detector give it?")
    if np.any((p < 0) | (p > 1)):
        raise ValueError(f"p must lie from 0 to 1, got {p.min():g} to {p.max():g}; per cent, or logits?")
    return of_span, time_s, p


def _act(duration_s: Floats, act_s: Floats, timeout_s: float | Floats) -> tuple[Bools, Floats, Bools]:
    """Whether a hold would be cut off, the latency of an end of turn, and whether that timed out."""
    cut_off = np.asarray((duration_s > act_s + TOLERANCE) | (duration_s > timeout_s + TOLERANCE))
    in_time = act_s <= timeout_s + TOLERANCE
    return cut_off, np.where(in_time, act_s, timeout_s), ~in_time


def _rows(
    spans: pd.DataFrame, threshold: float, fire_s: Floats, delay_s: Floats, timeout_s: Floats
) -> pd.DataFrame:
    """The table of some policies, from the detector's fire times."""
    is_hold, duration_s = _holds(spans)
    cut_off, latency_s, late = _act(duration_s, np.maximum(delay_s[:, None], fire_s), timeout_s[:, None])
    frame = pd.DataFrame({"threshold": threshold, "action_delay": delay_s, "timeout": timeout_s})
    frame["false_cutoff_rate"] = _mean(cut_off[:, is_hold])
    frame["mean_latency"], frame["timeout_rate"] = _mean(latency_s[:, ~is_hold]), _mean(late[:, ~is_hold])
    frame["n_holds"], frame["n_turns"] = int(is_hold.sum()), int((~is_hold).sum())
    return frame


def _mean(values: Floats | Bools) -> Floats:
    """Mean of each row, NaN without columns; a contiguous row is summed as numpy sums a single list."""
    return np.asarray(np.ascontiguousarray(values).sum(axis=1) / (values.shape[1] or np.nan))


def _quality(p: Floats, positive: Bools) -> tuple[float, float]:
    """ROC AUC and average precision, equal scores entering together; NaN without either class."""
    n_positive = int(positive.sum())
    if n_positive in (0, len(p)):
        return np.nan, np.nan
    order = np.argsort(-p)
    last = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    n, hits = last + 1, np.cumsum(positive[order])[last]
    gained = np.diff(hits, prepend=0)
    area = np.sum(np.diff(n - hits, prepend=0) * (hits - gained / 2))
    return float(area / (n_positive * (len(p) - n_positive))), float(np.sum(gained / n_positive * hits / n))
