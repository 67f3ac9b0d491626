"""What changed from one setting to another, in one sentence."""

from __future__ import annotations

import math

from ...turns.metrics.changes import Change, Difference, Verdict
from ...turns.metrics.uncertainty import LEAST_RECORDINGS

NOTICED_S = 0.05
"""A change of latency below this, a twentieth of a second, is none that a caller notices."""


def change_sentence(change: Change) -> str:
    """The sentence.

    >>> from lab_utils.turns.metrics.uncertainty import Interval
    >>> rate = Difference(0.18, 0.09, -0.09, Interval(-0.2, 0.02))
    >>> mean = Difference(1.4, 0.8, -0.6, Interval(-0.9, 0.1))
    >>> same = Difference(2.0, 2.0, 0.0)
    >>> change_sentence(Change(12, rate, mean, same, Difference(0.0, 0.0, 0.0)))
    '18 → 9 % cut off, 0.6 s sooner on average, p95 unchanged; within chance on 12 calls'
    """
    rate, mean, p95 = change.false_boundary_rate, change.latency_mean, change.latency_p95
    parts = [_rate_text(rate), _mean_text(mean), _p95_text(p95)]
    if change.missed_rate.difference:
        parts.append(f"{_percents(change.missed_rate)} never answered")
    if not any(one.difference for one in (rate, mean, p95, change.missed_rate)):
        return "The same as A on these calls"
    return ", ".join(parts) + f"; {_verdict_text(change)}"


def _rate_text(rate: Difference) -> str:
    if math.isnan(rate.before):
        return "no holds to cut off"
    if not rate.difference:
        return f"{100 * rate.after:.3g} % cut off as before"
    return f"{_percents(rate)} cut off"


def _percents(rate: Difference) -> str:
    digits = 0 if round(100 * rate.before) != round(100 * rate.after) else 1
    return f"{100 * rate.before:.{digits}f} → {100 * rate.after:.{digits}f} %"


def _mean_text(mean: Difference) -> str:
    if math.isnan(mean.difference):
        return "no end of turn answered by both"
    if abs(mean.difference) < NOTICED_S:
        return "as fast on average"
    return f"{_seconds(mean.difference)} {'sooner' if mean.difference < 0 else 'later'} on average"


def _p95_text(p95: Difference) -> str:
    if math.isnan(p95.before) or math.isnan(p95.after):
        return "no p95"
    if math.isinf(p95.before) or math.isinf(p95.after):
        if p95.before == p95.after:
            return "p95 never answered, as before"
        return "p95 never answered" if math.isinf(p95.after) else f"p95 now {p95.after:.1f} s"
    if abs(p95.difference) < NOTICED_S:
        return "p95 unchanged"
    return f"p95 {_seconds(p95.difference)} {'sooner' if p95.difference < 0 else 'later'}"


def _seconds(difference: float) -> str:
    return f"{abs(difference):.1f} s" if abs(difference) >= 0.1 else f"{abs(difference):.2f} s"


def _verdict_text(change: Change) -> str:
    calls = f"{change.recordings} call{'s' if change.recordings != 1 else ''}"
    verdicts: dict[str, Verdict] = {
        "the cut-offs": change.false_boundary_rate.verdict,
        "the wait": change.latency_mean.verdict,
    }
    told = {name: verdict for name, verdict in verdicts.items() if verdict != "unchanged"}
    if not told:
        return f"on {calls}"
    if "can't be told" in told.values():
        few = change.recordings < LEAST_RECORDINGS
        return f"{calls} can't tell it from chance" + (f", {LEAST_RECORDINGS} may" if few else "")
    if len(set(told.values())) == 1:
        return f"{next(iter(told.values()))} on {calls}"
    return ", ".join(f"{name} {verdict}" for name, verdict in told.items()) + f" on {calls}"
