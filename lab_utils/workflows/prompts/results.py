"""A search of instructions as a folder of results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ...core.files import write_whole
from .search import TRIES, Search

FILES = ("best.txt", "tries.csv", "summary.json", TRIES)
"""The best instructions, as `lab probe --instructions` takes them; every try; all of it; what goes on."""


def summary_of(found: Search) -> dict[str, Any]:
    """All results as plain values."""
    return {
        "format": "prompts-search",
        "version": 1,
        "objective": found.objective,
        "combinations": found.combinations,
        "turns": {"searched": found.turns[0], "held_out": found.turns[1]},
        "tries": _rows(found),
        "best": {"in_words": found.best.in_words, "text": found.best.text},
        "held_out": found.held_out,
        "difference": found.difference,
        "interval": [found.interval.low, found.interval.high],
        "held_out_beyond": list(found.held_out_beyond),
    }


def _rows(found: Search) -> list[dict[str, Any]]:
    return [{"choice": one.in_words, **one.figures, "kept": one.kept} for one in found.tries]


def save_search(found: Search, folder: Path) -> None:
    """Write `FILES` but for the replies, which are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "best.txt", found.best.text + "\n")
    write_whole(folder / "tries.csv", pd.DataFrame(_rows(found)).to_csv(index=False))
    write_whole(folder / "summary.json", json.dumps(summary_of(found), indent=1) + "\n")
