"""Whether a detector's scores separate ends of turn from holds: diagnostics, never the ranking."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...core.timeline import Floats
from ...core.traces import Bools
from .spans import HOLD_LIMITS_S, Limits, Scores, counted_scores


def diagnostics(spans: pd.DataFrame | Scores, limits_s: Limits = HOLD_LIMITS_S) -> dict[str, float]:
    """roc_auc and average_precision of the counted spans that have a score, and what they rest on."""
    scores = counted_scores(spans, limits_s)
    seen = scores.highest >= 0
    roc_auc, average_precision = _quality(scores.highest[seen], ~scores.is_hold[seen])
    return {
        "roc_auc": roc_auc,
        "average_precision": average_precision,
        "n_unscored_holds": int((scores.is_hold & ~seen).sum()),
        "n_unscored_turns": int((~scores.is_hold & ~seen).sum()),
    }


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
