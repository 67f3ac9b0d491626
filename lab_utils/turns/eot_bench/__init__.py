"""livekit/eot-bench's evaluation: its policy, its figures and its files.

Goal: the numbers that eot-bench's `compute-metrics` gives, from a score (or a stream of scores) per silence.
Conventions: seconds from the start of the silence. A table of spans has one row per silence with the columns
recording, duration_s, is_hold (else the end of a turn), score_point_s and p; the last two hold a number each,
or a sequence each for a detector that goes on scoring. NaN is "not scored" and never fires.
Definitions (livekit/eot-bench, README "Evaluation Model" and eot_harness/metrics.py; tolerance 1e-9):
- fire time f = the first score point with p > threshold, else infinity; acting time a = max(action_delay, f).
- a hold of duration d is cut off if d > a or d > timeout. Holds of 0.2-5.0 s count, and all ends of turn.
- latency of an end of turn = a if a <= timeout, else the timeout. Policies with timeout < action_delay are
  skipped. With one score point for all spans eot-bench also skips the action delays below it.
- silence alone ("VAD baseline") acts after a delay, always, and never times out.
- operating point: least mean latency with at most so many cutoffs; ties break by cutoff rate, timeout rate,
  timeout, action delay, threshold. Frontier: `metrics.pareto_frontier(false_cutoff_rate, mean_latency)`.
- ROC AUC and average precision of each span's highest p are diagnostics, never the ranking.
"""

from .policy import (
    ACTION_DELAYS,
    CUTOFF_BUDGETS,
    FINE_VAD_DELAYS,
    LATENCY_BUDGETS,
    THRESHOLDS,
    TIES,
    TIMEOUTS,
    VAD_DELAYS,
    fewest_cutoffs,
    operating_points,
    outcomes,
    score_grid,
    summary,
    vad_baseline,
)
from .predictions import PREDICTIONS_FILE, Predictions, is_predictions, read_predictions, write_predictions
from .quality import diagnostics
from .spans import HOLD_LIMITS_S, SPAN_COLUMNS, Scores, counted, fire_times, scored_spans, scores_of, spans_of

__all__ = [
    "ACTION_DELAYS",
    "CUTOFF_BUDGETS",
    "FINE_VAD_DELAYS",
    "HOLD_LIMITS_S",
    "LATENCY_BUDGETS",
    "PREDICTIONS_FILE",
    "SPAN_COLUMNS",
    "THRESHOLDS",
    "TIES",
    "TIMEOUTS",
    "VAD_DELAYS",
    "Predictions",
    "Scores",
    "counted",
    "diagnostics",
    "fewest_cutoffs",
    "fire_times",
    "is_predictions",
    "operating_points",
    "outcomes",
    "read_predictions",
    "score_grid",
    "scored_spans",
    "scores_of",
    "spans_of",
    "summary",
    "vad_baseline",
    "write_predictions",
]
