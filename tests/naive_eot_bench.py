"""eot-bench's figures as its harness computes them: tables sorted for each threshold, a row for each policy.

The slow twin of `turns.eot_bench`, and what `make bench` puts beside it. Made tables of predictions, too.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

EPS = 1e-9
THRESHOLDS = np.arange(101) / 100
ACTION_DELAYS = np.round(np.arange(2, 11) / 10, 1)
TIMEOUTS = np.arange(2, 8) / 2
SPAN = ["id", "span_index"]


def made_predictions(holds: int, turns: int, seed: int) -> pd.DataFrame:
    """Scores every 0.1 s of silences, as `predictions.parquet` has them; three silences to an id."""
    random = np.random.default_rng(seed)
    rows = []
    for k in range(holds + turns):
        ends = k >= holds
        duration_s = round(1 + 2.5 * random.random() if ends else 0.1 + random.exponential(0.45), 6)
        grid_s = [round(0.1 * i, 6) for i in range(math.floor(duration_s / 0.1 + 1e-6) + 1)]
        grid_s += [duration_s] if grid_s[-1] < duration_s - 1e-6 else []
        level = random.normal(1.5 if ends else -1.5, 1.5)
        for at_s in grid_s:
            p = 1 / (1 + math.exp(-(level + random.normal(0, 0.7) + 0.5 * at_s)))
            label = "eot" if ends else "hold"
            rows.append((f"turn-{k // 3:04d}", "en", k % 3, round(10 + at_s, 6), at_s, p, label))
    names = ["id", "language", "span_index", "timestamp", "silence_dur", "p_eot", "label"]
    return pd.DataFrame(rows, columns=names)


def spans_of(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per counted span: id, span_index, label, duration."""
    spans = predictions[[*SPAN, "label"]].drop_duplicates()
    durations = predictions.groupby(SPAN, as_index=False, sort=False)["silence_dur"].max()
    spans = spans.merge(durations.rename(columns={"silence_dur": "duration"}), on=SPAN)
    within = spans["duration"].between(0.2 - EPS, 5 + EPS)
    return spans[(spans["label"] != "hold") | within].sort_values(SPAN, kind="stable")


def fire_times(spans: pd.DataFrame, predictions: pd.DataFrame, threshold: float) -> np.ndarray:
    """The first score above the threshold in each span, infinity without one."""
    above = predictions[predictions["p_eot"] > threshold].sort_values([*SPAN, "silence_dur"], kind="stable")
    first = above.groupby(SPAN, as_index=False, sort=False).first()[[*SPAN, "silence_dur"]]
    merged = spans[SPAN].merge(first, on=SPAN, how="left")
    return merged["silence_dur"].fillna(np.inf).to_numpy(float)


def cells(predictions: pd.DataFrame, score_point: float | None = None) -> pd.DataFrame:
    """The figures of each policy."""
    spans, delays = spans_of(predictions), ACTION_DELAYS
    predictions = predictions.merge(spans[SPAN], on=SPAN)
    if score_point is not None:
        predictions = predictions[(predictions["silence_dur"] - score_point).abs() <= EPS]
    hold = (spans["label"] == "hold").to_numpy()
    duration_s = spans["duration"].to_numpy(float)[hold]
    rows = []
    for threshold in THRESHOLDS:
        fires_s = fire_times(spans, predictions, threshold)
        for delay in delays:
            acts_s = np.maximum(delay, fires_s)
            for timeout in TIMEOUTS:
                if timeout + EPS < delay:
                    continue
                cut = (duration_s > timeout + EPS) | (duration_s > acts_s[hold] + EPS)
                in_time = acts_s[~hold] <= timeout + EPS
                latency_s = np.where(in_time, acts_s[~hold], timeout)
                rows.append({
                    "threshold": float(threshold), "action_delay": float(delay), "timeout": float(timeout),
                    "false_cutoff_rate": float(cut.mean()), "mean_latency": float(latency_s.mean()),
                    "timeout_rate": float((~in_time).mean()),
                })  # fmt: skip
    return pd.DataFrame(rows)


def best(table: pd.DataFrame, most: float) -> dict[str, Any] | None:
    """The policy of least latency within a budget of cutoffs."""
    within = table[table["false_cutoff_rate"] <= most + EPS]
    order = ["mean_latency", "false_cutoff_rate", "timeout_rate", "timeout", "action_delay", "threshold"]
    return within.sort_values(order, kind="stable").iloc[0].to_dict() if len(within) else None


def summary(predictions: pd.DataFrame, score_point: float | None = None) -> dict[str, Any]:
    """Operating points at 2, 5 and 10 %, and the mean of the least latencies within 0 to 10 %."""
    table = cells(predictions, score_point)
    along = [point["mean_latency"] for k in range(101) if (point := best(table, k / 1000)) is not None]
    return {
        "operating_points": {most: best(table, most) for most in (0.02, 0.05, 0.1)},
        "mean_frontier_latency_0_10": float(np.mean(along)) if along else math.nan,
    }
