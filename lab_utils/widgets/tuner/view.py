"""What the browser draws of a sweep and of single settings, as plain values and bytes. No ink, no kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ...core.knobs import KNOBS
from ...core.timeline import Ints
from ...plots.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION, YELLOW
from ...turns.choose import answering, frontier
from ...workflows.study.figure_texts import figure_rows

AXES = {
    "latency_mean": "mean latency (s)",
    "latency_p50": "median latency (s)",
    "latency_p95": "95th percentile of latency (s)",
}
"""What the trade-off can be drawn over."""
DRAWN = ("false_boundary_rate", *AXES)
COLOURS = {
    "frontier": BLUE,
    "LiveKit's defaults": VERMILLION,
    "chosen": GREEN,
    "now": PURPLE,
    "A": SKY,
    "B": ORANGE,
    "other": YELLOW,
}
"""Of what is drawn, by name, as in `plots.sweeps`; `other`: recorded sessions' own settings."""
MOST_POINTS = 20_000
"""Of more settings a part is drawn, with the whole frontier."""
FIGURES = (
    "false_boundary_rate",
    "false_boundary_rate_at_most",
    "false_boundary_rate_per_turn",
    "missed_rate",
    "latency_mean",
    "latency_p50",
    "latency_p95",
    "longest_wait",
    "timeout_rate",
    "coin_flips",
    "commits_in_no_label",
)
"""What a slider moves."""


def points(table: pd.DataFrame) -> dict[str, Any]:
    """The settings of a sweep: `rows` (int32), `values` (float32, shape=(points, 5)), `knobs`, `frontiers`.

    A point's values are those of `DRAWN`, and 1 if it answers often enough, else 0. `knobs` has a table of
    texts for each knob, `codes` (uint16, shape=(knobs, points)) which of them a point has. `frontiers`: for
    each axis its frontier's points, from the fastest.
    """
    rows = _drawn_rows(table)
    part = table.iloc[rows]
    place = {row: k for k, row in enumerate(rows.tolist())}
    values = part[list(DRAWN)].to_numpy(np.float64)
    usable = answering(part).to_numpy()[:, None]
    knobs, codes = [], []
    for name in KNOBS:
        code, texts = pd.factorize(part[name].map(_text))
        knobs.append({"name": name, "texts": [str(text) for text in texts]})
        codes.append(code)
    return {
        "rows": rows.astype(np.int32).tobytes(),
        "values": np.hstack([values, usable]).astype(np.float32).tobytes(),
        "knobs": knobs,
        "codes": np.array(codes, dtype=np.uint16).tobytes(),
        "frontiers": {axis: [place[row] for row in frontier(table, axis)[::-1]] for axis in AXES},  # type: ignore[arg-type]
    }


def _drawn_rows(table: pd.DataFrame) -> Ints:
    if len(table) <= MOST_POINTS:
        return np.arange(len(table))
    best = np.unique(np.concatenate([frontier(table, axis) for axis in AXES]))  # type: ignore[arg-type]
    others = np.setdiff1d(np.arange(len(table)), best)
    chosen = np.random.default_rng(0).choice(others, max(0, MOST_POINTS - len(best)), replace=False)
    return np.sort(np.concatenate([best, chosen]))


def _text(value: Any) -> str:
    if value is None or value != value:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


Figures = Mapping[str, Mapping[str, Any]]
"""As `plain_figures`."""


def marked(figures: Figures) -> dict[str, list[float | None]]:
    """Where a setting lies: for each of `DRAWN` the value and its 95 % limits, None where there is none."""
    return {name: [figures[name][key] for key in ("value", "low", "high")] for name in DRAWN}


def table_rows(columns: Mapping[str, Figures]) -> list[list[str]]:
    """Name, a text for each setting, and n, of each figure that a slider moves."""
    return figure_rows([{name: column[name] for name in FIGURES} for column in columns.values()])
