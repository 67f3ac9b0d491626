"""A comparison's table as text, the same in the command line and in notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..study.figure_texts import NAMES, figure_text

if TYPE_CHECKING:
    from ...turns.comparison.points import Reached
    from ...turns.detectors.stt_services import SttService
    from .given import GivenDetector

SHOWN = ("false_boundary_rate", "latency_mean", "missed_rate")


def point_rows(points: pd.DataFrame, cost_ms: Mapping[str, float]) -> tuple[list[str], list[list[str]]]:
    """Titles and rows of the one table: each detector at each operating point, and what a question costs."""
    rows = []
    last = ""
    for row in points.to_dict("records"):
        name = str(row["detector"])
        cells = (
            [_figure(metric, row) for metric in SHOWN] if row["gets_there"] else ["can't get there", "", ""]
        )
        rows.append([row["point"] if row["point"] != last else "", name, *cells, _cost(cost_ms.get(name))])
        last = row["point"]
    return ["at most", "detector", *(NAMES[metric] for metric in SHOWN), "inference"], rows


def _figure(metric: str, row: Mapping[Any, Any]) -> str:
    values = {"value": row[metric], "low": row[f"{metric}_low"], "high": row[f"{metric}_high"]}
    known = {key: value if np.isfinite(value) else None for key, value in values.items()}
    return figure_text(metric, known | {"n": 1})


def _cost(cost_ms: float | None) -> str:
    return "–" if cost_ms is None or np.isnan(cost_ms) else f"{cost_ms:.1f} ms"


def calibration_rows(calibrations: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: how far each detector's probabilities can be taken at their word."""
    titles = ["detector", "ROC AUC", "precision", "Brier", "miscal.", "n", "no answer"]
    rows = []
    for name, one in calibrations.items():
        numbers = (one.roc_auc, one.average_precision, one.brier, one.error)
        cells = ("–" if np.isnan(number) else f"{number:.3f}" for number in numbers)
        rows.append([name, *cells, str(one.n), str(one.unanswered)])
    return titles, rows


def service_rows(
    reached: Iterable[Reached], detectors: Iterable[GivenDetector]
) -> tuple[list[str], list[list[str]]]:
    """Titles and rows: what each service is tuned to at each operating point, in its own names."""
    rows = [
        [one.point.name, one.detector, ", ".join(f"{name} {value:g}" for name, value in told.items())]
        for one, _, told in service_points(reached, detectors)
    ]
    return ["at most", "service", "its parameters"], rows


def service_points(
    reached: Iterable[Reached], detectors: Iterable[GivenDetector]
) -> list[tuple[Reached, SttService, dict[str, float]]]:
    """The points that services get to, each with the service's parameters there."""
    given = {one.name: one for one in detectors}
    return [
        (one, service, service.options_of(one.settings, given[one.detector].options))
        for one in reached
        if (service := given[one.detector].service) is not None and one.gets_there
    ]


def worker_codes(reached: Iterable[Reached], detectors: Iterable[GivenDetector], point: str) -> list[str]:
    """For each service that gets to a point, a worker that sets the parameters which it has there."""
    return [
        f"# {service.title}, {one.point.name}\n{service.worker_code(told)}"
        for one, service, told in service_points(reached, detectors)
        if one.point.name == point
    ]
