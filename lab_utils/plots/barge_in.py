"""The trade-off of barge-in: time to yield against false stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from .display import Display
from .style import BLUE, GREEN, LIGHT_GREY, VERMILLION, blank_figure
from .sweeps import point

YIELD_LABEL = "mean time to yield (s); a missed interruption counts as 5 s"
STOPPED_LABEL = "falsely stopped, of the sounds to talk through (%)"


@dataclass(frozen=True)
class BargeInArtists:
    """What `barge_in_tradeoff` draws."""

    settings: PathCollection
    frontier: Line2D
    default: Line2D
    chosen: Line2D | None
    legend: Legend


def barge_in_tradeoff(
    ax: Axes,
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    default_row: int,
    chosen_row: int | None = None,
    counts: Mapping[str, int] | None = None,
) -> Display[BargeInArtists]:
    """Restricted time to yield (x, s) against the share of sounds that falsely stop the agent (y, %).

    `table`: `turns.barge_in.search.table_of`; `counts`: for the title (recordings, interruptions, sounds).
    """
    x, y = table["yield_restricted"], 100 * table["falsely_stopped_rate"]
    tried = ax.scatter(
        x, y, s=12, color=LIGHT_GREY, linewidths=0, label=f"settings tried (n = {len(table):,})"
    )
    best = table.iloc[list(frontier_rows)].sort_values("yield_restricted")
    (line,) = ax.plot(
        best["yield_restricted"], 100 * best["falsely_stopped_rate"], drawstyle="steps-post", color=BLUE
    )
    line.set(linewidth=1.4, marker="o", markersize=4, label="best of all (frontier)")

    def marked(row: int, colour: str, marker: str, text: str) -> Line2D:
        return point(ax, float(x.iloc[row]), float(y.iloc[row]), colour, marker, text)

    default = marked(default_row, VERMILLION, "D", "LiveKit's default")
    chosen = None if chosen_row is None else marked(chosen_row, GREEN, "*", "chosen setting")
    ax.set(
        xlabel=YIELD_LABEL, ylabel=STOPPED_LABEL, ylim=(-4, 104), xlim=(0, 1.08 * float(np.nanmax([*x, 0.5])))
    )
    ax.grid(color="#E6E6E6", linewidth=0.7)
    ax.set_axisbelow(True)
    if counts is not None:
        words = {"recordings": "recording(s)", "interruptions": "interruption(s)"}
        words |= {"sounds": "sound(s) to talk through"}
        title = "; ".join(f"{counts[name]} {word}" for name, word in words.items())
        ax.set_title(title, loc="left", fontsize=10)
    legend = ax.legend(loc="upper right", fontsize=9, framealpha=0.95)
    return Display(table, ax, BargeInArtists(tried, line, default, chosen, legend))


def barge_in_figure(
    table: pd.DataFrame,
    frontier_rows: Sequence[int],
    default_row: int,
    chosen_row: int | None = None,
    counts: Mapping[str, int] | None = None,
    size_in: tuple[float, float] = (8.0, 5.0),
) -> Figure:
    """`barge_in_tradeoff` on a figure of its own."""
    figure = blank_figure(size_in)
    barge_in_tradeoff(figure.subplots(), table, frontier_rows, default_row, chosen_row, counts)
    return figure
