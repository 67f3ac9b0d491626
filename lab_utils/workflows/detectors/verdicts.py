"""What a comparison of detectors tells, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ...turns.comparison.points import Point, Reached


def verdicts(reached: Sequence[Reached], differences: pd.DataFrame) -> list[str]:
    """A sentence for each operating point: which detector leads, and from which it can be told apart."""
    return [_sentence(point, reached, differences) for point in dict.fromkeys(one.point for one in reached)]


def _sentence(point: Point, reached: Sequence[Reached], differences: pd.DataFrame) -> str:
    here = [one for one in reached if one.point == point]
    there = sorted((one for one in here if one.gets_there), key=lambda one: one.value)
    short = [one.detector for one in here if not one.gets_there]
    failing = f" {_listed(short)} can't be tuned to it." if short else ""
    if not there:
        return f"At {point.name}: no detector can be tuned to it."
    best, others = there[0], there[1:]
    value = _value(point.metric, best.value)
    if not others:
        return f"At {point.name}: only {best.detector} gets there, with {value}.{failing}"
    worse: list[str] = []
    alike: list[str] = []
    for other in others:
        row, sign = _pair(differences, point, best.detector, other.detector)
        by = sign * row["difference"]
        told = f"{other.detector} ({_gap(point.metric, by, sign, row)})"
        apart = row["verdict"] in ("first is better", "second is better") and by > 0
        (worse if apart else alike).append(told)
    parts = [f"At {point.name}: {best.detector} has the least, {value}"]
    if worse:
        parts.append(f"and is better than {_listed(worse)}")
    if alike:
        parts.append(f"{'but ' if not worse else 'and '}can't be told apart from {_listed(alike)}")
    return ", ".join(parts) + "." + failing


def _pair(differences: pd.DataFrame, point: Point, best: str, other: str) -> tuple[pd.Series, int]:
    """The row of a pair, and the sign that makes its difference the other's less the best's."""
    of_point = differences[differences["point"] == point.name]
    for first, second, sign in ((best, other, 1), (other, best, -1)):
        rows = of_point[(of_point["first"] == first) & (of_point["second"] == second)]
        if len(rows):
            return rows.iloc[0], sign
    raise KeyError(f"{best} and {other} were not compared at {point.name}")


def _gap(metric: str, by: float, sign: int, row: pd.Series) -> str:
    limits = sorted(sign * row[name] for name in ("low", "high"))
    if not np.isfinite([by, *limits]).all():
        return "too little to tell"
    scale, unit = _scale(metric)
    unit = "points" if unit == "%" else unit
    low, high = (f"{scale * limit:+.{_digits(metric)}f}" for limit in limits)
    p = f"p {row['p_holm']:.3f}" if row["p_holm"] >= 0.001 else "p < 0.001"
    return f"{scale * by:+.{_digits(metric)}f} {unit}, 95 % {low} to {high}, {p}"


def _value(metric: str, value: float) -> str:
    scale, unit = _scale(metric)
    what = "mean latency" if metric == "latency_mean" else "false boundaries"
    return f"{scale * value:.{_digits(metric)}f} {unit} {what}"


def _scale(metric: str) -> tuple[float, str]:
    return (1000.0, "ms") if metric == "latency_mean" else (100.0, "%")


def _digits(metric: str) -> int:
    return 0 if metric == "latency_mean" else 1


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
