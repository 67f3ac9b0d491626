"""A comparison of detectors as a folder of results, and the list of questions that a table has to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...core.files import write_together, write_whole
from ...core.labels import user_turns
from ...turns.grid import storable
from .compare import SLICED_AT, Comparison
from .texts import service_points

SUMMARY_VERSION = 1
QUALITY = ("brier", "error", "roc_auc", "average_precision")
FILES = (
    "summary.json", "points.parquet", "differences.parquet", "frontiers.parquet", "slices.parquet",
    "tradeoff.png", "calibration.png", "cost.json",
)  # fmt: skip


def summary_of(compared: Comparison) -> dict[str, Any]:
    """All results as plain values."""
    return {
        "format": "detectors-summary",
        "version": SUMMARY_VERSION,
        "detectors": [
            {
                "name": one.name,
                "version": one.predictor.model_version() if one.predictor is not None else "",
                "answers": one.in_words,
                "settings": len(compared.results[one.name].table),
            }
            for one in compared.detectors
        ],
        "recordings": [
            {"name": one.name, "path": one.path, "sha256": one.sha256, "duration_s": round(one.duration_s, 3)}
            for one in compared.corpus.recordings
        ],
        "sources": list(compared.sources),
        "skipped": [{"path": item.path, "reason": item.reason} for item in compared.skipped],
        "counts": compared.counts,
        "phases": compared.phases,
        "conditions": compared.conditions.model_dump(),
        "assumed": list(compared.conditions.in_words),
        "verdicts": compared.verdicts,
        "points": _plain(compared.points),
        "settings": [
            {"point": one.point.name, "detector": one.detector, "knobs": one.settings.knobs()}
            for one in compared.reached
        ],
        "services": [
            {
                "point": one.point.name,
                "detector": one.detector,
                "service": service.title,
                "parameters": told,
                "worker": service.worker_code(told),
            }
            for one, service, told in service_points(compared.reached, compared.detectors)
        ],
        "differences": _plain(compared.differences),
        "calibration": {
            name: {
                "n": one.n,
                "unanswered": one.unanswered,
                **_known({key: getattr(one, key) for key in QUALITY}),
                "bins": _plain(one.bins),
            }
            for name, one in compared.calibrations.items()
        },
        "sliced_at": SLICED_AT.name,
        "push_to_talk": asdict(compared.push_to_talk),
        "eager": None if compared.eager is None else _plain(compared.eager),
    }


def _known(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Without what JSON has no number for."""
    return {name: float(number) if np.isfinite(number) else None for name, number in numbers.items()}


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    numbers = frame.replace([np.inf, -np.inf], np.nan).astype(object)
    rows = numbers.where(numbers.notna(), None).to_dict("records")
    return [{str(key): value for key, value in row.items()} for row in rows]


def write_results(compared: Comparison, folder: str | Path) -> dict[str, Any]:
    """Write `FILES` into a folder; returns the summary. A failure leaves what was there."""
    folder, summary = Path(folder), summary_of(compared)
    tradeoff, curves = compared.plot_tradeoff(), compared.plot_calibration()
    writers: tuple[Callable[[Path], object], ...] = (
        lambda path: path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8"),
        compared.points.to_parquet,
        compared.differences.to_parquet,
        storable(compared.frontiers).to_parquet,
        compared.slices.to_parquet,
        lambda path: tradeoff.save(path, dpi=150),
        lambda path: curves.save(path, dpi=150),
        lambda path: path.write_text(json.dumps({"inference_ms": _known(compared.cost_ms)}, indent=1) + "\n"),
    )
    write_together(folder, dict(zip(FILES, writers, strict=True)))
    return summary


def questions(compared: Comparison) -> pd.DataFrame:
    """The pauses that a table of probabilities has to answer: recording, sha256, time_s, probability (empty).

    One row per hold and end of turn; `time_s` is where the pause begins.
    """
    parts = []
    for one in compared.corpus.recordings:
        starts_s = [
            *one.labels.of_kind("hold")[:, 0].tolist(),
            *(turn.end_s for turn in user_turns(one.labels)),
        ]
        times = {
            "recording": one.name,
            "sha256": one.sha256,
            "time_s": sorted(starts_s),
            "probability": np.nan,
        }
        parts.append(pd.DataFrame(times))
    return pd.concat(parts, ignore_index=True)


def write_questions(compared: Comparison, path: Path) -> int:
    """Write `questions` as CSV; how many there are."""
    asked = questions(compared)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, asked.to_csv(index=False))
    return len(asked)
