"""The figures of barge-in in words, for the command line and notebooks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

NAMES = {
    "missed_rate": "missed",
    "given_back_rate": "… of them given back",
    "yield_mean": "time to yield, mean",
    "yield_p50": "… median",
    "yield_p95": "… p95",
    "yield_restricted": "… a missed one as 5 s",
    "talk_over_mean": "talk-over",
    "words_lost_mean": "words lost",
    "falsely_stopped_rate": "falsely stopped",
    "stopped_for_good_rate": "… for good",
    "resumed_rate": "… resumed, of these",
    "resumed_after_mean": "… after",
}
"""Of interruptions down to talk-over, then of sounds to talk through."""


def figure_text(name: str, row: Mapping[Any, Any]) -> str:
    """A figure with its interval."""
    if not row["n"] or math.isnan(row["value"]):
        return "–"
    if math.isinf(row["value"]):
        return "never"
    rate = name.endswith("_rate")

    def text(value: float) -> str:
        return f"{100 * value:.1f}" if rate else f"{value:.2f}"

    value = text(row["value"]) + (" %" if rate else "" if name.startswith("words") else " s")
    limits = ["" if math.isnan(row[edge]) else text(row[edge]) for edge in ("low", "high")]
    return f"{value} ({'–'.join(limits)})" if all(limits) else value


def figure_rows(frames: Mapping[str, pd.DataFrame]) -> Iterator[list[str]]:
    """A row for each figure: its name, its text in each frame (`figures.with_intervals`), and n."""
    for name, text in NAMES.items():
        rows = [frame.loc[name].to_dict() for frame in frames.values()]
        yield [text, *(figure_text(name, row) for row in rows), str(int(rows[0]["n"]))]
