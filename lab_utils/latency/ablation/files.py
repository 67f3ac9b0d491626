"""An ablation as files: `turns.parquet`, `sessions.parquet` and `summary.json`.

Equal ablations give equal files, byte for byte.
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.files import replacing, write_whole
from ..techniques.choice import LEVER_NAMES
from .run import Ablation

FORMAT, VERSION = "ablation-summary", 2
"""In version 1 latencies were in ms."""


def save_ablation(ablation: Ablation, folder: Path, summary: dict[str, Any]) -> None:
    """Write the three files, each whole or not at all. `summary`: of `summary_of`, and more if there is."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("turns", ablation.turns), ("sessions", ablation.sessions)):
        with replacing(folder / f"{name}.parquet") as part:
            frame.to_parquet(part, index=False)
    text = json.dumps(summary, indent=1, ensure_ascii=False) + "\n"
    write_whole(folder / "summary.json", text)


def summary_of(ablation: Ablation) -> dict[str, Any]:
    """The main results as plain values: times in seconds to 0.1 µs; None where there is no figure."""
    summary = ablation.summary
    return {
        "format": FORMAT,
        "version": VERSION,
        "providers": ablation.providers.name,
        "settings": ablation.settings.model_dump(),
        "conditions": ablation.conditions.model_dump(),
        "seed": ablation.seed,
        "draws": ablation.draws,
        "wait_s": ablation.wait_s,
        "greeting": ablation.greeting,
        "cold_caches": not ablation.providers.has_warm_caches,
        "recordings": list(ablation.recordings),
        "skipped": list(ablation.skipped),
        "untranscribed": list(ablation.untranscribed),
        "counted": ablation.counted,
        "configurations": {
            name: [*one.on, *(lever for lever in LEVER_NAMES if lever in one.levers)]
            for name, one in ablation.configurations.items()
        },
        "verdicts": [dataclasses.asdict(verdict) for verdict in summary.verdicts],
        "latency": records(summary.latency),
        "savings": records(summary.savings),
        "costs": records(summary.costs),
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table's rows as plain values."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 7) + 0.0 if math.isfinite(value) else None
    return value
