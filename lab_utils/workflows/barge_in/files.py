"""The results of a measurement of barge-in as files: `FILES` in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from ...core.files import write_whole
from ...recordings.audio import replacing
from .record import BargeIn, BargeInChoice

FILES = ("table.parquet", "onsets.parquet", "summary.json", "tradeoff.png")


def save_results(measured: BargeIn, choice: BargeInChoice, folder: Path) -> None:
    """Write every setting's figures, what became of each onset under the choice, a summary, the picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("table", measured.table), ("onsets", measured.onsets(choice.row))):
        with replacing(folder / f"{name}.parquet") as part:
            frame.to_parquet(part)
    summary = json.dumps(measured.summary(choice), indent=1, ensure_ascii=False)
    write_whole(folder / "summary.json", summary + "\n")
    with replacing(folder / "tradeoff.png") as part:
        part.write_bytes(measured.plot(choice).png())
