"""A choice by slice as a file of the results folder, and as plain values."""

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
from .study import Study

SLICES_FILE = "slices.parquet"


def check_slices(by: Sequence[str]) -> None:
    """Raise InputError for what figures can't be sliced by; before the work, not after it."""
    unknown = [key for key in by if key not in KEYS]
    if unknown:
        raise InputError(f"can't slice by {unknown[0]!r}; expected some of {', '.join(KEYS)}")


def write_slices(study: Study, choice: Choice, by: Sequence[str], folder: Path) -> pd.DataFrame:
    """Figures of LiveKit's defaults and of the choice by slice, with a column "setting"; into a file."""
    named = {"LiveKit's defaults": study.defaults, "chosen": choice.settings}
    frames = [study.slices(settings, by).assign(setting=name) for name, settings in named.items()]
    table = pd.concat(frames, ignore_index=True)
    with replacing(folder / SLICES_FILE) as part:
        table.to_parquet(part)
    return table


def plain_slices(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values; None for what is unknown or infinite."""
    numbers = table.replace([np.inf, -np.inf], np.nan).astype(object)
    return [
        {str(key): value for key, value in row.items()}
        for row in numbers.where(numbers.notna(), None).to_dict("records")
    ]
