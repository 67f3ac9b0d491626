"""A choice by slice: as a file of the results folder, as plain values, and as the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...core.errors import InputError
from ...core.files import replacing
from ...turns.slices import KEYS
from .choice import Choice
from .figure_texts import MAIN, figure_text
from .study import Study

SLICES_FILE = "slices.parquet"
SMALL = "*: not enough data (few cases, or a single recording); take it for a hint at most"
"""What the mark of a small slice means."""


def check_slices(by: Sequence[str]) -> None:
    """Raise InputError for what figures can't be sliced by; before the work, not after it."""
    unknown = [key for key in by if key not in KEYS]
    if unknown:
        raise InputError(f"can't slice by {unknown[0]!r}; expected some of {', '.join(KEYS)}")


def write_slices(study: Study, choice: Choice, by: Sequence[str], folder: Path) -> pd.DataFrame:
    """Figures of LiveKit's defaults and of the choice by slice, with a column "setting"; into a file."""
    table = slices_beside(study, choice, by)
    with replacing(folder / SLICES_FILE) as part:
        table.to_parquet(part)
    return table


def slices_beside(study: Study, choice: Choice, by: Sequence[str]) -> pd.DataFrame:
    """Figures of LiveKit's defaults and of the choice by slice, with a column "setting"."""
    named = {"LiveKit's defaults": study.defaults, "chosen": choice.settings}
    frames = [study.slices(settings, by).assign(setting=name) for name, settings in named.items()]
    return pd.concat(frames, ignore_index=True)


def slice_rows(table: pd.DataFrame, key: str) -> tuple[list[list[str]], bool]:
    """The rows of a table by one key (slice, setting, then `MAIN` as text), and whether a slice is small."""
    rows, small = [], False
    for (name, setting), part in table[table["by"] == key].groupby(["slice", "setting"], sort=False):
        figures = {row.pop("metric"): row for row in part.to_dict("records")}
        rows.append([str(name), str(setting), *(_cell(metric, figures[metric]) for metric in MAIN)])
        small |= any(row["note"] for row in figures.values())
    return rows, small


def _cell(metric: str, figure: dict[Any, Any]) -> str:
    plain = {key: figure[key] if np.isfinite(figure[key]) else None for key in ("value", "low", "high")}
    return f"{figure_text(metric, figure | plain)}, n={figure['n']}" + " *" * bool(figure["note"])


def plain_slices(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; None for what is unknown or infinite."""
    numbers = table.replace([np.inf, -np.inf], np.nan).astype(object)
    return [
        {str(key): value for key, value in row.items()}
        for row in numbers.where(numbers.notna(), None).to_dict("records")
    ]
