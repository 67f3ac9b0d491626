"""The choice on worse lines than those that were recorded."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ...core.files import replacing

CONDITION_FILES = ("channel_conditions.parquet", "channel_conditions.png")
"""Written beside the others where a choice is judged on bad lines."""


def write_channel_conditions(frame: pd.DataFrame, folder: Path) -> None:
    """Write channel_conditions.parquet and channel_conditions.png into a results folder."""
    from ... import plots  # matplotlib takes a second, and most studies have recorded lines only

    picture = plots.Picture(plots.channel_condition_figure(frame))
    with replacing(folder / CONDITION_FILES[0]) as part:
        frame.to_parquet(part)
    with replacing(folder / CONDITION_FILES[1]) as part:
        part.write_bytes(picture.png(dpi=150))
