"""Figures as text: the same names, units and order in the command line, notebooks and the tuner.

Conventions: a column of figures is a mapping metric → value, low, high, n as plain values (`plain_figures`),
None for what is unknown or infinite. Latencies are shown in milliseconds, rates in per cent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...turns.metrics.figures import BOUNDS

SHOWN: tuple[tuple[str, str, str], ...] = (
    ("false_boundary_rate", "false boundaries per hold", "%"),
    ("false_boundary_rate_at_most", "… with unknown ones, at most", "%"),
    ("false_boundary_rate_per_turn", "false boundaries per turn", "%"),
    ("false_boundary_rate_per_turn_at_most", "… with unknown ones, at most", "%"),
    ("missed_rate", "missed ends of turn", "%"),
    ("latency_mean", "latency, mean", "ms"),
    ("latency_p50", "latency, p50", "ms"),
    ("latency_p90", "latency, p90", "ms"),
    ("latency_p95", "latency, p95", "ms"),
    ("longest_wait", "longest wait", "ms"),
    ("timeout_rate", "ended by max_delay", "%"),
    ("coin_flips", "coin flips between takes", "%"),
    ("commits_in_no_label", "commits in no label", ""),
)
"""Metric, name and unit, in the order in which they are shown."""
NAMES = {metric: name for metric, name, _ in SHOWN}
MAIN = ("false_boundary_rate", "latency_mean", "latency_p95", "missed_rate")
"""The figures of tables with a row for each of several slices, or lines."""
_UNITS = {metric: unit for metric, _, unit in SHOWN}

Column = Mapping[str, Mapping[str, Any]]


def plain_figures(frame: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """A frame of figures as plain values; None for what is unknown or infinite (missed turns)."""
    if frame is None:
        return {}
    numbers = finite_or_none(frame[["value", "low", "high"]]).to_dict("records")
    return {
        str(name): {**{str(key): value for key, value in row.items()}, "n": int(n), "told": told}
        for name, row, n, told in zip(frame.index, numbers, frame["n"], frame["told"], strict=True)
    }


def finite_or_none(frame: pd.DataFrame) -> pd.DataFrame:
    """Numbers for JSON, which has neither NaN nor infinity."""
    numbers = frame.astype(np.float64)
    return numbers.astype(object).where(np.isfinite(numbers), None)


def figure_rows(columns: Sequence[Column]) -> list[list[str]]:
    """Name, a text for each column, and the n that they rest on, of every figure that says something.

    A bound is left out where it is the rate itself: no pause was cut off by the recorded agent.
    """
    rows = []
    for metric, name, _ in SHOWN:
        if not any(_says_something(metric, column) for column in columns):
            continue
        n = dict.fromkeys(str(column[metric]["n"]) for column in columns if metric in column)
        texts = [figure_text(metric, column.get(metric)) for column in columns]
        rows.append([name, *texts, "/".join(n)])
    return rows


def _says_something(metric: str, column: Column) -> bool:
    if metric not in column:
        return False
    return metric not in BOUNDS or column[metric]["value"] != column[BOUNDS[metric]]["value"]


def figure_text(metric: str, figure: Mapping[str, Any] | None) -> str:
    """A figure with unit and interval.

    >>> figure_text("latency_mean", {"value": 0.612, "low": 0.5, "high": None, "n": 40})
    '612 ms (≥ 500)'
    """
    if figure is None or not figure["n"]:
        return "–"
    unit = _UNITS[metric]
    if figure["value"] is None:
        return "never" if unit == "ms" else "–"
    value, low, high = (_number(figure.get(key), unit) for key in ("value", "low", "high"))
    text = f"{value} {unit}".rstrip()
    if low and high:
        return f"{text} ({low}–{high})"
    return f"{text} (≥ {low})" if low else f"{text} (≤ {high})" if high else text


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{1000 * value:.0f}" if unit == "ms" else f"{100 * value:.1f}" if unit == "%" else f"{value:.1f}"
