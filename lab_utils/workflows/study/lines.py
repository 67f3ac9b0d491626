"""The choice on worse lines than those that were recorded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ... import plots
from ...core.files import replacing

LINE_FILES = ("lines.parquet", "lines.png")
"""Written beside the others where a choice is judged on bad lines."""


def write_lines(frame: pd.DataFrame, folder: Path) -> None:
    """Write lines.parquet and lines.png into a results folder."""
    picture = plots.Picture(plots.line_figure(frame))
    with replacing(folder / LINE_FILES[0]) as part:
        frame.to_parquet(part)
    with replacing(folder / LINE_FILES[1]) as part:
        part.write_bytes(picture.png(dpi=150))
